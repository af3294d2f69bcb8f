"""Facts of tasks, prices, and the cost that follows from both: pure."""
