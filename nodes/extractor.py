"""Hands out the documents of a table, a few at a time, until each has its row.

A bounded number is under way at once; whenever some are done, as many more are handed out, so that
the run's progress is on its checkpoints however many documents there are. Reading one is in
`nodes/extractor_reader.py`, checking it in `nodes/extractor_reviewer.py`.
"""

from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from nodes.context import Context
from nodes.extractor_state import ExtractionState, Reading, ReadingTask


async def hand_out(state: ExtractionState, runtime: Runtime[Context]) -> Command[str]:
    """Send as many documents to be read as there is room for; end when all have their rows."""
    documents, rows, sent = state["documents"], state["rows"], state["sent"]
    runtime.context.journal.note(
        "handed_out", node="supervisor", done=len(rows), documents=len(documents)
    )
    if len(rows) == len(documents):
        return Command(goto=END)
    room = runtime.context.limits.documents_at_once - (sent - len(rows))
    chosen = documents[sent : sent + max(0, room)]
    columns = state["columns"]
    tasks = [
        Send("analyst", to_read(Reading(document_id=each, columns=columns, asked=columns)))
        for each in chosen
    ]
    return Command(update={"sent": sent + len(chosen)}, goto=tasks)


def to_read(reading: Reading) -> ReadingTask:
    """Return the task of reading a document."""
    return ReadingTask(agent="analyst", reading=reading)


def to_check(reading: Reading) -> ReadingTask:
    """Return the task of checking what was read."""
    return ReadingTask(agent="reviewer", reading=reading)
