"""The agent's command line: ``run`` on a source, ``target`` and ``adapt`` beside a target's disks, ``install`` and
``uninstall``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agents.version import VERSION
from contracts.errors import MigrationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; an expected failure prints its cause and remedy and gives exit status 1."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        return _COMMANDS[chosen.command](chosen)
    except MigrationError as error:
        sys.stderr.write(f"{error.failure.code}: {error.failure.cause}\n{error.failure.remedy}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sms-agent", description="The agent of the Server Migration Service.")
    parser.add_argument("--version", action="version", version=f"sms-agent {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run on a source server")
    _add_connection(run)
    run.add_argument("--config", type=Path, help="read the options from this JSON file (mode 0600)")
    run.add_argument("--root", type=Path, help="mount point of the root of the system to migrate")
    run.add_argument(
        "--disk",
        type=Path,
        metavar="FILE",
        dest="disks",
        action="append",
        help="a disk, or its raw image, of a Windows server that does not run; once for each disk",
    )
    run.add_argument("--state", type=Path, help="the agent's own folder (default: in /var/lib/sms-agent)")
    target = commands.add_parser("target", help="run in a helper beside the target's disks")
    where = target.add_mutually_exclusive_group(required=True)
    where.add_argument("--config-stdin", action="store_true", help="read the configuration from standard input")
    where.add_argument("--metadata", metavar="URL", help="ask this metadata service what to do")
    commands.add_parser("adapt", help="adapt one launch layer: order on standard input, report on standard output")
    install = commands.add_parser("install", help="install as a service that starts at boot")
    _add_connection(install)
    commands.add_parser("uninstall", help="remove service, program, data and credentials")
    return parser


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bus", metavar="URL", help="address of the bus, tls://HOST:PORT")
    parser.add_argument("--access-key", metavar="AK")
    parser.add_argument("--secret-key-file", type=Path, metavar="FILE")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="the CA certificate of the installation")
    parser.add_argument("--account", default="default")
    parser.add_argument(
        "--commands", choices=("allow", "forbid"), help="whether commands of the service's users may run on this server"
    )


def _run(chosen: argparse.Namespace) -> int:
    from agents.source.start import SourceOptions, run_source

    return run_source(SourceOptions.from_arguments(vars(chosen)))


def _target(chosen: argparse.Namespace) -> int:
    from agents.target.start import HelperConfiguration, run_target

    if chosen.metadata:
        from agents.target.ordered import run_ordered

        return run_ordered(chosen.metadata)
    return run_target(HelperConfiguration.model_validate_json(sys.stdin.read()))


def _adapt(_: argparse.Namespace) -> int:
    from agents.install.own_paths import OWN_PATHS
    from agents.target.layer import adapt_layer
    from contracts.rehearsal import LayerToAdapt

    adapted = adapt_layer(LayerToAdapt.model_validate_json(sys.stdin.read()), OWN_PATHS)
    sys.stdout.write(adapted.model_dump_json())
    return 0


def _install(chosen: argparse.Namespace) -> int:
    from agents.install import install

    return install(vars(chosen))


def _uninstall(_: argparse.Namespace) -> int:
    from agents.install import uninstall

    return uninstall()


_COMMANDS = {"run": _run, "target": _target, "adapt": _adapt, "install": _install, "uninstall": _uninstall}

if __name__ == "__main__":
    sys.exit(main())
