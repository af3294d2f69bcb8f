"""`sms cost`: what migrations cost, prices, and the balance of the account."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, duration, print_fields, print_json, print_table
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.metering import (
    Balance,
    CostEstimate,
    CostItem,
    CostList,
    PriceList,
    Prices,
    TaskCost,
)

app = typer.Typer(help="Cost of migrations.", no_args_is_help=True)

_GB = 10**9
# The API's largest page.
_PAGE = 200


class _Amount(BaseModel):
    amount: str


@app.command("show")
def show(
    task_id: Annotated[str, typer.Argument(help="A task; without one, the account by project and task.")] = "",
    project: Annotated[str | None, typer.Option(help="Only tasks of this migration project.")] = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the running cost of a task as of now, its final cost, or that of the whole account."""
    if task_id:
        cost = on_api(data, lambda api: api.get(f"/v3/tasks/{segment(task_id)}/cost", TaskCost))
        if output is OutputFormat.JSON:
            print_json(cost.model_dump(mode="json"))
            return
        _print_task(cost)
        return
    found = on_api(data, lambda api: _all(api, project))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("project", "tasks", "running", "amount"),
        ((one.project_id or "-", one.tasks, one.running_tasks, _money(one)) for one in found.projects),
    )
    print_table(
        ("task", "server", "phase", "final", "amount"),
        ((one.task_id, one.server_id, one.phase, one.is_final, _money(one)) for one in found.tasks),
    )
    print_fields({"in all": ", ".join(_money(one) for one in found.totals) or "nothing"})


@app.command("estimate")
def estimate(
    server: Annotated[str, typer.Option(help="A source server; what it has in use is taken.")] = "",
    used_gb: Annotated[float, typer.Option(min=0, help="GB (10^9 bytes) in use on the source.")] = 0,
    rate_mbit: Annotated[float, typer.Option(min=0, help="Mbit/s of the copy; 0: the usual rate.")] = 0,
    hours: Annotated[float, typer.Option(min=0, help="How long the migration takes; 0: by the rate.")] = 0,
    traffic_mode: Annotated[
        str, typer.Option(help="fixed_bandwidth, pay_per_use or private_line; default: the account's.")
    ] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say what a migration would cost."""
    found = on_api(
        data,
        lambda api: api.get(
            "/v3/cost/estimate",
            CostEstimate,
            server_id=server or None,
            used_bytes=round(used_gb * _GB) or None,
            rate_bit_s=round(rate_mbit * 10**6) or None,
            duration_s=round(hours * 3600) or None,
            traffic_mode=traffic_mode or None,
        ),
    )
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    _print_items(found.items)
    rate = f" at {found.rate_bit_s / 10**6:g} Mbit/s" if found.rate_bit_s else ""
    print_fields(
        {
            "amount": _money(found),
            "assumed": f"{found.used_bytes / _GB:g} GB in use, {duration(found.duration_s)}{rate}",
            "traffic": found.traffic_mode,
        }
    )


@app.command("prices")
def prices(
    new: Annotated[Path | None, typer.Option("--set", help="JSON file with the account's own prices.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go by the installation's prices again.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show or set the prices that hold for tasks that are created from now on."""
    if new is not None:
        body = _price_file(new)
        found = on_api(data, lambda api: api.put("/v3/prices", body, Prices))
    elif reset:
        found = on_api(data, lambda api: api.delete("/v3/prices", Prices))
    else:
        found = on_api(data, lambda api: api.get("/v3/prices", Prices))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    listed = found.prices
    print_fields(
        {
            "currency": listed.currency,
            "volume per GB and hour": listed.volume_gb_hour,
            "snapshot": listed.snapshot,
            "traffic per GB": listed.traffic_gb,
            "traffic is billed by": listed.traffic_mode,
            "minimum balance": listed.minimum_balance,
            "of": "this account" if found.is_own else "the installation",
            "since": found.valid_from if found.valid_from.year > 1970 else None,
        }
    )


@app.command("balance")
def balance(
    amount: Annotated[str, typer.Option("--set", help="What the account has with whoever bills it.")] = "",
    reset: Annotated[bool, typer.Option("--reset", help="Keep no balance: starts are not checked.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show or enter the balance that is checked before a task starts."""
    if amount:
        found = on_api(data, lambda api: api.put("/v3/balance", _Amount(amount=amount), Balance))
    elif reset:
        found = on_api(data, lambda api: api.delete("/v3/balance", Balance))
    else:
        found = on_api(data, lambda api: api.get("/v3/balance", Balance))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_fields(
        {
            "balance": "none is kept" if found.amount is None else f"{found.amount} {found.currency}",
            "minimum": f"{found.minimum} {found.currency}",
            "tasks may start": found.is_sufficient,
            "entered": found.changed_at,
        }
    )


async def _all(api: ApiClient, project: str | None) -> CostList:
    """Every page in one list; sums are those of the first page."""
    found = await api.get("/v3/cost", CostList, project_id=project, limit=_PAGE)
    tasks = list(found.tasks)
    while len(tasks) < found.count:
        page = await api.get("/v3/cost", CostList, project_id=project, limit=_PAGE, offset=len(tasks))
        if not page.tasks:
            break
        tasks += page.tasks
    return found.model_copy(update={"tasks": tuple(tasks)})


def _price_file(path: Path) -> PriceList:
    try:
        return PriceList.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        reason = f"{path} is no list of prices: {error}"
        raise MigrationError(USAGE, reason=reason, command="sms cost prices") from error


def _print_task(cost: TaskCost) -> None:
    _print_items(cost.items)
    print_fields(
        {
            "amount": _money(cost),
            "as of": cost.as_of,
            "final": cost.is_final,
            "phase": cost.phase,
            "project": cost.project_id,
        }
    )


def _print_items(items: tuple[CostItem, ...]) -> None:
    print_table(
        ("item", "quantity", "unit", "unit price", "amount", "note"),
        ((one.what, one.quantity, one.unit, one.unit_price, one.amount, one.note) for one in items),
    )


class _Priced(BaseModel):
    amount: Decimal
    currency: str


def _money(priced: BaseModel) -> str:
    shown = _Priced.model_validate(priced.model_dump())
    return f"{shown.amount} {shown.currency}"
