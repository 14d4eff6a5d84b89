"""The writer: makes a document of proven claims, and has it published once it was reviewed.

The model writes paragraphs and names the claims that they rest on; the sources are set by program.
Publishing is a tool call like any other: `act` asks a person.
"""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import fill, messages_for
from nodes.state import DeskState, MemoReply
from nodes.tool_loop import own_calls, send, task_id
from storage.records import Citation, Claim
from tools.citations import unmarked
from tools.versions import SHA_CHARS


async def writer(state: DeskState, runtime: Runtime[Context]) -> Command[str]:
    """Write; when the reviewer is content, publish; when that is done, say so."""
    context = runtime.context
    proven = [claim for claim in state["claims"] if claim.verified]
    memo = state["memo"]
    outcome = [m for m in state.get("scratch", []) if isinstance(m, ToolMessage)]
    if outcome:
        return Command(update={"report": str(outcome[-1].content)}, goto="supervisor")
    if memo is not None and not state["objections"]:
        if not memo.paragraphs:
            report = "Nothing was published: no paragraph of the document was proven."
            return Command(update={"report": report}, goto="supervisor")
        return _publish(memo, proven, runtime)
    payload = {
        "request": state["question"],
        "claims": [
            {"number": n, "text": claim.text, "quotes": [c.quote for c in claim.citations]}
            for n, claim in enumerate(proven, 1)
        ],
        "objections": state["objections"],
    }
    memo = await fill(context.model, MemoReply, messages_for("writer", payload))
    context.journal.note("wrote", node="writer", paragraphs=len(memo.paragraphs))
    return Command(update={"memo": memo}, goto="reviewer")


def _publish(memo: MemoReply, proven: Sequence[Claim], runtime: Runtime[Context]) -> Command[str]:
    args = {"name": memo.file_name, "text": render(memo, proven)}
    call = ToolCall(name="publish_deliverable", args=args, id="", type="tool_call")
    calls = own_calls(runtime.context.run_id, task_id(runtime), [call])
    asked = AIMessage(content="", tool_calls=calls, id=f"{calls[0]['id']}-m")
    versions = sorted({c.sha256 for claim in proven for c in claim.citations})
    return send("writer", asked, versions)


def render(memo: MemoReply, proven: Sequence[Claim]) -> str:
    """Return a memo as Markdown, with its sources quoted and numbered."""
    numbers: dict[Citation, int] = {}
    blocks = [f"# {_line(memo.title)}"]
    for paragraph in memo.paragraphs:
        cited = [c for n in paragraph.claims for c in proven[n - 1].citations]
        marks = dict.fromkeys(numbers.setdefault(c, len(numbers) + 1) for c in cited)
        blocks.append(_line(paragraph.text) + "".join(f" [{mark}]" for mark in marks))
    if numbers:
        blocks.append("## Sources")
    for citation, number in numbers.items():
        quote = " ".join(citation.quote.split())
        version = citation.version or f"sha256 {citation.sha256[:SHA_CHARS]}"
        blocks.append(
            f"{number}. “{quote}” — {citation.document}, {citation.place} "
            f"({citation.document_id}, {version})"
        )
    return _as_text("\n\n".join(blocks)) + "\n"


def _as_text(markdown: str) -> str:
    """Return Markdown without HTML, links and pictures: what documents and models say is text.

    Whoever opens a memo would otherwise fetch what a stranger has put into a quote.
    """
    return re.sub(r"(?<=!)(?=\[)|(?<=\])(?=[(:])", r"\\", markdown.replace("<", "&lt;"))


def _line(text: str) -> str:
    """Return a text on one line, so that it makes no heading, source or mark of its own."""
    return " ".join(unmarked(text).split()).lstrip("#> ")
