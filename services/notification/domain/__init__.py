"""Channels, what is worth telling, and where it may be sent: pure."""
