"""Metering's records and its price file."""
