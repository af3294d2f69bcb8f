"""How tasks, plans and reports look on the command line."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from cli.adaptation_view import print_adaptation
from cli.cutover_view import print_cutover
from cli.forecast_view import print_forecast
from cli.network_view import print_network_check
from cli.output import cell, err, out, print_fields, print_table, size
from cli.watch import changes_text, progress_text
from contracts.layout import TargetLayout
from contracts.messages.registry import ServerDetails
from contracts.messages.task import CreateTask, RehearsalView, TaskOptions, TaskView
from contracts.transfer import VerificationReport


def task_json(task: TaskView) -> dict[str, Any]:
    """A task with the stable keys: id, state, phase, error, progress, sub_tasks, target, and all others."""
    return task.model_dump(mode="json")


def print_task(task: TaskView) -> None:
    """One task for a person."""
    target = task.target
    print_fields(
        {
            "id": task.id,
            "server": f"{task.server_name} ({task.server_id})" if task.server_name else task.server_id,
            "state": task.state,
            "phase": f"{task.phase} {task.step}".strip(),
            "progress": progress_text(task.progress, task.layout) if task.progress else "",
            "changes": changes_text(task.progress) if task.progress else "",
            "cut over": task.is_cut_over,
            "template": task.template_id,
            "project": task.project_id,
            "target": f"{target.provider} {target.id}",
            "boots from": ", ".join(disk.path for disk in target.disks),
            "replica": ", ".join(disk.path for disk in target.replica_disks),
            "console": target.console,
            "ports": ", ".join(f"127.0.0.1:{port.host_port} to {port.target_port}" for port in target.ports),
            "points": len(target.points) or "",
        }
    )
    if task.error is not None:
        print_fields({"error": task.error.code, "cause": task.error.cause, "remedy": task.error.remedy})
    if task.rounds:
        print_table(
            ("round", "seconds", "files sent", "on the wire", "sent again", "changing"),
            (
                (
                    one.round_number or "full copy",
                    f"{one.seconds:.1f}",
                    one.files_sent,
                    size(one.bytes_sent),
                    size(one.bytes_resent),
                    one.files_changing,
                )
                for one in task.rounds
            ),
        )
    if task.step_seconds:
        print_table(("step", "seconds"), ((name, f"{seconds:.1f}") for name, seconds in task.step_seconds.items()))
    if task.network_check is not None:
        print_network_check(task.network_check)
    if task.forecast is not None:
        print_forecast(task.forecast)
    if task.cutover is not None:
        print_cutover(task.cutover)
    if task.verification is not None:
        print_verification(task.verification)
    print_adaptation(task.adaptation_plan, task.adaptation)
    if task.rehearsal is not None:
        print_rehearsal(task.rehearsal)


def print_verification(report: VerificationReport) -> None:
    """The outcome; the paths are in the report that `--report FILE` writes."""
    contents = f"{report.contents_read} files, {report.sample_percent:g} % by seed {report.seed}"
    print_fields(
        {
            "equal": report.is_equal,
            "contents": contents if report.mode == "quick" else "of all files",
            "files": report.files,
            "read back": f"{size(report.bytes_read)} in {report.seconds:.1f} s",
            "different": str(report.different),
            "missing": str(report.missing),
            "extra": str(report.extra),
            "changed since": str(report.changed_since),
        }
    )


def print_rehearsal(view: RehearsalView) -> None:
    """The verdict and its reasons."""
    report = view.report
    if report is None:
        print_fields({"rehearsal": f"runs since {view.begun_at:%H:%M:%S}"})
        return
    print_fields(
        {
            "rehearsal": report.verdict,
            "point": report.point_id,
            "seconds": f"{report.seconds} ({report.adaptation_seconds} to adapt, login after {report.login_seconds})",
            "ports": ", ".join(str(port) for port in report.ports),
            "addresses": ", ".join(report.addresses),
            "its console": report.console_path,
        }
    )
    for failure in report.failures:
        print_fields({"red": failure.code, "cause": failure.cause, "remedy": failure.remedy})


def print_plan(source: ServerDetails, layout: TargetLayout, request: CreateTask, *, to_stderr: bool) -> None:
    """The three steps of a task: source, target with what is wiped, options."""
    console = err if to_stderr else out
    inventory = source.inventory
    system = inventory.operating_system
    _heading(console, "1  Source")
    checks = source.server.checks or "not checked yet"
    _line(console, f"{source.server.name} ({source.server.id}), {system.name or system.id} {system.version}")
    _line(console, f"{inventory.firmware}, {len(inventory.disks)} disk(s), checks: {checks}")
    _heading(console, "2  Target")
    _line(console, f"provider {request.target_provider}; these disks are wiped and written anew:")
    for disk in layout.disks:
        role = ", system disk" if disk.is_system else ""
        origin = f", from {disk.source_disk}" if disk.source_disk else ""
        _line(
            console,
            f"  {disk.name}  {size(disk.size_bytes)}, {disk.table}, {len(disk.partitions)} partitions{origin}{role}",
        )
    for volume in layout.volumes:
        place = volume.logical_volume or f"{volume.target_disk}{volume.target_partition or ''}"
        _line(console, f"  {place}  {volume.kind} {volume.mount_point}, about {size(volume.estimated_bytes)} to copy")
    for note in layout.notes:
        _line(console, f"  note: {note}")
    _heading(console, "3  Options")
    for name, value in _chosen(request.options).items():
        _line(console, f"{name}: {value}")


def _chosen(options: TaskOptions) -> dict[str, object]:
    """The options that differ from the defaults, as text."""
    changed = options.model_dump(mode="json", exclude_defaults=True)
    return changed or {"all": "as by default"}


def _heading(console: Console, text: str) -> None:
    console.print(cell(text), style="bold")


def _line(console: Console, text: str) -> None:
    console.print("   ", cell(text), sep="")
