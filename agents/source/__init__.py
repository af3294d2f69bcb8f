"""The agent on the source server: inventory, walk, copy."""
