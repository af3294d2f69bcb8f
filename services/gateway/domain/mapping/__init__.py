"""Between the wire's models and the messages of the bus, one module per area."""
