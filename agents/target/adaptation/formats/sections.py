"""Files of sections and keys, as systemd and NetworkManager write them; other lines stay as they are."""

from __future__ import annotations

from collections.abc import Callable

# (section, key, value) to the new line without its end, or None to keep the line.
Edit = Callable[[str, str, str], str | None]


def edit_sections(text: str, edit: Edit) -> str:
    """Offer every ``key=value`` line to an editing function."""
    lines = []
    section = ""
    for line in text.splitlines(keepends=True):
        body = line.strip()
        new: str | None = None
        if body.startswith("[") and body.endswith("]"):
            section = body[1:-1]
        elif "=" in body and body[0] not in "#;":
            key, _, value = body.partition("=")
            new = edit(section, key.strip(), value.strip())
        lines.append(line if new is None else new + line[len(line.rstrip("\r\n")) :])
    return "".join(lines)


def section_values(text: str) -> dict[tuple[str, str], str]:
    """Last value by (section, key)."""
    values: dict[tuple[str, str], str] = {}

    def note(section: str, key: str, value: str) -> None:
        values[section, key] = value

    edit_sections(text, note)
    return values


def with_added(text: str, section: str, line: str) -> str:
    """The text with a line added right after a section's head."""
    return text.replace(f"[{section}]\n", f"[{section}]\n{line}\n", 1)
