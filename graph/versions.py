"""What a run is pinned to: the versions of its graph, prompts, tools and schemas.

A run that began under one version and went on under another would be neither: its recorded
answers would meet other questions, its state another shape. So the first claim writes the versions
down, and a claim under others is refused with the way out (`storage.claims.claim`). Each version is
a hash of what it names, so that nobody has to remember to raise it; what no structure shows, the
behaviour of the nodes, has a number of its own, `graph.desk.VERSION`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import TypeAdapter

from graph.desk import DESK, VERSION
from graph.extraction import EXTRACTION, EXTRACTION_VERSION
from nodes import extractor_state, state
from nodes.prompts import prompts_version
from storage.audit import digest
from tools.registry import Registry

_CHARS: Final = 12
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")


def versions_of(name: str, graph: Any, tools: Registry) -> dict[str, str]:
    """Return the versions under which a compiled graph runs here, by part."""
    drawn = graph.get_graph()
    structure = [
        sorted(drawn.nodes),
        sorted((edge.source, edge.target, edge.conditional) for edge in drawn.edges),
        sorted(_channels(graph).items()),
        {DESK: VERSION, EXTRACTION: EXTRACTION_VERSION}.get(name, ""),
    ]
    known = [
        [entry.risk, entry.safety, convert_to_openai_tool(entry.tool)]
        for entry in sorted(tools, key=lambda each: each.name)
    ]
    versions = {"graph": _short(structure), "tools": _short(known)}
    types = {DESK: state.STATE_TYPES, EXTRACTION: extractor_state.EXTRACTION_TYPES}
    if name in types:
        forms = [TypeAdapter(each).json_schema() for each in types[name]]
        versions |= {"prompts": prompts_version(), "schemas": _short(forms)}
    return versions


def version_of(versions: Mapping[str, str]) -> str:
    """Return one hash of all versions: what an approval is bound to."""
    return _short(dict(versions))


def _channels(graph: Any) -> dict[str, str]:
    """Return the channels of a graph's state with their kinds, without what LangGraph adds."""
    return {
        name: f"{type(channel).__name__} {_type_of(channel)}"
        for name, channel in graph.channels.items()
        if not name.startswith(("__", "branch:"))
    }


def _type_of(channel: Any) -> str:
    """Return what a channel holds; of one that reduces, how: its type is the library's affair."""
    if operator := getattr(channel, "operator", None):
        return str(getattr(operator, "__name__", ""))
    return _ADDRESS.sub("", str(getattr(channel, "ValueType", "")))


def _short(value: Any) -> str:
    return digest(value)[:_CHARS]
