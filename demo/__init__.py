"""The demonstration: a live server, its orders, its migration, and the proof that nothing was lost."""
