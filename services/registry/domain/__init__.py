"""What a source server is and how it changes; without I/O."""
