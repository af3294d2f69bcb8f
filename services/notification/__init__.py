"""Tells people and programs what happens to their migrations: webhooks and mail."""
