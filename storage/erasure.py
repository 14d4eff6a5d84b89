"""Erasing a document: what goes with it, and how it goes, whenever whoever does it is killed.

    survey    what there is: versions, conversations, what is kept; a person approves just that
    begin     one transaction: the document is gone, its tombstone stands, nobody reads it any more
    finish    each conversation that held its text is emptied, then memories, the index, the pages,
              the originals; each step may be done again, and the tombstone says when all is done

The pages go last: by their words the rest is known. Deliverables that quote the document are kept,
and named with the date until which they are retained.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from storage.audit import digest
from storage.clearing import Clearing, Subject
from storage.documents import DocumentStore
from storage.errors import NotAllowed, NotFound
from storage.memory import TableStore
from storage.objects import ObjectStore
from storage.ports import Action, Table
from storage.records import Document, Run
from storage.times import utc
from storage.tombstones import Grave, Tombstone, stands
from storage.uses import Uses
from storage.wording import Wording

NAMED_MOST: Final = 20
"""Runs, or deliverables, that a person is shown by name; of more, how many and a hash of all."""
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What goes with a document, and what is kept."""

    document: Document
    pages: int
    """Of all versions."""
    threads: Sequence[str]
    runs: Sequence[Run]
    """Of these conversations; those that have not ended are cancelled."""
    answers: int
    tables: int
    """Of which rows go."""
    memories: int
    deliverables: Sequence[str]
    """What is published and quotes it, each in words; it is kept."""
    inside: Sequence[str]
    """Names of the documents that were attached to it; they stay."""


