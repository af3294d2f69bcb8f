"""Run a test in a child process with a mount namespace of its own, as the target agent runs."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec

from agents.target.namespace import enter_private_mount_namespace

Parameters = ParamSpec("Parameters")


def in_private_namespace(test: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Decorate a test function. Its mounts and loop devices die with the child, also when it fails."""

    @functools.wraps(test)
    def run(*arguments: Parameters.args, **named: Parameters.kwargs) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _run_in_child(functools.partial(test, *arguments, **named), writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            complaint = pipe.read().decode()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 0, f"in the child:\n{complaint}"

    return run


def _run_in_child(test: Callable[[], None], writing: int) -> None:
    status = 1
    try:
        enter_private_mount_namespace()
        test()
        status = 0
    except BaseException:  # noqa: BLE001 - the child must not run on in the parent's code
        os.write(writing, traceback.format_exc()[-20000:].encode())
    finally:
        sys.stdout.flush()
        os._exit(status)
