"""The task service's outside world: its records, the lane of commands to agents, the registry."""
