"""Source agent, target agent and host agent: small programs that need neither services nor shared."""
