"""The reference conversation, and what must be true of it however it was disturbed.

A person asks for a memo on two documents; the reviewer objects to the first draft, the second
holds; the person approves, and it is published; then they have it tagged, which is a metadata write
with an approval of its own, and say what they think of it. Each of these can be repeated at any
time: so `converse` is started again after a crash, by a person who does not know how far it came.
"""

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from graph import Orchestrator
from graph.worker import Worker
from nodes.models import request_hash
from nodes.offline import OfflineModel
from storage.audit import Event
from storage.errors import AffidavitError, Conflict, NotFound, Unavailable
from storage.keys import key
from storage.records import Answer, Run

THREAD: Final = "reference"
MEMO: Final = "memo"
TAG: Final = "tag"
RUNS: Final = (MEMO, TAG)
ASKED: Final = {
    MEMO: "Write a memo on the notice for early termination of the lease and publish it.",
    TAG: "Tag memo-the-notice-for-early-termination-of-the-lease.md with case=A-1",
}
DOCUMENTS: Final = {
    "lease.txt": "LEASE between Harbor Row LLC (the Landlord) and Quill & Post Inc. (the Tenant)."
    "\n\n1. Term. The term of this lease is five years and begins on 1 April 2024.\n\n"
    "2. Early termination. The Tenant may terminate this lease early on ninety days' written "
    "notice to the Landlord.\n\n3. Rent. The Tenant shall pay a monthly rent of $4,200.\n",
    "supply.txt": "SUPPLY AGREEMENT between Tern Metals GmbH and Kestrel Works Ltd.\n\n"
    "1. Payment. Each invoice is payable within forty-five days of receipt.\n",
}
LOOK_SECONDS: Final = 0.02
PATIENCE: Final = 300.0


class ReferenceModel(OfflineModel):
    """The offline model, but its first draft of an answer misquotes, and what is asked is logged.

    Each request is a line of the log before it is answered. `call` makes each call, by its name;
    `waits` is called within the one for the second draft, as if the model thought for long.
    """

    log: Path
    call: Callable[[str, Callable[[], Any]], Any] = lambda _, make: make()
    waits: Callable[[], None] = lambda: None

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        form = str(options.get("tool_choice") or "any tool")
        agent = json.loads(str(messages[1].content))["agent"]
        with self.log.open("a") as log:
            log.write(f"{os.getpid()} {request_hash(messages, options)}\n")
        answer = super()._generate
        result: ChatResult = self.call(
            f"model {agent} {form}", lambda: answer(messages, *args, **options)
        )
        if form == "DraftReply":
            self._draft(result.generations[0].message, str(messages[1].content))
        return result

    def _draft(self, message: Any, asked: str) -> None:
        if json.loads(asked)["objections"]:
            self.waits()
        else:
            for claim in message.tool_calls[0]["args"]["claims"]:
                claim["citations"][0]["quote"] += " at any time"


def requests_of(log: Path, pid: int) -> list[str]:
    """Return what a process has asked the model, by the hashes of its requests."""
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return [asked for made_by, asked in map(str.split, lines) if int(made_by) == pid]


def stock(desk: Orchestrator) -> None:
    """Add the documents."""
    for name, text in DOCUMENTS.items():
        desk.documents.add(text.encode(), name=name)
    desk.documents.index()


def converse(desk: Orchestrator, *, observer: Orchestrator | None = None) -> None:
    """Have the whole conversation, or what is left of it, beside a worker that drives the runs.

    What the person does goes through `desk`; `observer` looks on without being counted.
    """
    seen = observer or desk
    for run_id in RUNS:
        _again(desk.runs.submit, ASKED[run_id], thread=THREAD, run_id=run_id)
        while not (run := wait_for(seen, run_id)).ended:
            decisions = {each.id: {"type": "approve"} for each in run.interrupts}
            _again(desk.runs.resume, run_id, decisions)
    _again(desk.feedback.add, MEMO, "up", "Good.")


