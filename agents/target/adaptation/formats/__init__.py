"""Parsers of configuration files that keep every line which they do not change, byte for byte."""
