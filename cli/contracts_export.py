"""`sms contracts`: the machine-readable description of the bus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import OutputOption
from cli.output import OutputFormat, out, print_json

app = typer.Typer(help="Schemas of everything on the bus.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `export` a command of its own although it is the only one."""


@app.command("export")
def export(
    folder: Annotated[Path, typer.Option("--to", help="Folder to write into.")] = Path("sms-contracts"),
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Write the JSON Schemas, the AsyncAPI 3 document and the list of error codes."""
    # Only here: it loads every message, which no other command waits for.
    from contracts.generate import write_documents

    written = write_documents(folder)
    if output is OutputFormat.JSON:
        print_json({"folder": str(folder), "files": sorted(str(path) for path in written)})
        return
    out.print(f"wrote {len(written)} files into {folder}", markup=False)
