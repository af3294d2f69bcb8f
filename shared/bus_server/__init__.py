"""The files that a nats-server of an installation starts from. See `installation.write_bus_configuration`."""
