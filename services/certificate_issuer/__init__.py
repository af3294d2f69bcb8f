"""The authority of each migration task: issues, renews and revokes the certificates of its two agents."""
