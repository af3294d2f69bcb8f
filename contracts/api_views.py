"""Answers of the HTTPS API that are no messages of the bus."""

from __future__ import annotations

from contracts.base import Model
from contracts.messages.target_provisioner import PointView


class PointList(Model):
    """The points of one task's replica, oldest first."""

    count: int
    points: tuple[PointView, ...]


class ServiceStatus(Model):
    """One service. is_healthy: it answers, and its store and bus work. pending_outbox: messages that it has committed
    and not yet published."""

    name: str
    is_healthy: bool
    pending_outbox: int = 0


class InstallationStatus(Model):
    """Every service of the installation; is_healthy when each of them is."""

    is_healthy: bool
    services: tuple[ServiceStatus, ...]
