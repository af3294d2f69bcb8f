"""The gateway's outside world: HTTPS server, identity and answers."""
