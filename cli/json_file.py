"""`--file JSON`: a whole thing as the API takes it, written down by the user."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from contracts.errors import MigrationError
from contracts.errors.cli import USAGE

M = TypeVar("M", bound=BaseModel)


def read_json(path: Path, model: type[M], *, command: str) -> M:
    """Raises MigrationError SMS.CLI.USAGE, naming the first field that does not fit, without its value."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise MigrationError(USAGE, reason=f"{path}: {error.strerror}.", command=command) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise MigrationError(USAGE, reason=f"{path}: {where}: {first['msg']}.", command=command) from error
