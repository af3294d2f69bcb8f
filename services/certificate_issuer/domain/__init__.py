"""What a certificate says and when one is issued: no I/O; keys, serials and times are arguments."""
