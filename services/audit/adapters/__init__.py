"""The outside world of audit: the file of its signing key."""
