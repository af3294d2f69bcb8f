"""The billing rules in numbers: the overview's own examples, and what they leave open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from contracts.inventory import Disk, FileSystem, Mount, OperatingSystem, Partition, SourceInventory
from contracts.messages.metering import CostItem, EstimateCost, PriceList
from contracts.messages.task import Phase, TaskChanged, TaskCreated
from services.metering.adapters.price_file import load_prices
from services.metering.domain import facts as merge
from services.metering.domain.cost import cost_of, plain, totals
from services.metering.domain.estimate import Assumptions, estimate
from services.metering.domain.facts import TaskFacts
from services.metering.domain.pricing import (
    SINCE_EVER,
    AccountBalance,
    PriceHistory,
    PriceVersion,
    effective,
    judge_balance,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GB = 10**9
PRICES = load_prices(None)
PAY_PER_USE = PRICES.model_copy(update={"traffic_mode": "pay_per_use"})
ASSUMED = Assumptions(rate_bit_s=100_000_000, overhead_s=600)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def item(items: tuple[CostItem, ...], what: str) -> CostItem:
    return next(one for one in items if one.what == what)


def changed(version: int, before: Phase, after: Phase) -> TaskChanged:
    return TaskChanged(task_id="t1", server_id="s1", version=version, event="e", from_phase=before, to_phase=after)


FINISH = changed(8, Phase.LAUNCHED, Phase.FINISHED)


def with_volume(*, used_bytes: int = 0, size_bytes: int = 40 * GB) -> TaskFacts:
    created = TaskCreated(task_id="t1", server_id="s1", source_used_bytes=used_bytes, project_id="p1")
    facts = merge.with_creation(TaskFacts(task_id="t1"), created, NOON)
    return merge.with_attachment(facts, "v1", NOON, size_bytes)


def copied(facts: TaskFacts) -> TaskFacts:
    return merge.with_transition(facts, changed(5, Phase.COPYING, Phase.LAUNCHING), NOON + hours(2))


def test_a_40_gb_volume_for_10_hours_costs_0_196() -> None:
    facts = merge.with_release(with_volume(), NOON + hours(10))
    cost = cost_of(facts, PRICES, now=NOON + hours(99))
    assert str(cost.amount) == "0.196"
    assert str(item(cost.items, "volume").quantity) == "400"
    assert cost.currency == "CNY"


def test_300_gb_in_use_on_a_500_gb_disk_cost_240_when_traffic_is_billed() -> None:
    root = FileSystem(kind="ext4", size_bytes=500 * GB, used_bytes=300 * GB)
    partition = Partition(number=1, name="sda1", start_bytes=1 << 20, size_bytes=500 * GB, file_system=root)
    source = SourceInventory(
        hostname="web-1",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(id="debian"),
        disks=(Disk(name="sda", device="/dev/sda", size_bytes=500 * GB, partitions=(partition,)),),
        mounts=(
            Mount(mount_point="/", host_path="/", kind="ext4", volume="sda1", used_bytes=300 * GB),
            Mount(mount_point="/srv", host_path="/srv", kind="ext4", volume="sda1", root="/x", used_bytes=300 * GB),
            Mount(
                mount_point="/mnt", host_path="/mnt", kind="nfs4", source="nas:/", used_bytes=9 * GB, is_network=True
            ),
        ),
    )
    facts = merge.with_creation(
        TaskFacts(task_id="t1"), TaskCreated(task_id="t1", server_id="s1", source_used_bytes=source.used_bytes), NOON
    )
    cost = cost_of(copied(facts), PAY_PER_USE, now=NOON)
    assert str(cost.amount) == "240"
    assert str(item(cost.items, "traffic").amount) == "240"


def test_space_on_logical_volumes_counts_once_each() -> None:
    def mount(point: str, source: str, used: int) -> Mount:
        return Mount(
            mount_point=point, host_path=point, kind="xfs", source=source, used_bytes=used * GB, layers=("lvm",)
        )

    source = SourceInventory(
        hostname="db-1",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(id="rhel"),
        mounts=(mount("/", "/dev/vg/root", 5), mount("/data", "/dev/vg/data", 20), mount("/d", "/dev/vg/data", 20)),
    )
    assert source.used_bytes == 25 * GB


@pytest.mark.parametrize(("mode", "note"), [("fixed_bandwidth", "fixed bandwidth"), ("private_line", "runs the line")])
def test_a_fixed_bandwidth_and_a_private_line_are_counted_and_not_billed(mode: str, note: str) -> None:
    prices = PriceList.model_validate(PRICES.model_dump() | {"traffic_mode": mode})
    traffic = item(cost_of(copied(with_volume(used_bytes=300 * GB)), prices, now=NOON).items, "traffic")
    assert (traffic.amount, traffic.quantity) == (0, 300)
    assert note in traffic.note


def test_traffic_is_billed_when_the_full_copy_has_ended_and_not_before() -> None:
    facts = with_volume(used_bytes=300 * GB)
    for after in (Phase.PAUSED, Phase.STOPPING, Phase.FAILED, Phase.DELETING):
        stopped = merge.with_transition(facts, changed(5, Phase.COPYING, after), NOON)
        traffic = item(cost_of(stopped, PAY_PER_USE, now=NOON).items, "traffic")
        assert traffic.amount == 0
        assert "full copy" in traffic.note
    again = merge.with_transition(copied(facts), changed(9, Phase.COPYING, Phase.LAUNCHING), NOON + hours(3))
    assert item(cost_of(again, PAY_PER_USE, now=NOON).items, "traffic").amount == 240


def test_snapshots_are_counted_and_free() -> None:
    facts = merge.with_point(merge.with_point(merge.with_point(with_volume(), "a"), "b"), "a")
    snapshots = item(cost_of(facts, PRICES, now=NOON).items, "snapshot")
    assert (snapshots.quantity, snapshots.amount) == (2, 0)
    priced = PRICES.model_copy(update={"snapshot": Decimal("0.5")})
    assert item(cost_of(facts, priced, now=NOON).items, "snapshot").amount == 1


def test_a_running_task_costs_until_now_and_an_ended_one_no_more() -> None:
    facts = with_volume()
    assert str(cost_of(facts, PRICES, now=NOON + hours(1)).amount) == "0.0196"
    assert not cost_of(facts, PRICES, now=NOON + hours(1)).is_final
    ended = merge.with_transition(merge.with_release(facts, NOON + hours(5)), FINISH, NOON + hours(6))
    cost = cost_of(ended, PRICES, now=NOON + hours(50))
    assert (cost.is_final, str(cost.amount)) == (True, "0.098")


def test_a_cost_is_final_when_the_end_of_the_volume_is_known_too() -> None:
    ended = merge.with_transition(with_volume(), FINISH, NOON + hours(5))
    cost = cost_of(ended, PRICES, now=NOON + hours(50))
    assert (cost.is_final, str(cost.amount)) == (False, "0.098")
    released = merge.with_release(ended, NOON + hours(4))
    cost = cost_of(released, PRICES, now=NOON + hours(50))
    assert (cost.is_final, str(cost.amount)) == (True, "0.0784")
    assert cost_of(merge.with_transition(TaskFacts(task_id="t1"), FINISH, NOON), PRICES, now=NOON).is_final


def test_a_volume_that_was_lost_is_billed_until_then_and_its_successor_from_its_own_start() -> None:
    lost = merge.with_release(with_volume(), NOON + hours(1))
    successor = merge.with_attachment(lost, "v2", NOON + hours(2), 40 * GB)
    released = merge.with_release(successor, NOON + hours(5))
    assert item(cost_of(released, PRICES, now=NOON + hours(9)).items, "volume").quantity == 4 * 40


def test_a_volume_that_nobody_saw_go_ends_where_the_next_one_begins() -> None:
    facts = merge.with_attachment(with_volume(), "v2", NOON + hours(2), 40 * GB)
    assert item(cost_of(facts, PRICES, now=NOON + hours(3)).items, "volume").quantity == 3 * 40


def test_a_helper_that_is_started_anew_on_the_same_volume_does_not_bill_it_again() -> None:
    facts = merge.with_attachment(with_volume(), "v1", NOON + hours(2), 40 * GB)
    assert item(cost_of(facts, PRICES, now=NOON + hours(3)).items, "volume").quantity == 3 * 40


def test_amounts_are_rounded_half_up_to_six_decimals_and_add_up() -> None:
    one_second = merge.with_release(with_volume(), NOON + timedelta(seconds=1))
    # 40 GB x 0.00049 / 3600 = 0.000005444...
    assert str(cost_of(one_second, PRICES, now=NOON).amount) == "0.000005"
    half = merge.with_release(with_volume(size_bytes=45 * GB), NOON + hours(1))
    priced = PRICES.model_copy(update={"volume_gb_hour": Decimal("0.0000001")})
    assert str(cost_of(half, priced, now=NOON).amount) == "0.000005"
    costs = [cost_of(one_second, PRICES, now=NOON)] * 3
    assert str(totals(costs, by_project=False)[0].amount) == "0.000015"


def test_totals_are_kept_apart_by_currency_and_project() -> None:
    cost = cost_of(merge.with_release(with_volume(), NOON + hours(10)), PRICES, now=NOON)
    other = cost.model_copy(update={"currency": "EUR", "project_id": "p2", "is_final": True})
    by_currency = totals([cost, cost, other], by_project=False)
    assert [(one.currency, str(one.amount), one.tasks) for one in by_currency] == [
        ("CNY", "0.392", 2),
        ("EUR", "0.196", 1),
    ]
    by_project = totals([cost, cost, other], by_project=True)
    assert [(one.project_id, one.running_tasks) for one in by_project] == [("p1", 2), ("p2", 0)]


def test_numbers_are_shown_without_exponent_and_trailing_zeros() -> None:
    assert [str(plain(Decimal(text))) for text in ("240.000000", "2.4E+2", "0.1960", "0E-6", "1E-6")] == [
        "240",
        "240",
        "0.196",
        "0",
        "0.000001",
    ]


def test_an_estimate_takes_used_size_and_rate() -> None:
    request = EstimateCost(rate_bit_s=80_000_000, traffic_mode="pay_per_use")
    forecast = estimate(request, 300 * GB, PRICES, ASSUMED)
    assert forecast.duration_s == 300 * 100 + 600
    assert item(forecast.items, "traffic").amount == 240
    # 40 GB x 30600 s / 3600 = 340 GB-hours
    assert str(item(forecast.items, "volume").amount) == "0.1666"
    assert str(forecast.amount) == "240.1666"


def test_an_estimate_takes_a_given_duration_before_any_rate() -> None:
    forecast = estimate(EstimateCost(duration_s=36_000, rate_bit_s=1), 300 * GB, PRICES, ASSUMED)
    assert (str(forecast.amount), forecast.rate_bit_s) == ("0.196", 0)


def test_a_balance_below_the_minimum_is_not_enough_and_none_is_no_matter() -> None:
    judged = judge_balance(AccountBalance(amount="99.999999"), PRICES)
    assert (judged.is_sufficient, str(judged.minimum)) == (False, "100")
    assert judge_balance(AccountBalance(amount="100"), PRICES).is_sufficient
    assert judge_balance(AccountBalance(), PRICES).is_sufficient


def test_an_account_goes_by_its_own_list_until_it_gives_that_up() -> None:
    installation = PriceVersion(prices=PRICES, valid_from=NOON)
    own = PriceVersion(prices=PAY_PER_USE, valid_from=NOON)
    assert effective(own, installation).prices.traffic_mode == "pay_per_use"
    assert effective(own, installation).is_own
    assert not effective(PriceVersion(prices=None, valid_from=NOON), installation).is_own
    assert effective(None, installation).prices == PRICES


def test_a_list_holds_from_its_time_until_the_next_one() -> None:
    def own(hour: int, price: str | None) -> PriceVersion:
        prices = PRICES.model_copy(update={"traffic_gb": Decimal(price)}) if price else None
        return PriceVersion(prices=prices, valid_from=NOON + hours(hour))

    first = PriceVersion(prices=PRICES, valid_from=SINCE_EVER)
    history = PriceHistory(own=(own(1, "1"), own(2, "2"), own(3, None)), installation=(first,))
    held = [str(history.at(NOON + hours(time)).prices.traffic_gb) for time in (0, 1, 1.5, 2, 3, 9)]
    assert held == ["0.8", "1", "1", "2", "0.8", "0.8"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"traffic_gb": "-1"},
        {"traffic_gb": "NaN"},
        {"traffic_gb": "1e500"},
        {"currency": "yuan"},
        {"traffic_gb": "1", "minimum_balance": "x"},
    ],
)
def test_a_list_with_a_wrong_price_is_refused(wrong: dict[str, object]) -> None:
    known = PRICES.model_dump(mode="json")
    known.pop("traffic_gb")
    with pytest.raises(ValidationError):
        PriceList.model_validate(known | wrong)
