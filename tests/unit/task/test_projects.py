"""The migration projects of an account: exactly one default, at most fifty, names that differ."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.errors import MigrationError
from contracts.messages.migration_project import ProjectChanges
from services.task.domain.projects import (
    MOST_PROJECTS,
    add_project,
    change_project,
    first_book,
    in_order,
    make_default,
    remove_project,
    show_project,
)


def test_an_account_begins_with_one_project_that_is_the_default() -> None:
    book = first_book("a")
    assert [project.name for project in book.projects] == ["default"]
    assert book.get("").id == book.default_id == book.projects[0].id


def test_the_fifty_first_project_is_refused_with_both_figures() -> None:
    book = first_book("a")
    for number in range(MOST_PROJECTS - 1):
        book = add_project(book, f"p{number}", ProjectChanges(name=f"n{number}"))
    with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.LIMIT.*50.*50"):
        add_project(book, "p", ProjectChanges(name="n"))


def test_a_new_default_takes_the_place_of_the_old_one() -> None:
    book = add_project(first_book("a"), "p1", ProjectChanges(name="one", is_default=True))
    assert book.default_id == "p1"
    assert [project.name for project in in_order(book)] == ["one", "default"]
    shown = [show_project(book, project, has_servers=False).is_default for project in in_order(book)]
    assert shown == [True, False]


def test_the_default_is_neither_deleted_nor_just_given_up() -> None:
    book = first_book("a")
    with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.IS_DEFAULT"):
        remove_project(book, book.default_id, server_count=0)
    with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.IS_DEFAULT"):
        change_project(book, book.default_id, ProjectChanges(is_default=False))


def test_a_project_with_servers_is_not_deleted() -> None:
    book = add_project(first_book("a"), "p1", ProjectChanges(name="one"))
    with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.HAS_SERVERS.*3"):
        remove_project(book, "p1", server_count=3)
    assert not remove_project(book, "p1", server_count=0).has("p1")


def test_an_old_default_can_be_deleted() -> None:
    book = first_book("a")
    first = book.default_id
    book = make_default(add_project(book, "p1", ProjectChanges(name="one")), "p1")
    assert [project.id for project in remove_project(book, first, server_count=0).projects] == ["p1"]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "a b"}),
        ("description", {"name": "n", "description": "x" * 256}),
        ("description", {"name": "n", "description": "\x1b[2J"}),
        ("speed_limit", {"name": "n", "rate_limit_bit_s": 1001 * 10**6}),
        ("speed_limit", {"name": "n", "rate_limit_bit_s": -1}),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(field: str, changes: dict[str, object]) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.INVALID") as refused:
        add_project(first_book("a"), "p", ProjectChanges.model_validate(changes))
    assert field in refused.value.failure.cause


class ProjectMachine(RuleBasedStateMachine):
    """Any user at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.book = first_book("a")
        self.number = 0

    def _try(self, change, *arguments, **named):
        before = self.book
        try:
            self.book = change(before, *arguments, **named)
        except MigrationError as refused:
            assert refused.failure.remedy  # noqa: PT017 - a refusal is one of two good outcomes
            assert self.book is before

    @rule(name=st.sampled_from("abcdef"), is_default=st.sampled_from([None, True, False]))
    def create(self, name, is_default):
        self.number += 1
        self._try(add_project, f"p{self.number}", ProjectChanges(name=name, is_default=is_default))

    @rule(
        which=st.integers(0, 6), name=st.sampled_from([None, *"abc"]), is_default=st.sampled_from([None, True, False])
    )
    def update(self, which, name, is_default):
        self._try(change_project, self._id(which), ProjectChanges(name=name, is_default=is_default))

    @rule(which=st.integers(0, 6))
    def default(self, which):
        self._try(make_default, self._id(which))

    @rule(which=st.integers(0, 6), servers=st.integers(0, 1))
    def delete(self, which, servers):
        self._try(remove_project, self._id(which), server_count=servers)

    def _id(self, which):
        return self.book.projects[which].id if which < len(self.book.projects) else "unknown"

    @invariant()
    def exactly_one_is_the_default(self):
        assert [project.id for project in self.book.projects].count(self.book.default_id) == 1

    @invariant()
    def names_and_ids_differ(self):
        names = [project.name for project in self.book.projects]
        ids = [project.id for project in self.book.projects]
        assert len(set(names)) == len(names) == len(set(ids))


TestProjectMachine = ProjectMachine.TestCase
TestProjectMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
