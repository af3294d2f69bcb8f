"""Checks whether a source server can be migrated, and says what to do when it cannot."""
