"""How a trace proves itself: hash chain, Merkle tree, signed checkpoints, exports. Pure: also used away from audit."""
