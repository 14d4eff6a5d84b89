"""What OpenAI's chat completions refuse, as far as it is published: openai's types, and its rules.

Sources: `openai.types.chat.completion_create_params`, OpenAI's guide to structured outputs (the
schemas that `strict` supports), and the API reference (names, ids, and the order of messages).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter, ValidationError

NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
ID_CHARS: Final = 40
CONTEXT_BYTES: Final = 4 * 128_000
"""A context of 128,000 tokens, at four bytes a token."""
_STRICT: Final = {
    *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"),
    *("$ref", "$defs", "description", "title", "pattern", "format", "multipleOf", "minimum"),
    *("maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
}
_FORMATS: Final = {
    *("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"),
}
_MOST_PROPERTIES: Final = 5000
_DEEPEST: Final = 10

Json = dict[str, Any]


def problems_of(body: Json) -> list[str]:
    """Return what the live service would refuse in a request; nothing, if it is in order."""
    problems = [*_type_problems(body)]
    if problems:
        return problems
    problems += message_problems(body["messages"])
    for tool in body.get("tools", []):
        problems += _tool_problems(tool["function"])
    names = [tool["function"]["name"] for tool in body.get("tools", [])]
    if len(names) != len(set(names)):
        problems.append("two tools have one name")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        problems.append(f"tool_choice names {choice['function']['name']!r}, which is no tool")
    if any(t["function"].get("strict") for t in body.get("tools", [])) and body.get(
        "parallel_tool_calls", True
    ):
        problems.append("strict tools are only kept to without parallel_tool_calls")
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema" and form["json_schema"].get("strict"):
        problems += schema_problems(form["json_schema"]["schema"])
    if len(str(body["messages"]).encode()) > CONTEXT_BYTES:
        problems.append("the messages exceed the context")
    return problems


@cache
def _requests(streaming: bool) -> TypeAdapter[Any]:
    kind: Any = CompletionCreateParamsStreaming if streaming else CompletionCreateParamsNonStreaming
    return TypeAdapter(kind)


def _type_problems(body: Json) -> Iterator[str]:
    try:
        types = _requests(bool(body.get("stream")))
        _consumed(types.validate_python(body, strict=True, extra="forbid"))
    except ValidationError as error:
        for each in error.errors()[:5]:
            yield f"{'.'.join(map(str, each['loc']))}: {each['msg']}"


def _consumed(value: Any) -> None:
    """Walk a validated value to its ends: pydantic checks what is only `Iterable` as it goes."""
    if isinstance(value, Mapping):
        for each in value.values():
            _consumed(each)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for each in value:
            _consumed(each)


def message_problems(messages: list[Json]) -> Iterator[str]:
    """Yield what is wrong with the order of messages, and with the names and ids in them."""
    waiting: set[str] = set()
    for n, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"messages[{n}] answers no tool call before it"
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            yield f"messages[{n}] comes before the answers to {sorted(waiting)}"
        waiting = {call["id"] for call in message.get("tool_calls", [])}
        yield from (f"messages[{n}] {why}" for why in _said_problems(message))
    if waiting:
        yield f"nothing answers {sorted(waiting)}"


def _said_problems(message: Json) -> Iterator[str]:
    calls = message.get("tool_calls", [])
    if message["role"] == "assistant" and not calls and message.get("content") is None:
        yield "says and calls nothing"
    for name in [call["function"]["name"] for call in calls]:
        if not NAME.match(name):
            yield f"calls {name!r}, which is no name"
    if any(len(call["id"]) > ID_CHARS for call in calls):
        yield f"has a tool call id of more than {ID_CHARS} characters"
    if "name" in message and not NAME.match(message["name"]):
        yield f"is by {message['name']!r}, which is no name"


def _tool_problems(function: Json) -> Iterator[str]:
    if not NAME.match(function["name"]):
        yield f"{function['name']!r} is no name of a tool"
    if len(function.get("description", "")) > 1024:
        yield f"the description of {function['name']} is longer than 1,024 characters"
    schema = function.get("parameters", {"type": "object"})
    if schema.get("type") != "object":
        yield f"the parameters of {function['name']} are no object"
    yield from _items_problems(schema, function["name"])
    if function.get("strict"):
        yield from (f"{function['name']}: {why}" for why in schema_problems(schema))


def _items_problems(schema: Any, at: str) -> Iterator[str]:
    """Every schema of an array says what is in it, strict or not."""
    if isinstance(schema, dict):
        if schema.get("type") == "array" and "items" not in schema:
            yield f"{at}: an array without items"
        for name, each in schema.items():
            yield from _items_problems(each, f"{at}.{name}")
    elif isinstance(schema, list):
        for each in schema:
            yield from _items_problems(each, at)


def schema_problems(root: Json) -> Iterator[str]:
    """Yield what `strict` refuses in a schema."""
    if root.get("type") != "object" or "anyOf" in root:
        yield "the root is no plain object"
    count = sum(len(each["properties"]) for each in _objects(root))
    if count > _MOST_PROPERTIES:
        yield f"{count} properties"
    yield from _strict_problems(root, root, "$", 1)


def _objects(schema: Any) -> Iterator[Json]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for each in schema.values():
            yield from _objects(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _objects(each)


def _strict_problems(schema: Json, root: Json, at: str, depth: int) -> Iterator[str]:
    for name in sorted(schema.keys() - _STRICT):
        yield f"{at}: {name!r} is not permitted"
    if depth > _DEEPEST:
        yield f"{at}: deeper than {_DEEPEST} levels"
        return
    yield from (f"{at}: {why}" for why in _kind_problems(schema, root))
    for name, each in _inner(schema):
        yield from _strict_problems(each, root, f"{at}.{name}", depth + 1)


def _kind_problems(schema: Json, root: Json) -> Iterator[str]:
    if "$ref" in schema:
        if schema["$ref"] not in ("#", *(f"#/$defs/{name}" for name in root.get("$defs", {}))):
            yield f"{schema['$ref']} leads nowhere"
        if schema.keys() - {"$ref"}:
            yield "$ref has something beside it"
    elif not schema.keys() & {"type", "anyOf", "enum", "const"}:
        yield "it has no type"
    if schema.get("format") not in (None, *_FORMATS):
        yield f"the format {schema['format']!r} is not permitted"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield "additionalProperties must be false"
        if sorted(schema.get("required", [])) != sorted(schema.get("properties", {})):
            yield "every property must be required"


def _inner(schema: Json) -> Iterator[tuple[str, Any]]:
    """Yield the schemas within a schema."""
    yield from schema.get("properties", {}).items()
    yield from schema.get("$defs", {}).items()
    if "items" in schema:
        yield "items", schema["items"]
    yield from ((str(n), each) for n, each in enumerate(schema.get("anyOf", [])))
