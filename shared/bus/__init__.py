"""The bus as services see it: durable subscriptions, requests and core messages in typed models."""

from shared.bus.service_bus import ServiceBus

__all__ = ["ServiceBus"]
