"""The bridge: agents that speak HTTP, as the bus sees them."""
