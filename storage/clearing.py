"""Taking the text of a document out of a conversation, and out of the records of its runs.

A conversation that held it is emptied: its checkpoints and what its runs have recorded are deleted
whole, since no one can tell what in them came from which page. Of the record of a run goes what
quotes the document or may rest on it, and the rest stays. Each run that has lost something says so
in its own chain, signed: so the chain stays whole, and who verifies the run knows what was erased,
and by which run.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from storage.audit import Event, new_event
from storage.extractions import ExtractionStore
from storage.extractions import sha256_of as sha256_of_table
from storage.feedback import FeedbackStore
from storage.fence import sealed
from storage.holding import has_begun, held, stop_begun
from storage.keys import key
from storage.ports import Action, Blobs, Item, Put, VersionIs
from storage.recordings import forget as forget_recordings
from storage.recordings import recorded
from storage.records import Answer, Erased, Extraction, Run
from storage.run_layout import Decided, Kept, interrupt_item
from storage.runs import RunStore
from storage.wording import Wording

GONE: Final = "It was erased with a document."
_KEPT_OF_QUESTION: Final = ("kind", "tool_call_id", "binding", "review_configs")
_TEXTS: Final = {"question": "", "input": None, "error": ""}
"""Fields of a run's record that hold text, and what they are without."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The document that is erased, and by which run."""

    document_id: str
    versions: tuple[str, ...]
    wording: Wording
    by: str = ""

    def names(self, text: str) -> bool:
        """Return whether a text names it as a source: by its id, or the hash of a version."""
        return self.document_id in text or any(each[:12] in text for each in self.versions)

    def goes(self, value: Any) -> bool:
        """Return whether a value holds its words."""
        return self.wording.stands_in(value)

    def answer_goes(self, answer: Answer | None) -> bool:
        """Return whether an answer of a run that has met it goes: all but what others prove."""
        if answer is None:
            return False
        cited = [c.document_id for claim in answer.claims for c in claim.citations]
        unproven = any(not claim.citations for claim in answer.claims)
        return unproven or self.document_id in cited or self.goes(answer.model_dump())


@dataclass(frozen=True, slots=True)
class _Lost:
    """What a run loses: changes of its record, items beside it, and the names of the parts."""

    changes: dict[str, Any]
    items: list[Action]
    parts: list[str]
    table: Extraction | None = None
    """Its table without the rows of the document, if it had any."""


