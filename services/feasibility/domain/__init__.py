"""The rules, without I/O: an inventory in, a report out."""
