"""The target's half of a file-level copy: it writes below its volumes' roots, makes that durable, and verifies it."""
