"""Makes documents of the contracts: pure, `contracts.generate` writes them."""
