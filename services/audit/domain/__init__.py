"""How messages become entries, what queries mean, how the tree grows: pure."""
