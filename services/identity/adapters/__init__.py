"""Identity's outside world: the bus's authentication, its system account, and the key file of the seals."""
