"""Keeps every event of every account in a chain that shows any later edit."""
