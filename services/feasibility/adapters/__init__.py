"""Tables that come as files with the program."""
