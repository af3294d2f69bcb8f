"""Who may log in to the bus, and as whom."""
