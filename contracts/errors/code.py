"""The record behind an error code, and the two forms in which a failure travels."""

from __future__ import annotations

import string
from dataclasses import dataclass

from contracts.base import Model

_codes: dict[str, ErrorCode] = {}


class Failure(Model):
    """A failure as it travels in a message: complete text, so that no reader needs the catalogue.

    parameters: the figures and names that cause and remedy were filled with.
    """

    code: str
    cause: str
    remedy: str
    is_resumable: bool = False
    parameters: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class ErrorCode:
    """One entry of the catalogue.

    code: ``SMS.<AREA>.<NAME>``, never reused. http_status: the status that the gateway answers with.
    exit_code: what the command line exits with (1 general, 2 usage, 3 not found, 4 refused by a state or a
    check, 5 not authorised, 6 a service is unavailable). is_resumable: ``sms task start`` continues from the
    last good step. cause and remedy are format strings over the same keyword parameters.
    """

    code: str
    cause: str
    remedy: str
    http_status: int = 409
    exit_code: int = 1
    is_resumable: bool = False

    def __post_init__(self) -> None:
        known = _codes.setdefault(self.code, self)
        if known != self:
            raise ValueError(f"{self.code} is defined twice")

    def failure(self, **parameters: object) -> Failure:
        """The failure with its texts filled in. Raises KeyError for a parameter that the texts need."""
        texts = {name: str(value) for name, value in parameters.items()}
        return Failure(
            code=self.code,
            cause=self.cause.format(**texts),
            remedy=self.remedy.format(**texts),
            is_resumable=self.is_resumable,
            parameters=texts,
        )

    def parameter_names(self) -> frozenset[str]:
        """The parameters that the texts use."""
        formatter = string.Formatter()
        texts = (self.cause, self.remedy)
        return frozenset(name for text in texts for _, name, _, _ in formatter.parse(text) if name)


class MigrationError(Exception):
    """An expected failure with a code of the catalogue: shown to the user as it is, without a traceback."""

    def __init__(self, code: ErrorCode | Failure, **parameters: object) -> None:
        self.failure = code if isinstance(code, Failure) else code.failure(**parameters)
        super().__init__(f"{self.failure.code}: {self.failure.cause}")

    @property
    def code(self) -> str:
        """The stable code, for example ``SMS.TARGET.ENOSPC``."""
        return self.failure.code
