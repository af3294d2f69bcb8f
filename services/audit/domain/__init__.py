"""The hash chain: pure, also for verification away from the service."""