class Clearing:
    """Takes documents out of the conversations of a workspace."""

    def __init__(
        self,
        runs: RunStore,
        feedback: FeedbackStore,
        recorded: Blobs,
        tables: ExtractionStore,
        delete_thread: Callable[[str], None],
        *,
        lease_seconds: float,
    ) -> None:
        """Take the runs, what people thought of them, and where recordings and tables lie.

        `delete_thread` deletes the checkpoints of a thread; `lease_seconds` is how long one that
        drives a run may not know yet that it has lost it.
        """
        self._lease_seconds = lease_seconds
        self._runs = runs
        self._feedback = feedback
        self._recorded = recorded
        self._tables = tables
        self._delete_thread = delete_thread

    def began(self, thread_id: str) -> list[Run]:
        """Return the runs of a thread that may hold text of it: not those still to begin."""
        return [run for run in self._runs.of_thread(thread_id) if has_begun(run) or run.ended]

    def tables(self, runs: Iterable[Run], document_id: str) -> int:
        """Return how many of the runs have made a table with rows of a document."""
        return sum(self._tables.without(run, document_id) is not None for run in runs)

    def clear(self, thread_id: str, subject: Subject, forget: Callable[[list[str]], None]) -> None:
        """Empty a conversation, and take out of its runs what they hold; safe to repeat.

        `forget` is told the runs that hold nothing any more, before anyone else has the thread.
        """
        seconds = self._lease_seconds
        with held(self._runs, thread_id, subject.by, _why(subject), seconds) as thread:
            began = self.began(thread_id)
            for run in began:
                thread.renew()
                self._clear_run(run.id, subject)
            thread.renew()
            self._delete_thread(thread_id)
            self._runs.checkpoints.put(sealed(thread_id, thread.epoch))
            forget([run.id for run in began])

    def stop(self, threads: Iterable[str], subject: Subject) -> None:
        """Cancel what has begun on some conversations, before one waits for them one by one."""
        for thread_id in threads:
            stop_begun(self._runs, thread_id, _why(subject))

    def _clear_run(self, run_id: str, subject: Subject) -> None:
        """Take out of a run what it holds: first it is said, then it is done."""

        def change(kept: Kept) -> tuple[list[Action], list[Event]]:
            lost = self.lost(kept, subject)
            if not lost.parts:
                raise _Nothing
            mark = Erased(
                document_id=subject.document_id, by=subject.by, at=time.time(), parts=lost.parts
            )
            about: dict[str, Any] = {"document": mark.document_id, "by": mark.by}
            if lost.table:
                about["table"] = lost.changes["table_sha256"]
            event = new_event(run_id, kept.run.epoch, "erased", parts=lost.parts, **about)
            changes = {
                **lost.changes,
                "erased": [*kept.run.erased, mark],
                "updated_at": kept.run.updated_at,  # it still was at work then, and no later
            }
            return kept.changed(due_at=0, **changes), [event]

        lost = self.lost(self._runs.kept(run_id), subject)
        if lost.table:
            self._tables.put(run_id, lost.table)
        with suppress(_Nothing):
            self._runs.change(run_id, change)
        for each in lost.items:
            self._runs.table.transact([each])
        self._tables.keep_only(run_id, self._runs.kept(run_id).run.table_sha256)
        forget_recordings(self._runs.table, self._recorded, run_id)

    def lost(self, kept: Kept, subject: Subject) -> _Lost:
        """Return what a run loses."""
        run, parts = kept.run, list[str]()
        changes: dict[str, Any] = {
            name: empty for name, empty in _TEXTS.items() if subject.goes(getattr(run, name))
        }
        if subject.answer_goes(run.answer):
            changes["answer"] = None
        parts += changes
        table = self._tables.without(run, subject.document_id)
        if table:
            changes["table_sha256"] = sha256_of_table(table)
            parts.append("table")
        items: list[Action] = []
        for part, found in (
            ("approvals", self._approvals(run.id, subject)),
            ("outcomes", self._outcomes(run.id, subject)),
            ("feedback", self._comments(run.id, subject)),
        ):
            items += found
            parts += [part] if found else []
        if self._has_recorded(run.id):
            parts.append("recordings")
        return _Lost(changes, items, parts, table)

    def _approvals(self, run_id: str, subject: Subject) -> list[Action]:
        """Return what takes the document out of what people were asked, and decided."""
        found: list[Action] = []
        for each in self._runs.decided(run_id):
            told = [each.interrupt.value, each.decision]
            if subject.goes(told) or subject.names(str(told)):
                blank = _blank(each)
                if blank != each:
                    still = VersionIs(each.version)
                    found.append(Put(interrupt_item(run_id, blank), still, table="runs"))
        return found

    def _outcomes(self, run_id: str, subject: Subject) -> list[Action]:
        """Return what takes the document out of what is said of effects."""
        return [
            Put(
                Item(each.pk, each.sk, {**each.body, "text": GONE}, each.version + 1),
                VersionIs(each.version),
                table="runs",
            )
            for each in self._runs.table.query(key("run", run_id), prefix="l/")
            if subject.goes(each.body["text"])
        ]

    def _comments(self, run_id: str, subject: Subject) -> list[Action]:
        """Return what takes the document out of what people thought."""
        of, cells = self._feedback.of(run_id), self._feedback.corrections(run_id)
        return [
            *(self._feedback.blank(each) for each in of if subject.goes(each.comment)),
            *(
                self._feedback.drop(each)
                for each in cells
                if each.document_id == subject.document_id or subject.goes(each.model_dump())
            ),
        ]

    def _has_recorded(self, run_id: str) -> bool:
        return any(recorded(self._runs.table, self._recorded, run_id))


def _why(subject: Subject) -> str:
    return f"Run {subject.by} erases document {subject.document_id}, whose text it held."


class _Nothing(Exception):
    """A run holds nothing of the document."""


def _blank(decided: Decided) -> Decided:
    """Return a question to a person, and the decision, without what it was about."""
    value = decided.interrupt.value
    asked: list[Mapping[str, Any]] = value.get("action_requests") or []
    blank: dict[str, Any] = {name: value[name] for name in _KEPT_OF_QUESTION if name in value}
    if asked:
        blank["action_requests"] = [
            {"name": each.get("name", ""), "args": {}, "description": GONE} for each in asked
        ]
    else:
        blank["description"] = GONE
    decision = decided.decision and {"type": decided.decision["type"]}
    interrupt = decided.interrupt.model_copy(update={"value": blank})
    return replace(decided, interrupt=interrupt, decision=decision)
