"""Runs a comparison: each contender in each round in turn, checked afterwards; writes what was found."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.rig import isolation
from benchmarks.rig.contenders import BareTcp, BlocksOverSsh, Contender, Copy, OwnCopy, Place, RsyncOverSsh, TarOverSsh
from benchmarks.rig.links import LINKS, Link
from benchmarks.rig.plot import plot
from benchmarks.rig.result import Comparison, Goal, Machine, Round, Run, TreeFacts, summarise, table
from benchmarks.rig.trees import KINDS

RESULTS: Final = Path(__file__).parents[1] / "results"
_DELTA: Final = ("-aHAX", "--inplace", "--no-whole-file")
CONTENDERS: Final[Mapping[str, Contender]] = {
    each.name: each
    for each in (
        OwnCopy(),
        RsyncOverSsh(),
        RsyncOverSsh("rsync-z", ("-aHAXSz",)),
        RsyncOverSsh("rsync-delta", _DELTA),
        TarOverSsh(),
        BareTcp(),
        BlocksOverSsh(
            "partclone",
            "partclone.ext4 -c -F -q -L /dev/null -s DISK -o -",
            "partclone.restore -q -L /dev/null --restore_raw_file -s - -o IMAGE",
        ),
        BlocksOverSsh(
            "dd", "dd if=DISK bs=1M status=none", "dd of=IMAGE bs=1M iflag=fullblock conv=sparse status=none"
        ),
    )
} | {"ours-by-changes": OwnCopy(by_changes=True)}
_READ_BYTES: Final = 1 << 20
_METHOD: Final = (
    "Services (both agents, sshd) run before the clock starts; it stops when sync -f of the target has returned. The "
    "order of the contenders moves on by one each round. Bytes: the counters of the interface in a network namespace "
    "of its own, both directions, headers included. After each run of ours and the first of each other contender a dry "
    "run of rsync with checksums must find no difference between source and target. "
)
_FRESH: Final = "Same source tree; each copy goes to a new ext4 of its own in an image."
_CHANGED: Final = "Each contender has a whole copy on an ext4 of its own; before each round the source changes."


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison. change: what happens to the source before each round, given the number of the round as seed; the
    contenders then bring an earlier copy up to date. None: they copy into an empty target in each round. is_disk: the
    source is an ext4 of its own, half full; nothing was ever written to the rest."""

    benchmark: str
    kind: str
    files: int
    link: str = "loopback"
    contenders: Sequence[str]
    goals: Sequence[Goal] = ()
    cache: str = "cold"
    change: Callable[[Path, int], None] | None = None
    is_disk: bool = False


def run(module: str, cases: Sequence[Case], arguments: Sequence[str]) -> int:
    """The main function of a benchmark: measure its cases one after the other. Returns 1 when a goal was missed."""
    options = isolated_options(module, arguments)
    said, is_met = [], True
    for case in cases:
        chosen = Measurement(module, case, options)
        with tempfile.TemporaryDirectory(prefix=f"{case.benchmark}-", dir=options.folder.resolve()) as folder:
            comparison = chosen.measure(Path(folder))
        write(comparison, options.output)
        said.append(table(comparison))
        is_met = is_met and all(verdict.is_met for verdict in comparison.verdicts)
        print(said[-1], flush=True)
    print("\n" + "\n\n".join(said))
    return 0 if is_met else 1


