"""Takes secrets out of text that leaves the place where it was written, such as an agent's log. Pure.

It hides too much rather than too little: a word is also hidden for only looking like a key. Every expression is linear
in the text, which may be hostile.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_NAMES: Final = (
    r"(?:secret|passw(?:or)?d|passphrase|pwd|token|seed|private[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key|"
    r"token[_-]secret|api[_-]?key|credential|signature|cookie|(?<![A-Za-z])sk|(?<![A-Za-z])ak)"
)
# name=value, name: value, "name": "value", --name value; the name may be the end of a longer one.
_NAMED: Final = re.compile(
    rf"(?P<name>{_NAMES}[\"']?\s{{0,4}}[:=]\s{{0,4}}|-{_NAMES}[ ])"
    r"(?P<value>\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|[^\s\"',;&}\])]+)",
    re.IGNORECASE,
)
# The rest of the line: schemes, signatures and cookies have blanks inside.
_HEADER: Final = re.compile(
    r"(?P<name>authorization|x-auth-token|x-subject-token|x-security-token|cookie)"
    r"(?P<colon>[\"']?\s{0,4}[:=]\s{0,4})[^\n]*",
    re.IGNORECASE,
)
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
# Without its end everything behind it is hidden.
_PEM: Final = re.compile(rf"-----BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY-----.*?(?:{_PEM_END.pattern}|\Z)", re.DOTALL)
# A log that was cut may begin inside a key: then what looks like the key's body before its end is hidden.
_PEM_BODY: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\\ \t\r\n"
_LONGEST_PEM_BODY: Final = 16 << 10
_LOOKS: Final = re.compile(
    r"\bS[UANOCX][A-Z2-7]{56}\b"  # nkey seeds
    r"|\bAK[0-9A-F]{18}\b"  # our access keys
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web tokens
    r"|\b(?:Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}"
    r"|\bSDK-HMAC-SHA256\s[^\n]*"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password in an address
    # 256 random bits in base64: long, with both cases. Digests in hex have one, paths have several slashes.
    r"|(?<![A-Za-z0-9_+/-])(?=[A-Za-z0-9_+/-]*[a-z])(?=[A-Za-z0-9_+/-]*[A-Z])"
    r"(?![A-Za-z0-9_+-]*/[A-Za-z0-9_+-]*/)[A-Za-z0-9_+/-]{40,}={0,2}"
)


def mask_text(text: str) -> str:
    """The text with every secret that can be told by its name, its form or its look replaced by ``***``."""
    text = _without_ends_of_keys(_PEM.sub(MASK, text))
    text = _HEADER.sub(lambda found: f"{found['name']}{found['colon']}{MASK}", text)
    text = _LOOKS.sub(MASK, text)
    return _NAMED.sub(lambda found: f"{found['name']}{MASK}", text)


def _without_ends_of_keys(text: str) -> str:
    kept: list[str] = []
    position = 0
    for end in _PEM_END.finditer(text):
        before = text[position : end.start()]
        body = before[-_LONGEST_PEM_BODY:]
        kept += [before[: len(before) - len(body)], body.rstrip(_PEM_BODY), MASK]
        position = end.end()
    return "".join((*kept, text[position:]))
