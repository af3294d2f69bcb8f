"""The two base classes of everything that crosses a process boundary."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

MessageKind = Literal["command", "event", "request", "reply", "status"]

_messages: dict[tuple[str, int], type[Message]] = {}


class Model(BaseModel):
    """A frozen value. Readers ignore fields that they do not know, so that old code reads new messages."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Model):
    """A model that travels on the bus under a type name and a schema version.

    Subclasses set TYPE (for example ``sms.registry.server-registered``) and KIND; VERSION starts at 1 and
    grows with every incompatible change, the old class staying beside the new one. A new field of a
    published version must have a default.
    """

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    KIND: ClassVar[MessageKind]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.TYPE:
            return
        key = (cls.TYPE, cls.VERSION)
        if key in _messages and _messages[key].__qualname__ != cls.__qualname__:
            raise TypeError(f"two messages claim {cls.TYPE} version {cls.VERSION}")
        _messages[key] = cls


def all_messages() -> dict[tuple[str, int], type[Message]]:
    """Every message class that has been imported, by (type, version)."""
    return dict(sorted(_messages.items()))
