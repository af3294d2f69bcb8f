"""Says what migrations use and cost, from events alone."""
