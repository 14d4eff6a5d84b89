"""How the offline model fills in a form that it does not know: field by field, with extractors."""

import re
from typing import Any, Final

from nodes.reading import Excerpt, quotes
from storage.errors import ModelError

Payload = dict[str, Any]
_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def fill_form(spec: dict[str, Any], payload: Payload) -> Payload:
    """Fill in each field from the passages; one that is not there is left out.

    Raises:
        ModelError: a field that is required is not in the passages, or is of a kind that no
            extractor gives.
    """
    passages = payload.get("passages") or [{"text": str(payload.get("question", ""))}]
    excerpts = [Excerpt(str(n), passage["text"]) for n, passage in enumerate(passages)]
    parameters = spec["parameters"]
    filled: Payload = {}
    for name, schema in parameters.get("properties", {}).items():
        asked = schema.get("description") or f"What is the {name.replace('_', ' ')}?"
        found = quotes(asked, excerpts, most=1)
        value = _value(found[0].text, schema) if found else None
        if value is not None:
            filled[name] = value
        elif name in parameters.get("required", ()):
            raise ModelError(f"The offline model cannot fill in {name!r} of {spec['name']}.")
    return filled


def _value(quote: str, schema: dict[str, Any]) -> Any:
    """Return what a quote says for a field of this schema, or None."""
    text = " ".join(quote.split())
    if "enum" in schema:
        return next((o for o in schema["enum"] if str(o).casefold() in text.casefold()), None)
    kind = schema.get("type", "string")
    if kind == "string":
        return text
    if kind == "boolean":
        return True
    if kind in ("integer", "number") and (found := _NUMBER.search(text)):
        number = float(found[0].replace(",", ""))
        return int(number) if kind == "integer" else number
    return None
