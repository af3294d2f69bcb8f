"""The source servers of all accounts, their agents and whether they are connected."""
