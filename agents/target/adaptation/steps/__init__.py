"""The steps of an adaptation: each plans changes from a read-only view of the tree."""
