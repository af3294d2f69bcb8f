"""The agent's version, as it reports it."""

from typing import Final

VERSION: Final = "0.1.0"
