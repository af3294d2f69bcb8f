"""Providers, and the records of targets."""
