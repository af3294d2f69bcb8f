"""The outside world of the registry: its records."""
