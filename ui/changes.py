"""The form in which a person changes what is asked before approving it.

Text is edited as text, a number as a number, anything else as JSON; what was left alone comes back
exactly as it was.
"""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from storage.records import Interrupt
from ui import markup
from ui.asked import LONG, text_of

_EXACT: Final = 2**53 - 1
"""A browser has no larger whole number that is exact."""
_DECIMALS: Final = 9


def fields(interrupt: Interrupt, args: Mapping[str, Any]) -> None:
    """Show a field for each argument."""
    for name, value in args.items():
        if is_number(interrupt, value):
            _number(interrupt, name, value)
        else:
            _text(interrupt, name, value)


def changed(interrupt: Interrupt, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the fields have them now.

    Raises:
        ValueError: one of them should be JSON and is not.
    """
    found: dict[str, Any] = {}
    for name, value in args.items():
        given = st.session_state.get(_key(interrupt, name), value)
        if is_number(interrupt, value):
            found[name] = given
        elif isinstance(value, str):
            found[name] = str(given)
        else:
            found[name] = json.loads(str(given)) if isinstance(given, str) else given
    return found


def is_number(interrupt: Interrupt, value: Any) -> bool:
    """Return whether an argument can be edited as a number, and shown to its last digit."""
    match value:
        case None:
            return interrupt.kind == "budget"  # no limit
        case bool():
            return False
        case int():
            return abs(value) <= _EXACT
        case float():
            return math.isfinite(value) and abs(value) < _EXACT and _decimals(value) <= _DECIMALS
    return False


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).as_tuple().exponent
    return max(2, -exponent) if isinstance(exponent, int) else _DECIMALS + 1


def _number(interrupt: Interrupt, name: str, value: float | None) -> None:
    key, budget = _key(interrupt, name), interrupt.kind == "budget"
    whole = isinstance(value, int) or (value is None and name != "dollars")
    if budget:  # a field can be emptied, for no limit, only where its value is not a default
        st.session_state.setdefault(key, value)
    st.number_input(
        markup.plain(name.capitalize() if budget else name),
        value=None if budget else value,
        step=1 if whole else None,
        format=None if whole or value is None else f"%.{_decimals(value)}f",
        placeholder="No limit" if budget else None,
        key=key,
    )


def _text(interrupt: Interrupt, name: str, value: Any) -> None:
    text, key = text_of(value), _key(interrupt, name)
    if len(text) > LONG or "\n" in text:
        st.text_area(markup.plain(name), text, key=key, height=220)
    else:
        st.text_input(markup.plain(name), text, key=key)


def _key(interrupt: Interrupt, name: str) -> str:
    return f"arg-{interrupt.id}-{name}"
