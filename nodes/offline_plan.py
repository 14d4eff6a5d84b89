"""How the offline model does the work of the desk's agents: by rules, on the JSON they get."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from nodes.offline_requests import plain_call
from nodes.reading import Excerpt, Quote, mentions, quotes
from nodes.reading_plain import spelled
from nodes.reading_question import read_question
from nodes.reading_rows import row_quotes
from nodes.reading_scope import Scope, of_report, scope, timeless
from nodes.reading_sought import MOST_ITEMS, changes, yes_or_no
from nodes.reading_tables import statement
from tools.accounting import mentions as mentions_of
from tools.accounting import renamed, said, wordings
from tools.accounting_items import STANDING

Payload = dict[str, Any]

_POINTS_BACK: Final = re.compile(
    r"\b(it|its|they|them|their|theirs|he|she|his|her)\b"
    r"|\b(that|this|these|those|such|the same|said)\s+"
    r"(clause|section|provision|article|paragraph|sentence|passage|term|agreement|contract|lease|"
    r"document|policy|report|party|parties|amount|figure|date|period|notice|right|obligation|one)",
    re.IGNORECASE,
)
_GOES_ON: Final = re.compile(r"^\s*(and|but|or|so|also|what about|how about)\b", re.IGNORECASE)
_WRITES: Final = re.compile(
    r"\b(write|draft|compose|prepare|publish)\b.*\b(memo|memorandum|summary|note|letter|brief)\b",
    re.IGNORECASE | re.DOTALL,
)
_OPERATES: Final = re.compile(
    r"^\W*(?:please\s+|can you\s+)?(list|show|get|read|delete|remove|put|store|record|query)\b"
    r".*\b(objects?|buckets?|items?|logs?|metrics?)\b",
    re.IGNORECASE | re.DOTALL,
)
_PUBLISH_IT: Final = re.compile(r"(\s+and)?\s+(publish|send|store|save)\s+it\b", re.IGNORECASE)
_SUBJECT: Final = re.compile(
    r"^.*?\b(memo|memorandum|summary|note|letter|brief)\b\s*(about|on|of|regarding|that says)?",
    re.IGNORECASE,
)
_ABOUT: Final = re.compile(r"\s*\(about: (.*)\)$", re.DOTALL)
_SHORT: Final = 4
_SURE: Final = 0.65
"""From which score on a short question needs no help from the one before it."""
_LOOKED_INTO: Final = 2
"""Documents that are searched once more."""
_ALIKE: Final = 0.7
"""Which part of the most passages a document needs to have been meant as well."""
_SAME_VERB: Final = {
    "show": ("get", "query", "list"),
    "read": ("get", "query"),
    "remove": ("delete",),
    "store": ("put",),
    "write": ("put",),
    "record": ("put",),
}


def plan(payload: Payload) -> Payload:
    """Fill in `PlanReply`: a question that goes on is joined to the one before it."""
    question, before = str(payload["question"]), str(payload.get("last_question") or "")
    agents, sought = ["librarian", "analyst"], question
    if _OPERATES.search(question) or plain_call(question):
        agents = ["custodian"]
    elif _WRITES.search(question):
        agents.append("writer")
        sought = _subject(question) or question  # no document speaks of writing a memo
    reply: Payload = {"question": sought, "agents": agents, "document_ids": [], "earlier": []}
    # In "write a memo and publish it", it is the memo.
    asked = _PUBLISH_IT.sub("", question)
    goes_on = _POINTS_BACK.search(asked) or _GOES_ON.search(asked)
    if before and agents != ["custodian"] and (goes_on or len(question.split()) <= _SHORT):
        reply["question"] = _joined(sought, before)
        reply["document_ids"] = [d["id"] for d in payload.get("documents", [])]
        reply["earlier"] = [c["number"] for c in payload.get("citations", [])]
    return reply


def _subject(request: str) -> str:
    """Return what is to be written about, without the order to write and to publish it."""
    bare = " ".join(_PUBLISH_IT.sub("", request).split())
    return _SUBJECT.sub("", bare).strip(" .?!")


def _joined(question: str, before: str) -> str:
    """Put what a question goes on from behind it, in one pair of brackets however long it goes."""
    about = _ABOUT.sub(r"; \1", before)
    return f"{question} (about: {about[:400]})"


def look_again(question: str, returned: str) -> list[Payload]:
    """Return what to search for once more after a first search, and in which documents.

    A report is full of the words of any question to it: so the documents that came first are
    searched for the item alone, in all its names, with what stands beside it in its statement. A
    plain question is searched for in the words of documents.
    """
    asked = _items(question) if of_report(question) else _in_other_words(question)
    try:
        passages = json.loads(returned).get("passages", []) if asked else []
    except ValueError:  # it says why nothing could be searched
        return []
    counts = Counter(passage["document_id"] for passage in passages)
    alike = [d for d, count in counts.items() if count >= _ALIKE * max(counts.values())]
    return [{"query": asked, "document_ids": [each]} for each in alike[:_LOOKED_INTO]]


def _items(question: str) -> str:
    items = list(dict.fromkeys(m.item for m in mentions_of(said(question))))[:MOST_ITEMS]
    return " ".join(
        [timeless(question), *(f"{wordings(item)} {STANDING[item.statement]}" for item in items)]
    )


def _in_other_words(question: str) -> str:
    """Return the words of documents for those of a plain question, with it; nothing if none."""
    asked = read_question(question)
    others = spelled(word for slot in asked.slots for word in slot) if asked.plain else []
    return " ".join([question, *others]) if others else ""


def draft(payload: Payload) -> Payload:
    """Fill in `DraftReply`: each quote that answers is a claim of its own."""
    passages = payload.get("passages", [])
    excerpts = [_excerpt(str(n), passage) for n, passage in enumerate(passages)]
    near = [excerpt for excerpt, p in zip(excerpts, passages, strict=True) if p.get("cited")]
    question = str(payload["question"])
    names = {str(p["document_id"]): str(p.get("document") or "") for p in passages}
    claims = []
    found = _goes_on(question, excerpts, near) if near else _answers(question, excerpts, names)
    for quote in found:
        passage = passages[int(quote.excerpt)]
        stated = quote.says or statement(quote.text, quote.heads)
        at = {"document_id": passage["document_id"], "page": passage["page"]}
        quoted = [text for text in (quote.text, quote.heads) if text]
        citations = [{**at, "quote": text} for text in quoted]
        if quote.heads and passage.get("heads") == quote.heads and passage.get("heads_page"):
            citations[-1]["page"] = passage["heads_page"]
        claims.append({"text": stated, "citations": citations})
    return {"claims": claims}


def _answers(question: str, excerpts: Sequence[Excerpt], names: dict[str, str]) -> list[Quote]:
    """Answer with the rows that have the figures asked for, or else with sentences, or both."""
    within = scope(question, excerpts, names)
    if not within.excerpts:
        return []
    rows = [
        quote
        for excerpts_of_one in within.of_each[:MOST_ITEMS]
        for quote in row_quotes(question, excerpts_of_one, within.calendars, within.heard)
    ]
    rows = [quote for quote in rows if quote.says or within.has_time(quote)]
    if rows and not (yes_or_no(question) or changes(question)):
        return rows
    told = _told(within)
    if yes_or_no(question):
        return [*(q for q in told[:2] if not q.heads), *rows[:1]]
    if rows:
        return [*rows, *(q for q in told[:1] if not q.heads)]
    return told


def _told(within: Scope) -> list[Quote]:
    """Answer with sentences; an item is looked for under its other names too."""
    best: list[Quote] = []
    others = renamed(within.asked) if within.years else []
    for asked in (within.asked, *others):
        plain = not within.years
        found = quotes(asked, within.excerpts, weigh=within.weigh, whole=True, plain=plain)
        found = [quote for quote in found if within.answers(quote)]
        if found and (not best or found[0].score > best[0].score):
            best = found
    return best


def _goes_on(question: str, excerpts: Sequence[Excerpt], near: Sequence[Excerpt]) -> list[Quote]:
    """Answer a question that goes on from an earlier answer, which stands in `near`.

    What it goes on from helped to find the passages; it must not outweigh the question itself.
    """
    asked = _ABOUT.sub("", question)
    read = read_question(asked)
    if read.kind != "clause":
        return quotes(asked, excerpts)
    if not read.terms:
        return quotes(question, excerpts)  # "And why?"
    here = [q for q in quotes(asked, near, says=-math.inf) if mentions(asked, q.text)]
    if here:
        return here[:1]
    alone = quotes(asked, excerpts)
    related = {q.excerpt for q in quotes(question, excerpts)}
    return [q for q in alone if q.score >= _SURE or q.excerpt in related]


def _excerpt(number: str, passage: Payload) -> Excerpt:
    heads = str(passage.get("heads") or "")
    return Excerpt(
        number,
        passage["text"],
        opens=bool(passage.get("opens")),
        heads=heads,
        document=str(passage.get("document_id") or ""),
    )


def review(payload: Payload) -> Payload:
    """Fill in `ReviewReply`: a statement is supported if all its words stand in its quotes."""
    verdicts = []
    for each in payload.get("statements", []):
        missing = _words(each["text"]) - _words(" ".join(each["quotes"]))
        why = f"not in the quotes: {', '.join(sorted(missing)[:5])}" if missing else ""
        verdicts.append({"number": each["number"], "supported": not missing, "why": why})
    return {"verdicts": verdicts}


def memo(payload: Payload) -> Payload:
    """Fill in `MemoReply`: one paragraph for each claim, in the claim's own words."""
    subject = _subject(str(payload["request"])) or "the answer"
    title = f"Memo on {subject}"[:120]
    slug = "-".join(re.findall(r"[a-z0-9]+", subject.casefold())[:8])
    paragraphs = [{"text": c["text"], "claims": [c["number"]]} for c in payload["claims"]]
    return {"title": title, "file_name": f"memo-{slug}.md", "paragraphs": paragraphs}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def choose_call(request: str, specs: Sequence[dict[str, Any]]) -> tuple[str, Payload] | None:
    """Choose the tool that a plain request means, or whose name it speaks, with its arguments."""
    plain = plain_call(request)
    if plain and plain[0] in [spec["name"] for spec in specs]:
        return plain
    words = {word.rstrip("s") for word in _words(request)}
    verbs = words | {same for word in words for same in _SAME_VERB.get(word, ())}
    best: tuple[int, str, Payload] | None = None
    for spec in specs:
        verb, _, noun = spec["name"].partition("_")
        args = _arguments(request, spec)
        required = set(spec["parameters"].get("required", ()))
        if verb.rstrip("s") not in verbs or noun.rstrip("s") not in words or required - set(args):
            continue
        score = len(args) + 2 * (verb in words)
        if best is None or score > best[0]:
            best = (score, spec["name"], args)
    return best[1:] if best else None