def _again(do: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Do something as a patient person does: again while no service answers, once in all."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            do(*args, **options)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)
        except Conflict:  # it was done the first time, and only the answer was lost
            return
        else:
            return


def wait_for(desk: Orchestrator, run_id: str) -> Run:
    """Wait until a run asks a person or has ended.

    Raises:
        AffidavitError: it does neither.
    """
    deadline = time.monotonic() + PATIENCE
    stands = ""
    while time.monotonic() < deadline:
        with suppress(Unavailable):
            run = desk.runs.get(run_id)
            if run.ended or run.status == "interrupted":
                return run
            stands = f"{run.status} {run.error}"
        time.sleep(LOOK_SECONDS)
    raise AffidavitError(f"Run {run_id} did not come to an end: {stands}")


@contextmanager
def working(desk: Orchestrator, *, concurrency: int = 4) -> Iterator[Worker]:
    """Have a worker at work in a thread of its own."""
    worker = desk.worker(concurrency=concurrency)
    thread = threading.Thread(target=lambda: asyncio.run(worker.work()))
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()


@dataclass(frozen=True)
class Trace:
    """What is the same of the conversation however it was disturbed."""

    answers: tuple[Answer | None, ...]
    tasks: tuple[tuple[str, ...], ...]
    """The nodes that did their work, once for each task."""
    published: tuple[tuple[str, int, tuple[tuple[str, str], ...]], ...]
    effects: tuple[int, ...]
    approvals: tuple[int, ...]
    feedback: tuple[tuple[str, str], ...]


def trace(desk: Orchestrator) -> Trace:
    """Read the conversation back."""
    runs = [desk.runs.get(run_id) for run_id in RUNS]
    events = [[each.event for each in desk.runs.events(run_id, follow=False)] for run_id in RUNS]
    kinds = [Counter(event.kind for event in each) for each in events]
    return Trace(
        answers=tuple(run.answer for run in runs),
        tasks=tuple(
            tuple({e.task: e.node for e in each if e.kind == "finished"}.values())
            for each in events
        ),
        published=tuple(
            (o.name, o.version, tuple(o.tags.items())) for o in desk.resources.objects.all()
        ),
        effects=tuple(count["effect"] for count in kinds),
        approvals=tuple(count["decision"] for count in kinds),
        feedback=tuple((f.rating, f.comment) for f in desk.feedback.list(MEMO)),
    )


def _tasks(events: Sequence[Event]) -> tuple[str, ...]:
    return tuple({e.task: e.node for e in events if e.kind == "finished"}.values())


def faults(desk: Orchestrator, expected: Trace) -> list[str]:
    """Return what is wrong with the conversation as it is on record; nothing, if all is well."""
    try:
        return _faults(desk, expected)
    except NotFound as missing:
        return [str(missing)]


def _faults(desk: Orchestrator, expected: Trace) -> list[str]:
    wrong = []
    for run_id in RUNS:
        run = desk.runs.get(run_id)
        if run.status != "success":
            wrong.append(f"{run_id} is {run.status}: {run.error}")
        verdict = desk.audit.verify(run_id)
        if not verdict.ok:
            wrong.append(f"{run_id} does not verify: {verdict.first_bad}")
        wrong += _doubled(desk, run_id)
    found = trace(desk)
    wrong += [
        f"{name}: {getattr(found, name)} instead of {getattr(expected, name)}"
        for name in Trace.__dataclass_fields__
        if getattr(found, name) != getattr(expected, name)
    ]
    return wrong


def _doubled(desk: Orchestrator, run_id: str) -> Iterator[str]:
    """Yield what is on record more often than once: questions, events, effects."""
    events = [each.event for each in desk.runs.events(run_id, follow=False)]
    for kind in ("submitted", "ended"):
        if (count := sum(event.kind == kind for event in events)) != 1:
            yield f"{run_id} was {kind} {count} times"
    decided = desk.resources.runs.decided(run_id)
    asked = Counter(each.interrupt.value.get("tool_call_id") for each in decided)
    yield from (f"{call} was asked {n} times" for call, n in asked.items() if n > 1)
    noted = Counter(
        (e.kind, e.node, e.task, e.epoch) for e in events if e.kind in ("started", "finished")
    )
    yield from (f"{each} was noted {n} times" for each, n in noted.items() if n > 1)
    finished = {e.task for e in events if e.kind == "finished"}
    started = {e.task for e in events if e.kind == "started"}
    yield from (f"task {task} began and never finished" for task in started - finished)


def recorded(desk: Orchestrator) -> Counter[str]:
    """Return the requests whose answers are on record, each with how often it was made."""
    tables = desk.resources.workspace.tables
    rows = [item for run in RUNS for item in tables.runs.query(key("run", run), prefix="m/")]
    return Counter(str(item.body["request"]) for item in rows)
