"""What migrations cost, what they would cost, and the prices and balance of the account.

Prices and balance are the account administrator's: full access to migrations is not enough to change them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from contracts.messages.metering import (
    Balance,
    CostEstimate,
    CostList,
    EstimateCost,
    ListCosts,
    PriceList,
    Prices,
    SetBalance,
    SetPrices,
    ShowBalance,
    ShowPrices,
    ShowTaskCost,
    TaskCost,
    TaskCostDetails,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.cost import NewBalance, NewPrices

router = ApiRouter(tag="cost")


@router.get("/v3/tasks/{task_id}/cost", action="sms:cost:get", resource="task:{task_id}", operation_id="show_task_cost")
async def show_task_cost(call: ApiCall, task_id: str) -> TaskCost:
    """The running cost of a task as of now, or its final cost."""
    return (await call.ask("metering", "show", ShowTaskCost(task_id=task_id), TaskCostDetails)).cost


@router.get("/v3/cost", action="sms:cost:list", operation_id="list_costs")
async def list_costs(
    call: ApiCall,
    project_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
) -> CostList:
    """The cost of the account, by project and by task. project_id: of this one only, "" for tasks of none."""
    return await call.ask("metering", "list", ListCosts(project_id=project_id, limit=limit, offset=offset), CostList)


@router.get("/v3/cost/estimate", action="sms:cost:get", operation_id="estimate_cost")
async def estimate_cost(
    call: ApiCall,
    server_id: Annotated[str, Query(max_length=64)] = "",
    used_bytes: Annotated[int, Query(ge=0, le=1 << 60)] = 0,
    rate_bit_s: Annotated[int, Query(ge=0, le=10**13)] = 0,
    duration_s: Annotated[int, Query(ge=0, le=10**9)] = 0,
    traffic_mode: Literal["fixed_bandwidth", "pay_per_use", "private_line"] | None = None,
) -> CostEstimate:
    """What a migration would cost: of a server, or of so many bytes in use; 0 takes what is known or usual."""
    if server_id:
        await call.require("sms:server:get", f"server:{server_id}")
    request = EstimateCost(
        server_id=server_id,
        used_bytes=used_bytes,
        rate_bit_s=rate_bit_s,
        duration_s=duration_s,
        traffic_mode=traffic_mode,
    )
    return await call.ask("metering", "estimate", request, CostEstimate)


@router.get("/v3/prices", action="sms:cost:get", operation_id="show_prices")
async def show_prices(call: ApiCall) -> Prices:
    """The prices that hold for a task that is created now."""
    return await call.ask("metering", "show-prices", ShowPrices(), Prices)


@router.put("/v3/prices", action="sms:account:update", operation_id="update_prices")
async def update_prices(call: ApiCall, body: NewPrices) -> Prices:
    """Prices of this account, for tasks that are created from now on."""
    prices = PriceList.model_validate(body.model_dump())
    return await call.ask(
        "metering", "set-prices", SetPrices(idempotency_key=call.idempotency_key, prices=prices), Prices
    )


@router.delete("/v3/prices", action="sms:account:update", operation_id="reset_prices")
async def reset_prices(call: ApiCall) -> Prices:
    """Go by the installation's prices again."""
    return await call.ask("metering", "set-prices", SetPrices(idempotency_key=call.idempotency_key), Prices)


@router.get("/v3/balance", action="sms:cost:get", operation_id="show_balance")
async def show_balance(call: ApiCall) -> Balance:
    """The account's balance as it was entered, and the minimum for a start."""
    return await call.ask("metering", "show-balance", ShowBalance(), Balance)


@router.put("/v3/balance", action="sms:account:update", operation_id="update_balance")
async def update_balance(call: ApiCall, body: NewBalance) -> Balance:
    """Enter what the account has; tasks start only while that is at least the minimum."""
    fields = {"idempotency_key": call.idempotency_key, "amount": body.amount}
    return await call.ask("metering", "set-balance", SetBalance.model_validate(fields), Balance)


@router.delete("/v3/balance", action="sms:account:update", operation_id="delete_balance")
async def delete_balance(call: ApiCall) -> Balance:
    """Keep no balance: tasks start without a check."""
    return await call.ask("metering", "set-balance", SetBalance(idempotency_key=call.idempotency_key), Balance)
