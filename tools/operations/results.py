"""Results that fit a model's context: whole rows, as many as fit, and where to go on."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

RESULT_CHARS: Final = 16_000
_ROOM: Final = 600
"""Characters kept for what stands around the rows."""

Row = dict[str, Any]


def result(value: Row) -> tuple[str, Any]:
    """Return a result as text that fits a model's context; what is too long for it is cut."""
    text = _json(value)
    if len(text) > RESULT_CHARS:
        text = f"{text[:RESULT_CHARS]}… (cut: {len(text):,} characters in all; ask for less)"
    return text, None


def page(
    about: Row, name: str, rows: Sequence[Row], limit: int, following: Callable[[int], object]
) -> tuple[str, Any]:
    """Return up to `limit` rows, as many as fit, and under `next` where to go on, or None.

    `rows` has more than `limit` if there are more; `following(n)` is where to go on after n rows.
    """
    size = _ROOM + len(_json(about))
    shown: list[Row] = []
    for row in rows[:limit]:
        size += len(_json(row)) + 2
        if shown and size > RESULT_CHARS:
            break
        shown.append(row)
    after = following(len(shown)) if len(shown) < len(rows) else None
    return result({**about, name: shown, "next": after})


def readable(data: bytes) -> dict[str, str]:
    """Return bytes as text, or as base64 where they are none."""
    # A position in the middle of a character leaves a few bytes of it at either end.
    cut = any(byte > 0x7F for byte in data[:1] + data[-1:])
    try:
        text = data.decode(errors="ignore" if cut else "strict")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    return {"text": text}


def _json(value: Row) -> str:
    return json.dumps(value, ensure_ascii=False, default=_short)


def _short(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
