"""The `sms` command: a client of the bus, and the supervisor of the all-in-one."""
