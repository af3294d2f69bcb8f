"""What a new task takes from its template and from its migration project."""

from __future__ import annotations

from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.task_settings import TASK_NOT_OFFERED
from contracts.messages.migration_project import MigrationChoices
from contracts.messages.task import CreateTask, TaskOptions
from contracts.messages.template import TargetPlacement
from services.task.domain.flavors import parse_flavor
from services.task.domain.layout.options import target_disk_name
from services.task.domain.projects import Project
from services.task.domain.sizes import refuse_unfit_options
from services.task.domain.templates import Template

_DEFAULT: Final = TaskOptions()


class Chosen(Model):
    """The part of a task that is not its server's."""

    options: TaskOptions
    placement: TargetPlacement
    choices: MigrationChoices
    template_id: str
    project_id: str


def choose(request: CreateTask, template: Template | None, project: Project, *, disk_count: int) -> Chosen:
    """An option that is left at its default gives way to the template's or the project's value.

    disk_count: of the source; a template that describes more disks is no mistake, it may serve many sources.
    Raises MigrationError SMS.TASK.NOT_OFFERED, SMS.TASK.SETTING_INVALID.
    """
    options = request.options
    refuse_unfit_options(options)
    if template is not None:
        options = _with_template(options, template, disk_count=disk_count)
    if options.rate_limit_bit_s is None and project.rate_limit_bit_s:
        options = options.model_copy(update={"rate_limit_bit_s": project.rate_limit_bit_s})
    choices = request.choices
    if choices is None:
        choices = MigrationChoices.model_validate(project.model_dump())
        _refuse_what_is_not_offered(choices, project)
    return Chosen(
        options=options,
        placement=_placement(template, project),
        choices=choices,
        template_id=template.id if template is not None else "",
        project_id=project.id,
    )


def _with_template(options: TaskOptions, template: Template, *, disk_count: int) -> TaskOptions:
    changes: dict[str, object] = {}
    if template.flavor:
        flavor = parse_flavor(template.flavor)
        if options.cpu_count == _DEFAULT.cpu_count:
            changes["cpu_count"] = flavor.cpu_count
        if options.memory_bytes == _DEFAULT.memory_bytes:
            changes["memory_bytes"] = flavor.memory_bytes
    sizes = {
        f"disk.{target_disk_name(disk.index)}.size": str(disk.size_bytes)
        for disk in template.disks
        if disk.index < disk_count
    }
    # What the user says of any disk goes before all that the template says: two sizes for one disk, under its
    # source's and its target's name, would be a riddle.
    if sizes and not any(option.startswith("disk.") for option in options.layout_options):
        changes["layout_options"] = options.layout_options | sizes
    return options.model_copy(update=changes)


def _refuse_what_is_not_offered(choices: MigrationChoices, project: Project) -> None:
    """A project may say all that the v3 contract knows; a task that does something else instead must not be made."""
    wishes = (
        (choices.syncs, "continuous synchronisation", "--no-sync"),
        (not choices.starts_target, "a migration without a launch", "--start-target"),
    )
    for is_wished, what, option in wishes:
        if is_wished:
            raise MigrationError(
                TASK_NOT_OFFERED,
                what=f"{what}, which migration project {project.name} asks for",
                instead=f"Run `sms project update {project.id} {option}`, or name another project.",
            )


def _placement(template: Template | None, project: Project) -> TargetPlacement:
    if template is None:
        return TargetPlacement(region=project.region)
    placement = TargetPlacement.model_validate(template.model_dump())
    return placement if placement.region else placement.model_copy(update={"region": project.region})
