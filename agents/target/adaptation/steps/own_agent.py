"""Nothing of our own agent arrives on a target: neither program nor unit, and no credentials above all."""

from __future__ import annotations

from agents.target.adaptation.changes import Change, RemoveFile, RemoveFolder, StepResult
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import AGENT_OWN

_REASON = "our own agent"
_UNITS = "/etc/systemd/system"


def plan_own_agent(tree: Tree, inputs: Inputs) -> StepResult:
    """Remove what the copy brought along. No secret goes into the journal, so this cannot be undone."""
    changes: list[Change] = []
    for path in _paths(tree, inputs):
        if tree.link_target(path) is not None or tree.is_file(path):
            changes.append(RemoveFile(path=path, reason=_REASON, is_secret=True))
        elif tree.is_directory(path):
            changes.append(RemoveFolder(path=path, reason=_REASON))
    return StepResult(changes=tuple(changes))


def _paths(tree: Tree, inputs: Inputs) -> list[str]:
    """The given paths, and the links that enabled our units; never the root itself."""
    paths = [path.rstrip("/") for path in inputs.own_paths if path.startswith("/") and path.strip("/")]
    units = {path.rpartition("/")[2] for path in paths if path.endswith((".service", ".timer", ".socket"))}
    for folder in tree.names(_UNITS):
        if folder.endswith((".wants", ".requires")):
            paths += [f"{_UNITS}/{folder}/{name}" for name in tree.names(f"{_UNITS}/{folder}") if name in units]
    return paths


def own_agent_checks(tree: Tree, inputs: Inputs) -> tuple[AdaptationCheck, ...]:
    """AGENT_OWN: an error, since two live agents with one identity must not meet."""
    left = [path for path in _paths(tree, inputs) if tree.link_target(path) is not None or tree.status(path)]
    return tuple(failed(AGENT_OWN, path=path) for path in left) or (passed(AGENT_OWN),)
