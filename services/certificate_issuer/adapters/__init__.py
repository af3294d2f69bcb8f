"""The key file that seals authority keys, and the making of keys."""
