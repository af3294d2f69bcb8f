"""What a target is and what follows from what a provider says; no I/O."""
