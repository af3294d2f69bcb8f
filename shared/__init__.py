"""What every service needs: bus, store, outbox, settings, telemetry."""
