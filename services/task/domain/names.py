"""Which texts may be names: of templates, projects, waves and what they mention."""

from __future__ import annotations

import re
from typing import Final

LONGEST_TEXT: Final = 255
# Chinese characters, letters, digits, underscore and hyphen, as the v3 contract says.
_NAME: Final = re.compile(r"[A-Za-z0-9_\-\u3400-\u4dbf\u4e00-\u9fff]{1,255}")
_SERVER_NAME: Final = re.compile(r"[A-Za-z0-9_.\-\u3400-\u4dbf\u4e00-\u9fff]{1,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def why_no_name(text: str) -> str:
    """Why a text is no name; "" when it is one."""
    if _NAME.fullmatch(text):
        return ""
    return f"1 to {LONGEST_TEXT} letters, digits, Chinese characters, _ and - are allowed"


def why_no_server_name(text: str) -> str:
    """The same of a server's name, which may hold dots."""
    if _SERVER_NAME.fullmatch(text):
        return ""
    return "1 to 64 letters, digits, Chinese characters, _, - and . are allowed"


def why_no_text(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """The same of free text on one line, "" included."""
    if len(text) > longest:
        return f"it has {len(text)} characters; {longest} are allowed"
    return "control characters are not allowed" if _CONTROL.search(text) else ""