def _arguments(request: str, spec: dict[str, Any]) -> Payload:
    """Fill arguments: `name=value` by name, enumerations by their words, the rest in order."""
    properties: dict[str, Any] = spec["parameters"].get("properties", {})
    named = dict(re.findall(r"\b(\w+)\s*=\s*\"?([^\s\",;]+)", request))
    quoted = re.findall(r"[\"“'`]([^\"”'`]+)[\"”'`]|\b([\w-]+\.[a-z]{2,4})\b", request)
    texts = [a or b for a, b in quoted]
    numbers = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?\b", request)
    required = set(spec["parameters"].get("required", ()))
    args: Payload = {}
    for name, schema in properties.items():
        value = named.get(name)
        if value is None:
            value = _by_type(request, schema, name in required, texts, numbers)
        if value is not None:
            args[name] = _typed(value, schema)
    return args


def _by_type(
    request: str, schema: dict[str, Any], required: bool, texts: list[str], numbers: list[str]
) -> Any:
    kind = schema.get("type")
    if "enum" in schema:
        words = _words(request)
        return next((o for o in schema["enum"] if {o, o.rstrip("s")} & words), None)
    if kind == "object":
        found = re.search(r"\{.*\}", request, re.DOTALL)
        return found[0] if found else None
    if not required:
        return None
    if kind in ("integer", "number"):
        return numbers.pop(0) if numbers else None
    return texts.pop(0) if texts and kind == "string" else None


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    try:
        match schema.get("type"):
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "object":
                return json.loads(value)
    except ValueError:
        pass
    return value
