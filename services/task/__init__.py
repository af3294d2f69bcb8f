"""The task service: one migration is one task, and a task is a saga."""
