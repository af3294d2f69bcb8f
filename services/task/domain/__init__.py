"""What a task is and how it changes: pure."""
