"""What services share: settings, telemetry, store with outbox and inbox, bus."""
