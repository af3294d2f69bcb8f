"""What every step knows, besides the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents.target.adaptation.build_memory import BuildMemory
from agents.target.adaptation.references import References
from agents.target.adaptation.sandbox import SandboxResult
from contracts.adaptation import AdaptationCheck, TargetFacts
from contracts.errors import ErrorCode
from contracts.inventory import SourceInventory
from contracts.layout import TargetLayout


class Builder(Protocol):
    """Runs a program of the copied system, confined; the tree is not changed by it."""

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        """Standard output is the result. files: in the program's /tmp, by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """own_paths: program, unit and data of our own agent, as the copied system names them.

    raw_path: where a disk's bytes are, by the disk's name. has_vsyscall: whether the helper's kernel answers the calls
    of C libraries before 2.14. memory: of images that were built for an earlier launch, where there may be some.
    """

    layout: TargetLayout
    inventory: SourceInventory
    facts: TargetFacts
    own_paths: tuple[str, ...]
    references: References
    builder: Builder
    raw_path: Callable[[str], Path]
    has_vsyscall: bool = True
    memory: BuildMemory | None = None


def passed(code: ErrorCode, severity: str = "E") -> AdaptationCheck:
    """A check that found nothing wrong."""
    return AdaptationCheck.model_validate({"id": _identifier(code), "severity": severity})


def failed(code: ErrorCode, severity: str = "E", **parameters: object) -> AdaptationCheck:
    """A check with a failure; severity W does not stop the launch."""
    failure = code.failure(**parameters)
    return AdaptationCheck.model_validate({"id": _identifier(code), "severity": severity, "failure": failure})


def _identifier(code: ErrorCode) -> str:
    return code.code.rpartition(".")[2]
