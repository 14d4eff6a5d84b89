"""Plain requests to the custodian that the offline model understands without the tools' names.

Show me the last errors of the analyst.        How many runs failed today?
Copy memo.md to archive/memo.md.               Keep memo.md until 2030-12-31.
Make a link to memo.md.                        Tag memo.md with case=A-1.
Erase document d-0123456789abcdef0123.
"""

import re
from collections.abc import Callable
from typing import Any, Final

Call = tuple[str, dict[str, Any]]

DAY_MINUTES: Final = 24 * 60
_MINUTES: Final = {"hour": 60, "day": DAY_MINUTES, "today": DAY_MINUTES, "week": 7 * DAY_MINUTES}
_ENDED: Final = {
    "fail": "runs_error",
    "error": "runs_error",
    "succeed": "runs_success",
    "success": "runs_success",
    "finish": "runs_success",
    "cancel": "runs_cancelled",
    "wait": "runs_interrupted",
    "interrupt": "runs_interrupted",
}
_PLEASE: Final = r"^\W*(?:please\s+|can you\s+|could you\s+)?"
_KEY: Final = r"[\"“'`]?(?P<{}>[^\s\"”'`]+\.\w{{1,8}})[\"”'`]?"


def _key(name: str) -> str:
    return _KEY.format(name)


def _errors(found: re.Match[str]) -> Call:
    # Errors are looked for further back than what happens all the time.
    minutes = _within(found[0], otherwise=7 * DAY_MINUTES)
    args = {"group": found["agent"].lower(), "minutes": minutes, "contains": '"failed"'}
    return "query_logs", args


def _count(found: re.Match[str]) -> Call:
    name = next(name for word, name in _ENDED.items() if found["how"].lower().startswith(word))
    return "get_metrics", {"name": name, "minutes": _within(found[0], otherwise=DAY_MINUTES)}


def _within(request: str, *, otherwise: int) -> int:
    """Return the minutes of which a request speaks: the last hour, today, this week."""
    words = re.findall(r"[a-z]+", request.lower())
    return next((_MINUTES[word] for word in words if word in _MINUTES), otherwise)


def _tags(found: re.Match[str]) -> Call:
    tags = dict(re.findall(r"([\w.-]+)=([\w.:/@-]*)", found["tags"]))
    return "tag_object", {"key": found["key"], "tags": tags}


_AGENT: Final = r"(?P<agent>supervisor|librarian|analyst|writer|reviewer|custodian)\b"
_REQUESTS: Final[tuple[tuple[str, Callable[[re.Match[str]], Call]], ...]] = (
    (
        rf"(?:show|list|get|what are)\b[^.?]*\b(?:errors?|failures)\s+of\s+(?:the\s+)?{_AGENT}.*",
        _errors,
    ),
    (
        rf"how many runs\s+(?:(?:have|were|are|did|been)\s+)*(?P<how>{'|'.join(_ENDED)})\w*\b.*",
        _count,
    ),
    (
        rf"copy\s+(?:the\s+object\s+)?{_key('key')}\s+to\s+{_key('to')}",
        lambda found: ("copy_object", {"key": found["key"], "to": found["to"]}),
    ),
    (
        rf"(?:keep|retain)\s+(?:the\s+object\s+)?{_key('key')}\s+until\s+(?P<day>\d{{4}}-\d\d-\d\d)",
        lambda found: ("set_retention", {"key": found["key"], "until": found["day"]}),
    ),
    (
        rf"(?:make|create|give\s+me|presign)\s+(?:a\s+|the\s+)?(?:link\s+to|object)\s+{_key('key')}",
        lambda found: ("presign_object", {"key": found["key"]}),
    ),
    (
        r"(?:erase|delete|remove)\s+(?:the\s+)?(?:document\s+)?(?P<id>d-[0-9a-f]{20})\b",
        lambda found: ("erase_document", {"document_id": found["id"]}),
    ),
    (rf"tag\s+(?:the\s+object\s+)?{_key('key')}\s+with\s+(?P<tags>[\w.-]+=.*)", _tags),
)


def plain_call(request: str) -> Call | None:
    """Return the call that a plain request asks for, or None if it is none of these."""
    for pattern, made in _REQUESTS:
        if found := re.match(_PLEASE + pattern, request, re.IGNORECASE | re.DOTALL):
            return made(found)
    return None
