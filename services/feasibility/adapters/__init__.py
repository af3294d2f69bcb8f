"""The outside world of the feasibility service: its records and its table file."""
