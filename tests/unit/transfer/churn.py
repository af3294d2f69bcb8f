"""Changes of every kind to a tree, at a steady rate and from a seed."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

MAX_SMALL = 5000


class Churn:
    """made: how often each kind of change was made. The operations go through one list, so that a seed repeats them."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root = root
        self.rng = rng
        self.made: Counter[str] = Counter()
        self.files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        self.folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        self._number = 0
        self._kinds: list[Callable[[], bool]] = [
            self.create,
            self.create,
            self.append,
            self.append,
            self.overwrite_in_place,
            self.truncate,
            self.rename,
            self.rename_over,
            self.replace,
            self.unlink,
            self.swap_names,
            self.link,
            self.change_mode,
            self.change_owner,
            self.change_times,
            self.set_attribute,
            self.remove_attribute,
            self.make_folder,
            self.move_folder,
            self.remove_folder,
            self.swap_folders,
            self.symlink,
            self.unlink_and_make_folder,
            self.grow_large,
        ]

    def run(self, *, per_s: float, operations: int) -> None:
        """Make so many changes at a rate."""
        began = time.monotonic()
        for number in range(operations):
            self.step()
            time.sleep(max(0.0, began + number / per_s - time.monotonic()))

    def step(self) -> None:
        """One change that can be made."""
        while True:
            kind = self.rng.choice(self._kinds)
            if kind():
                self.made[kind.__name__] += 1
                return

    def create(self) -> bool:
        path = self._new()
        path.write_bytes(self.rng.randbytes(self.rng.randrange(MAX_SMALL)))
        self.files.append(path)
        return True

    def append(self) -> bool:
        return self._on_file(lambda path: self._write(path, os.path.getsize(path)))

    def overwrite_in_place(self) -> bool:
        return self._on_file(lambda path: self._write(path, self.rng.randrange(1 + os.path.getsize(path))))

    def truncate(self) -> bool:
        return self._on_file(lambda path: os.truncate(path, self.rng.randrange(MAX_SMALL)))

    def rename(self) -> bool:
        return self._on_file(lambda path: self._moved(path, self._new()))

    def rename_over(self) -> bool:
        if len(self.files) < 2:
            return False
        one, other = self.rng.sample(self.files, 2)
        if os.path.samefile(one, other):
            return False  # rename does nothing then
        one.rename(other)
        self.files.remove(one)
        return True

    def replace(self) -> bool:
        def act(path: Path) -> None:
            temporary = self._new()
            temporary.write_bytes(self.rng.randbytes(self.rng.randrange(MAX_SMALL)))
            temporary.rename(path)

        return self._on_file(act)

    def unlink(self) -> bool:
        return self._on_file(lambda path: (path.unlink(), self.files.remove(path)))

    def swap_names(self) -> bool:
        if len(self.files) < 2:
            return False
        one, other = self.rng.sample(self.files, 2)
        aside = self._new()
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
        return True

    def link(self) -> bool:
        def act(path: Path) -> None:
            further = self._new()
            os.link(path, further)
            self.files.append(further)

        return self._on_file(act)

    def change_mode(self) -> bool:
        path = self._any()
        path.chmod(self.rng.choice((0o600, 0o644, 0o755, 0o4755, 0o2711)))
        return True

    def change_owner(self) -> bool:
        os.chown(self._any(), self.rng.randrange(3000), self.rng.randrange(3000))
        return True

    def change_times(self) -> bool:
        os.utime(self._any(), ns=(0, self.rng.randrange(-(10**18), 2 * 10**18)))
        return True

    def set_attribute(self) -> bool:
        os.setxattr(self._any(), f"user.a{self.rng.randrange(3)}", self.rng.randbytes(20))
        return True

    def remove_attribute(self) -> bool:
        path = self._any()
        names = os.listxattr(path)
        if not names:
            return False
        os.removexattr(path, names[0])
        return True

    def make_folder(self) -> bool:
        path = self._new()
        path.mkdir()
        self.folders.append(path)
        return True

    def move_folder(self) -> bool:
        if len(self.folders) < 3:
            return False
        path, place = self.rng.choice(self.folders[1:]), self._new()
        if path == place.parent or path in place.parents:
            return False
        self._moved(path, place)
        return True

    def swap_folders(self) -> bool:
        if len(self.folders) < 3:
            return False
        one, other = self.rng.sample(self.folders[1:], 2)
        if one in other.parents or other in one.parents:
            return False
        aside = self.root / f"aside{self._number}"
        self._moved(one, aside)
        self._moved(other, one)
        self._moved(aside, other)
        return True

    def remove_folder(self) -> bool:
        if len(self.folders) < 20:
            return False
        self._remove(self.rng.choice(self.folders[1:]))
        return True

    def symlink(self) -> bool:
        self._new().symlink_to(f"somewhere/{self.rng.randrange(1000)}")
        return True

    def unlink_and_make_folder(self) -> bool:
        def act(path: Path) -> None:
            path.unlink()
            self.files.remove(path)
            path.mkdir()
            (path / "inside").write_bytes(b"i")
            self.folders.append(path)
            self.files.append(path / "inside")

        return self._on_file(act)

    def grow_large(self) -> bool:
        if self.rng.random() < 0.9:
            return False
        return self._on_file(lambda path: self._write(path, self.rng.randrange(3 << 20)))

    def _on_file(self, act: Callable[[Path], object]) -> bool:
        if not self.files:
            return False
        act(self.rng.choice(self.files))
        return True

    def _any(self) -> Path:
        return self.rng.choice(self.files + self.folders)

    def _new(self) -> Path:
        self._number += 1
        return self.rng.choice(self.folders) / f"n{self._number}"

    def _write(self, path: Path, offset: int) -> None:
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(self.rng.randbytes(self.rng.randrange(1, 2000)))

    def _moved(self, path: Path, place: Path) -> None:
        path.rename(place)
        for known in (self.files, self.folders):
            known[:] = [place / one.relative_to(path) if one == path or path in one.parents else one for one in known]

    def _remove(self, folder: Path) -> None:
        shutil.rmtree(folder)
        for known in (self.files, self.folders):
            known[:] = [one for one in known if one != folder and folder not in one.parents]
