"""What tasks and templates may choose from on the local provider, and what a failed task says of its servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.errors import Failure
from contracts.messages.agreement import Offer, TaskErrorRow
from services.task.domain.flavors import DEFAULT, LARGEST
from services.task.domain.projects import MOST_PROJECTS
from services.task.domain.task import Task
from services.task.domain.templates import MOST_TEMPLATES

# One host is one region; its disks are files of one kind, for which the vendor's names are taken as they come.
OFFER: Final = Offer(
    regions=("local",),
    disk_types=("SAS", "SSD", "SATA"),
    default_flavor=DEFAULT,
    largest_flavor=LARGEST,
    project_limit=MOST_PROJECTS,
    template_limit=MOST_TEMPLATES,
)


class Agreement(Model):
    """A user's consent."""

    user_id: str
    accepted_at: datetime


def error_row(task: Task, failure: Failure) -> TaskErrorRow:
    """A task that rests because of a failure."""
    return TaskErrorRow(
        task_id=task.id,
        server_id=task.server_id,
        server_name=task.server_name,
        host_name=task.inventory.hostname,
        source_address=next(_addresses(task), ""),
        target_address=next(iter(task.channel.addresses), ""),
        failure=failure,
    )


def _addresses(task: Task) -> Iterator[str]:
    for interface in task.inventory.network_interfaces:
        if interface.name != "lo":
            yield from (address.partition("/")[0] for address in interface.addresses)
