"""One folder per service; each is a process of its own, and none imports another."""