def isolated_options(module: str, arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for on the command line; returns in a process that is isolated. Raises SystemExit without root."""
    options = _parse(module, arguments)
    if os.geteuid() != 0:
        raise SystemExit("This benchmark needs root: it copies owners and makes a network of its own.")
    if not options.isolated:
        isolation.enter(module, arguments)
    isolation.set_up()
    return options


def write(comparison: Comparison, folder: Path) -> None:
    """As JSON and as a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{comparison.benchmark}-{comparison.tree.kind}-{comparison.link}"
    (folder / f"{name}.json").write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.svg").write_text(plot(comparison), encoding="utf-8")


class Measurement:
    """One case, measured once."""

    def __init__(self, module: str, case: Case, options: argparse.Namespace) -> None:
        self._case = case
        self._files = options.files or case.files
        self._rounds: int = options.rounds
        self._seed: int = options.seed
        self._link: Link = LINKS[case.link]
        self._kind = KINDS[case.kind]
        self._contenders = [CONTENDERS[name] for name in case.contenders]
        self._checked: set[str] = set()
        self._source = Path()
        self._command = f"python -m {module} --files {self._files} --rounds {self._rounds} --seed {self._seed}"

    def measure(self, folder: Path) -> Comparison:
        """Everything, in that folder."""
        began_at = datetime.now(UTC)
        case, made = self._case, folder / "source"
        copies = (1 if case.change is None else len(self._contenders)) + case.is_disk
        needed = self._kind.room_bytes(self._files) * (copies + 1)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise SystemExit(f"{folder} has {free:,} bytes free; about {needed:,} are needed. Name a --folder.")
        print(f"{case.benchmark}, {self._link.name}: making {self._files:,} files, seed {self._seed}", flush=True)
        tree = self._kind.make(made, files=self._files, seed=self._seed)
        with ExitStack() as stack:
            self._source = self._half_full(stack, folder, made) if case.is_disk else made
            self._link.set_up()
            rounds = self._copy_anew(folder) if case.change is None else self._update(folder, case.change)
            self._link.tear_down()
        return Comparison(
            benchmark=case.benchmark,
            command=self._command,
            began_at=began_at.isoformat(timespec="seconds"),
            method=_METHOD + (_FRESH if case.change is None else _CHANGED),
            link=self._link.name,
            cache=case.cache,
            machine=Machine.look_at(folder),
            tree=TreeFacts.model_validate(tree),
            rounds=tuple(rounds),
            **summarise(rounds, case.goals),
        )

    def _half_full(self, stack: ExitStack, folder: Path, tree: Path) -> Path:
        """A disk of its own for the tree, with as much room again."""
        own = folder / "source-disk"
        own.mkdir()
        said = subprocess.run(["du", "-s", "-B1", tree], check=True, stdout=subprocess.PIPE, text=True).stdout
        disk = stack.enter_context(
            isolation.new_disk(own, int(said.split()[0]) * 2, inodes=self._files * 5 // 4 + 10_000)
        )
        subprocess.run(["cp", "-a", f"{tree}/.", disk], check=True)
        return disk

    def _copy_anew(self, folder: Path) -> list[Round]:
        def once(contender: Contender) -> Run:
            with ExitStack() as stack:
                place = self._place(stack, contender, folder)
                with contender.ready(place) as copy:
                    found = self._timed(copy, place)
                    self._check(place, contender)
            return found

        return self._in_turn(once)

    def _update(self, folder: Path, change: Callable[[Path, int], None]) -> list[Round]:
        with ExitStack() as stack:
            copies: dict[str, tuple[Place, Copy]] = {}
            for contender in self._contenders:
                place = self._place(stack, contender, folder)
                copies[contender.name] = (place, stack.enter_context(contender.ready(place)))
                copies[contender.name][1]()
            # An entry that changed within two seconds before it was read is read again by the next round.
            time.sleep(2.5)
            for _, copy in copies.values():
                copy()

            def once(contender: Contender) -> Run:
                place, copy = copies[contender.name]
                found = self._timed(copy, place)
                self._check(place, contender)
                return found

            return self._in_turn(once, lambda number: change(self._source, self._seed + number))

    def _in_turn(self, once: Callable[[Contender], Run], before: Callable[[int], None] = lambda _: None) -> list[Round]:
        rounds = []
        for number in range(1, self._rounds + 1):
            before(number)
            shift = number % len(self._contenders)
            ordered = self._contenders[shift:] + self._contenders[:shift]
            load_average = round(os.getloadavg()[0], 2)
            done = {contender.name: once(contender) for contender in ordered}
            runs = {contender.name: done[contender.name] for contender in self._contenders}
            rounds.append(Round(number=number, order=tuple(done), load_average_before=load_average, runs=runs))
            said = ", ".join(f"{name} {found.seconds:.2f} s {found.wire_bytes:,} bytes" for name, found in runs.items())
            print(f"round {number}: {said}", flush=True)
        return rounds

    def _place(self, stack: ExitStack, contender: Contender, folder: Path) -> Place:
        own = folder / contender.name
        own.mkdir()
        stack.callback(shutil.rmtree, own)
        size = self._kind.room_bytes(self._files)
        target = stack.enter_context(isolation.new_disk(own, size, inodes=self._files * 5 // 4 + 10_000))
        work = own / "work"
        work.mkdir()
        return Place(source=self._source, target=target, folder=work, link=self._link)

    def _check(self, place: Place, contender: Contender) -> None:
        if contender.name not in self._checked:
            _check(place.source, place.target, contender)
        if not isinstance(contender, OwnCopy):
            self._checked.add(contender.name)

    def _timed(self, copy: Copy, place: Place) -> Run:
        for path in (place.source, place.target):
            subprocess.run(["sync", "-f", str(path)], check=True)
        isolation.drop_caches()
        if self._case.cache == "warm":
            _read_everything(place.source)
        bytes_before, began = self._link.bytes_so_far(), time.monotonic()
        copy()
        subprocess.run(["sync", "-f", str(place.target)], check=True)
        seconds = time.monotonic() - began
        return Run(seconds=round(seconds, 3), wire_bytes=self._link.bytes_so_far() - bytes_before)


def _read_everything(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            with open(path, "rb", buffering=0) as file:
                while file.read(_READ_BYTES):
                    pass


def _check(source: Path, target: Path, contender: Contender) -> None:
    """A copy that leaves something out is no copy, however fast."""
    options = ["-aHAXS"] if contender.is_faithful else ["-r"]
    command = ["rsync", *options, "--checksum", "--dry-run", "--delete", "--itemize-changes"]
    said = subprocess.run([*command, f"{source}/", f"{target}/"], check=True, stdout=subprocess.PIPE).stdout
    # A dot marks what only has other times, which a plain copy of contents does not keep.
    found = [line for line in said.splitlines() if contender.is_faithful or not line.startswith(b".")]
    if found:
        raise SystemExit(f"{contender.name}: {len(found)} entries differ after a copy; the first: {found[:5]}")


def _parse(module: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=sys.modules["__main__"].__doc__)
    parser.add_argument("--files", type=int, help="files in the tree, instead of each case's own number")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a real disk")  # noqa: S108 - only a temporary folder with a random name is made in it
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument(isolation.ISOLATED, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)
