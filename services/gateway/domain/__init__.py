"""What the gateway decides, without I/O: signing, the route table, the wire models and their mapping."""
