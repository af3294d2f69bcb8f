"""Targets: owns the records of target servers, temporary volumes, points and launch layers; asks providers."""
