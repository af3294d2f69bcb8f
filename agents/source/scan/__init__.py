"""What is in a directory of the source and whether it has changed, by one call for many entries."""
