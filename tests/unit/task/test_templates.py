"""Which templates are allowed, what a flavor means, and what a task takes from its template and project."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import MigrationError
from contracts.messages.migration_project import MigrationChoices, ProjectChanges, first_project_id
from contracts.messages.task import CreateTask, TaskOptions
from contracts.messages.template import (
    ListTemplates,
    TemplateChanges,
    TemplateDisk,
    TemplateNetwork,
    TemplatePublicAddress,
    TemplateSecurityGroup,
)
from services.task.domain.choosing import Chosen, choose
from services.task.domain.flavors import parse_flavor
from services.task.domain.projects import Project
from services.task.domain.templates import Template, change_template, matches, new_template, show_template

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
GIB = 1 << 30


def template(**changes: object) -> Template:
    given_ = TemplateChanges.model_validate({"name": "web", **changes})
    return new_template(given_, identifier="t1", account="a", at=AT)


def disk(index: int, size_bytes: int = 40 * GIB) -> TemplateDisk:
    return TemplateDisk(index=index, name=f"vd{index}", disk_type="SAS", size_bytes=size_bytes)


def choose_for(options: TaskOptions, made_from: Template | None, project: Project, disks: int = 2) -> Chosen:
    return choose(CreateTask(idempotency_key="k", server_id="s", options=options), made_from, project, disk_count=disks)


@pytest.mark.parametrize(("name", "cpus", "gib"), [("", 2, 1), ("local.1c1g", 1, 1), ("local.64c512g", 64, 512)])
def test_a_flavor_names_cpus_and_memory(name: str, cpus: int, gib: int) -> None:
    flavor = parse_flavor(name)
    assert (flavor.cpu_count, flavor.memory_bytes) == (cpus, gib * GIB)


@pytest.mark.parametrize(
    "name",
    ["s6.large.2", "local.0c1g", "local.02c1g", "local.65c1g", "local.1c513g", "local.1c1g ", "LOCAL.1c1g",
     "local.1c1", "local.٣c1g", "local.999999c1g", "local.1c1g\n"],
)  # fmt: skip
def test_an_unknown_flavor_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TEMPLATE\.FLAVOR_UNKNOWN") as refused:
        template(flavor=name)
    assert "local.64c512g" in refused.value.failure.remedy


@given(st.text(max_size=40))
def test_any_text_is_a_flavor_or_refused(name: str) -> None:
    try:
        flavor = parse_flavor(name)
    except MigrationError:
        return
    assert 1 <= flavor.cpu_count <= 64
    assert GIB <= flavor.memory_bytes <= 512 * GIB


@pytest.mark.parametrize("name", ["web-1_a", "模板", "x" * 255])
def test_names_have_letters_digits_and_chinese_characters(name: str) -> None:
    assert template(name=name).name == name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a b"),
        ("name", "x" * 256),
        ("name", "<script>"),
        ("name", "a\n"),
        ("region", "x" * 256),
        ("image_id", "a\x00b"),
        ("target_server_name", "no spaces"),
        ("network", TemplateNetwork(cidr="300.0.0.0/8")),
        ("network_cards", [TemplateNetwork(id="n", cidr="10.0.0.0/8", address="nowhere")]),
        ("network_cards", [TemplateNetwork(id="autoCreate"), TemplateNetwork(id="n2")]),
        ("network_cards", [TemplateNetwork(id=str(number)) for number in range(13)]),
        ("security_groups", [TemplateSecurityGroup(id="autoCreate"), TemplateSecurityGroup(id="g2")]),
        ("security_groups", [TemplateSecurityGroup(id="")]),
        ("public_address", TemplatePublicAddress(kind="5_bgp", bandwidth_bit_s=2001 * 10**6)),
        ("disks", [disk(0), disk(0)]),
        ("disks", [disk(24)]),
        ("disks", [disk(0, GIB - 1)]),
        ("disks", [disk(0, 33 * 1024 * GIB)]),
        ("target_password", "x" * 129),
        ("target_password", "tab\there"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TEMPLATE\.INVALID") as refused:
        template(**{field: value})
    assert field in refused.value.failure.cause


def test_a_refused_password_is_not_repeated() -> None:
    with pytest.raises(MigrationError) as refused:
        template(target_password="hunter2" * 20)
    assert "hunter2" not in refused.value.failure.model_dump_json()


def test_a_network_that_is_made_stands_alone() -> None:
    made = template(
        network_cards=[TemplateNetwork(id="autoCreate", name="n", cidr="192.168.0.1/24")],
        security_groups=[TemplateSecurityGroup(id="autoCreate", name="g")],
    )
    assert made.network_cards[0].id == "autoCreate"


def test_a_change_leaves_what_it_does_not_name() -> None:
    changed = change_template(template(region="r1", flavor="local.4c8g"), TemplateChanges(region=""), LATER)
    assert (changed.name, changed.region, changed.flavor) == ("web", "", "local.4c8g")
    assert (changed.created_at, changed.updated_at) == (AT, LATER)


def test_a_shown_template_tells_its_flavor_and_never_its_password() -> None:
    sealed = template(flavor="local.4c8g").model_copy(update={"sealed_password": "c2VhbGVk"})
    view = show_template(sealed)
    assert (view.cpu_count, view.memory_bytes, view.has_target_password) == (4, 8 * GIB, True)
    assert "c2VhbGVk" not in view.model_dump_json()


def test_a_password_is_not_in_the_text_of_its_message() -> None:
    given_ = TemplateChanges.model_validate({"target_password": "hunter2"})
    assert given_.target_password
    assert "hunter2" not in repr(given_)


@pytest.mark.parametrize(
    ("filters", "is_shown"),
    [
        ({}, True),
        ({"name": "we"}, True),
        ({"name": "db"}, False),
        ({"region": "r1", "template_id": "t1"}, True),
        ({"region": "r"}, False),
        ({"availability_zone": "z2"}, False),
    ],
)
def test_every_filter_of_a_list_must_match(filters: dict[str, str], is_shown: bool) -> None:
    assert matches(template(region="r1", availability_zone="z1"), ListTemplates(**filters)) is is_shown  # type: ignore[arg-type]


PROJECT = Project(id="p1", name="p", region="r9", rate_limit_bit_s=8_000_000, uses_public_address=False)


def test_a_task_takes_flavor_disks_and_names_from_its_template() -> None:
    made_from = template(flavor="local.4c8g", disks=[disk(0), disk(1), disk(5)], target_server_name="web-new")
    chosen = choose_for(TaskOptions(), made_from, PROJECT)
    assert (chosen.options.cpu_count, chosen.options.memory_bytes) == (4, 8 * GIB)
    sizes = {"disk.vda.size": str(40 * GIB), "disk.vdb.size": str(40 * GIB)}
    assert chosen.options.layout_options == sizes, "a disk that the source does not have is left out"
    assert (chosen.placement.target_server_name, chosen.placement.flavor) == ("web-new", "local.4c8g")
    assert (chosen.template_id, chosen.project_id) == ("t1", "p1")


def test_what_the_user_says_goes_before_template_and_project() -> None:
    said = TaskOptions(
        cpu_count=8, memory_bytes=3 * GIB, rate_limit_bit_s=1000, layout_options={"disk.sda.size": "50G"}
    )
    chosen = choose_for(said, template(flavor="local.4c8g", disks=[disk(0)]), PROJECT)
    assert chosen.options == said


def test_a_task_takes_rate_and_choices_from_its_project() -> None:
    chosen = choose_for(TaskOptions(), None, PROJECT)
    assert chosen.options.rate_limit_bit_s == 8_000_000
    assert not chosen.choices.uses_public_address
    assert chosen.placement.region == "r9"


@pytest.mark.parametrize(
    ("wish", "option"),
    [({"syncs": True}, "--no-sync"), ({"starts_target": False}, "--start-target")],
)
def test_a_task_is_not_made_in_a_project_that_asks_for_what_is_not_offered(wish: dict[str, bool], option: str) -> None:
    project = PROJECT.model_copy(update=wish)
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.NOT_OFFERED") as refused:
        choose_for(TaskOptions(), None, project)
    assert option in refused.value.failure.remedy


def test_choices_of_the_request_replace_those_of_the_project() -> None:
    asked = CreateTask(idempotency_key="k", server_id="s", choices=MigrationChoices())
    assert choose(asked, None, PROJECT, disk_count=1).choices == MigrationChoices()


def test_a_template_without_a_flavor_leaves_the_options_alone() -> None:
    assert choose_for(TaskOptions(), template(), Project(id="p", name="p")).options == TaskOptions()


def test_the_first_project_of_an_account_is_known_beforehand() -> None:
    assert first_project_id("a") == first_project_id("a") != first_project_id("b")
    assert ProjectChanges().model_dump(exclude_none=True) == {}
