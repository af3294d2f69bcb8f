"""What a migration costs: prices, balance, cost of tasks, estimates. All amounts are decimal numbers of a currency.

Amounts of items are rounded half up to six decimals, and a total is the sum of its rounded items.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.base import Message, MessageKind, Model

TrafficMode = Literal["fixed_bandwidth", "pay_per_use", "private_line"]
Price = Annotated[Decimal, Field(ge=0, le=10**9, max_digits=24, decimal_places=12)]
Money = Annotated[Decimal, Field(ge=-(10**15), le=10**15, max_digits=24, decimal_places=6)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class PriceList(Model):
    """Unit prices. volume_gb_hour: of the temporary volume, per GB (10^9 bytes) and hour that it exists. snapshot:
    per point taken. traffic_gb: per GB in use on the source's disks, with traffic_mode pay_per_use only: a fixed
    bandwidth costs nothing more, and a private line is priced by whoever runs it. minimum_balance: what an account
    must have at the start of a task."""

    currency: Currency
    volume_gb_hour: Price
    snapshot: Price = Decimal(0)
    traffic_gb: Price
    traffic_mode: TrafficMode = "fixed_bandwidth"
    minimum_balance: Price = Decimal(0)


class CostItem(Model):
    """One line of a bill: quantity times unit_price is amount. note: what a reader must know besides."""

    what: Literal["volume", "snapshot", "traffic"]
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal
    note: str = ""


class TaskCost(Model):
    """What one task has cost until as_of. is_final: the task has ended and nothing of it is billed any more.

    phase: "" while the task's own events have not come yet.
    """

    task_id: str
    server_id: str = ""
    project_id: str = ""
    phase: str = ""
    as_of: datetime
    is_final: bool = False
    currency: str
    amount: Decimal
    items: tuple[CostItem, ...] = ()


class CostTotal(Model):
    """The sum in one currency. project_id: "" for tasks of no project, and in a sum over all projects."""

    project_id: str = ""
    currency: str
    amount: Decimal
    tasks: int
    running_tasks: int = 0


class ShowTaskCost(Message):
    """Request ``metering.show``: running cost as of now, or final cost."""

    TYPE: ClassVar[str] = "sms.metering.show"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str


class TaskCostDetails(Message):
    """The answer to ShowTaskCost."""

    TYPE: ClassVar[str] = "sms.metering.task-cost"
    KIND: ClassVar[MessageKind] = "reply"
    cost: TaskCost


class ListCosts(Message):
    """Request ``metering.list``: cost of an account by project, and of its tasks. project_id: only of this one."""

    TYPE: ClassVar[str] = "sms.metering.list"
    KIND: ClassVar[MessageKind] = "request"
    project_id: str | None = None
    limit: int = 50
    offset: int = 0


class CostList(Message):
    """totals: over everything asked for, by currency. projects: the same by project. count: of all such tasks;
    tasks: one page of them, in the order of their ids."""

    TYPE: ClassVar[str] = "sms.metering.costs"
    KIND: ClassVar[MessageKind] = "reply"
    as_of: datetime
    totals: tuple[CostTotal, ...] = ()
    projects: tuple[CostTotal, ...] = ()
    count: int = 0
    tasks: tuple[TaskCost, ...] = ()


class EstimateCost(Message):
    """Request ``metering.estimate``: what a migration would cost. used_bytes: 0 takes what the server reported.

    duration_s: how long the temporary volume will exist; 0 forecasts it from rate_bit_s, 0 from the default rate.
    """

    TYPE: ClassVar[str] = "sms.metering.estimate"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str = ""
    used_bytes: int = Field(default=0, ge=0, le=1 << 60)
    rate_bit_s: int = Field(default=0, ge=0, le=10**13)
    duration_s: int = Field(default=0, ge=0, le=10**9)
    traffic_mode: TrafficMode | None = None


class CostEstimate(Message):
    """A forecast, with what it assumes. rate_bit_s is 0 when the duration was given."""

    TYPE: ClassVar[str] = "sms.metering.estimated"
    KIND: ClassVar[MessageKind] = "reply"
    server_id: str = ""
    used_bytes: int
    rate_bit_s: int
    duration_s: int
    traffic_mode: TrafficMode
    currency: str
    amount: Decimal
    items: tuple[CostItem, ...]


class ShowPrices(Message):
    """Request ``metering.show-prices``: the prices that hold for a task that is created now."""

    TYPE: ClassVar[str] = "sms.metering.show-prices"
    KIND: ClassVar[MessageKind] = "request"


class SetPrices(Message):
    """Request ``metering.set-prices``: prices of this account from now on; None: the installation's again. A task
    is billed by the prices of the time when it was created."""

    TYPE: ClassVar[str] = "sms.metering.set-prices"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    prices: PriceList | None = None


class Prices(Message):
    """is_own: of this account and not of the installation."""

    TYPE: ClassVar[str] = "sms.metering.prices"
    KIND: ClassVar[MessageKind] = "reply"
    prices: PriceList
    is_own: bool
    valid_from: datetime


class ShowBalance(Message):
    """Request ``metering.show-balance``."""

    TYPE: ClassVar[str] = "sms.metering.show-balance"
    KIND: ClassVar[MessageKind] = "request"


class SetBalance(Message):
    """Request ``metering.set-balance``: what the account has with whoever bills it; None ends the check."""

    TYPE: ClassVar[str] = "sms.metering.set-balance"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    amount: Money | None = None


class CheckBalance(Message):
    """Request ``metering.check-balance``: whether a task may start."""

    TYPE: ClassVar[str] = "sms.metering.check-balance"
    KIND: ClassVar[MessageKind] = "request"


class Balance(Message):
    """amount None: no balance is kept, so none is checked. is_sufficient: a task may start."""

    TYPE: ClassVar[str] = "sms.metering.balance"
    KIND: ClassVar[MessageKind] = "reply"
    amount: Decimal | None = None
    minimum: Decimal
    currency: str
    is_sufficient: bool = True
    changed_at: datetime | None = None


class TaskCostChanged(Message):
    """Event ``task.<id>.cost-changed``: at every change of the task's phase, and of what is billed for it."""

    TYPE: ClassVar[str] = "sms.metering.task-cost-changed"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    cost: TaskCost


class PricesChanged(Message):
    """Event ``cost.<id>.prices-changed``: of the account. prices None: the installation's hold again."""

    TYPE: ClassVar[str] = "sms.metering.prices-changed"
    KIND: ClassVar[MessageKind] = "event"
    prices: PriceList | None = None
    valid_from: datetime


class BalanceChanged(Message):
    """Event ``cost.<id>.balance-changed``: of the account. amount None: it is not checked any more."""

    TYPE: ClassVar[str] = "sms.metering.balance-changed"
    KIND: ClassVar[MessageKind] = "event"
    amount: Decimal | None = None
