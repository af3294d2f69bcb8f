"""The source's half of a file-level copy: it walks, reads, sends, and keeps the catalogue of what the target holds."""