class Erasure:
    """Erases documents of a workspace."""

    def __init__(
        self,
        documents: DocumentStore,
        uses: Uses,
        clearing: Clearing,
        *,
        table: Table,
        grave: Grave,
        objects: ObjectStore,
        memory: TableStore,
        forget_index: Callable[[str], None],
        scrub: Callable[[], None],
        backup_days: int,
    ) -> None:
        """Take all that may hold text of a document.

        `forget_index` takes a document out of the search index; `scrub` and `backup_days` are the
        workspace's.
        """
        self._documents = documents
        self._uses = uses
        self._clearing = clearing
        self._table = table
        self._grave = grave
        self._objects = objects
        self._memory = memory
        self._forget_index = forget_index
        self._scrub = scrub
        self._backup_days = backup_days

    def tombstone(self, document_id: str) -> Tombstone | None:
        """Return what is left of a document that was erased, if it is not there again."""
        return self._documents.tombstone(document_id)

    def survey(self, document_id: str) -> Survey:
        """Return what goes with a document, and what is kept.

        Raises:
            NotFound: there is no such document.
        """
        document = self._documents.get(document_id)
        versions = (*document.older, document.sha256)
        pages = [self._documents.load(each) for each in versions]
        wording = Wording(page for each in pages for page in each)
        subject = Subject(document_id, versions, wording)
        threads = sorted({each.thread_id for each in self._uses.of(document_id)})
        runs = [run for thread in threads for run in self._clearing.began(thread)]
        return Survey(
            document=document,
            pages=sum(map(len, pages)),
            threads=threads,
            runs=runs,
            answers=sum(subject.answer_goes(run.answer) for run in runs),
            tables=self._clearing.tables(runs, document_id),
            memories=self._memory.count(subject.goes),
            deliverables=self._quoting(subject),
            inside=[*map(self._named, document.attachments)],
        )

    def shows(self, survey: Survey) -> str:
        """Return what a person approves: exactly what goes, and what stays until when."""
        document, live = survey.document, [run.id for run in survey.runs if not run.ended]
        versions = [*document.older, document.sha256]
        whole = f"{_count(len(versions), 'version')}, {_count(survey.pages, 'page')}"
        lines = [f"Erase {_line(document.name)} ({document.id}) for good: {whole}."]
        lines.append(f"By their sha256 the versions are {_named([v[:12] for v in versions])}.")
        if survey.runs:
            lines.append(
                f"With it goes what {_count(len(survey.runs), 'run')} in "
                f"{_count(len(survey.threads), 'conversation')} have kept of it: checkpoints, "
                f"recorded responses, {_count(survey.answers, 'answer')}. These conversations "
                "begin anew."
            )
            if survey.tables:
                lines.append(f"{_count(survey.tables, 'table')} of theirs will lack its row.")
            lines.append(f"The runs are {_named([run.id for run in survey.runs])}.")
        if live:
            lines.append(f"Not ended, and cancelled first: {_named(live)}.")
        if survey.memories:
            lines.append(f"{_count(survey.memories, 'memory item')} with its words are deleted.")
        if survey.inside:
            lines.append(f"What was attached to it stays: {_named(survey.inside)}.")
        return "\n".join([*lines, *self._kept(survey.deliverables, 0.0)])

    def begin(self, survey: Survey, by: str, shows: str) -> list[Action]:
        """Return the actions with which the document is gone, if it is still as it was surveyed.

        Raises:
            Conflict: it has changed since.
        """
        return self._documents.erasing(survey.document, by, shows)

    def take_over(self, tombstone: Tombstone, by: str, shows: str) -> list[Action]:
        """Return the actions with which another run goes on with an erasure."""
        approved = {**tombstone.approved, by: shows}
        return [stands(tombstone.model_copy(update={"approved": approved}))]

    def finish(self, document_id: str) -> str:
        """Delete all that holds text of a document that is gone; return what was done and is kept.

        Safe to repeat, by several at once, and after any crash.

        Raises:
            NotAllowed: it is not gone.
            Unavailable: the storage did not answer, or this process was away for too long.
        """
        tombstone = self.tombstone(document_id)
        if tombstone is None:
            raise NotAllowed(f"Document {document_id} was not erased.")
        subject = self._subject(tombstone)
        kept = self._quoting(subject)
        emptied = 0
        while threads := {each.thread_id for each in self._uses.of(document_id)}:
            self._clearing.stop(threads, subject)
            for thread_id in sorted(threads):
                if self.tombstone(document_id) is None:
                    raise NotAllowed(f"Document {document_id} has been added again meanwhile.")
                self._clear(thread_id, subject)
                emptied += 1
        memories = self._memory.forget(subject.goes)
        self._forget_index(document_id)
        self._grave.close(tombstone)
        self._documents.forget()
        self._scrub()
        self._done(document_id)
        told = f"{_count(emptied, 'conversation')} emptied"
        told += f", {_count(memories, 'memory item')} deleted" if memories else ""
        return "\n".join([f"Done: {told}.", *self._kept(kept, time.time())])

    def _named(self, document_id: str) -> str:
        """Return the name of a document, or its id where it is gone."""
        with suppress(NotFound):
            return _line(self._documents.get(document_id).name)
        return document_id

    def _clear(self, thread_id: str, subject: Subject) -> None:
        """Empty a conversation, and then take it off the list of the document."""
        document_id = subject.document_id
        entered = [e.run_id for e in self._uses.of(document_id) if e.thread_id == thread_id]
        self._clearing.clear(
            thread_id,
            subject,
            lambda runs: self._uses.forget(document_id, {*runs, *entered}),
        )

    def _done(self, document_id: str) -> None:
        tombstone = self.tombstone(document_id)
        if tombstone and not tombstone.done:
            done = tombstone.model_copy(update={"done": True})
            self._table.transact([stands(done)])

    def _subject(self, tombstone: Tombstone) -> Subject:
        """Return a document that is gone by what is left of its words."""
        pages = []
        for sha256 in tombstone.versions:
            with suppress(NotFound):  # it was deleted before this was broken off
                pages += self._documents.load(sha256)
        versions = tuple(tombstone.versions)
        return Subject(tombstone.document_id, versions, Wording(pages), tombstone.by)

    def _quoting(self, subject: Subject) -> list[str]:
        """Return what is published and quotes a document, in words."""
        return [
            f"{_line(name)}, {'retained until ' + utc(until) if until else 'not retained'}"
            for name, until in self._objects.holding(
                lambda text: subject.names(text) or subject.goes(text)
            )
        ]

    def _kept(self, deliverables: Sequence[str], erased_at: float) -> list[str]:
        """Return what is kept nevertheless, and until when, in sentences."""
        lines = []
        if deliverables:
            lines.append(f"Published, and kept: {_named(deliverables)}.")
        if self._backup_days:
            until = f", until {utc(erased_at + self._backup_days * _DAY)}" if erased_at else ""
            lines.append(f"Backups of the tables hold it for {self._backup_days} days more{until}.")
        return lines


def _line(name: str) -> str:
    """Return a name on one line, so that none can add a line of its own to what is approved."""
    return " ".join(name.split())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _named(names: Sequence[str]) -> str:
    """Return names as a text that no other names have."""
    if len(names) <= NAMED_MOST:
        return "; ".join(names) if any("," in name for name in names) else ", ".join(names)
    more = len(names) - NAMED_MOST
    return f"{', '.join(names[:NAMED_MOST])} and {more} more (sha256 of all: {digest([*names])})"
