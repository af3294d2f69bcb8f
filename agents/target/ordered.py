"""A helper that is a machine of its own: it asks its provider what to do, and does it."""

from __future__ import annotations

from agents.install.own_paths import OWN_PATHS
from agents.target.disks.devices import as_devices
from agents.target.layer import adapt_layer
from agents.target.metadata import MetadataClient
from agents.target.start import run_target
from contracts.errors import MigrationError
from contracts.rehearsal import AdaptedLayer, LayerToAdapt


def run_ordered(url: str) -> int:
    """Serve a task until a signal, or adapt one layer and end. Raises MigrationError SMS.AGENT.METADATA."""
    client = MetadataClient(url)
    order = client.order()
    if order.serve is not None:
        return run_target(order.serve)
    if order.adapt is not None:
        client.put_result(_adapted(order.adapt).model_dump_json())
    return 0


def _adapted(order: LayerToAdapt) -> AdaptedLayer:
    try:
        here = order.model_copy(update={"disks": as_devices(order.disks)})
    except MigrationError as error:
        return AdaptedLayer(failure=error.failure)
    return adapt_layer(here, OWN_PATHS)
