"""The all-in-one: bus server, services and host agent as supervised child processes of one program."""
