"""What an orchestrator groups: documents, runs, audit, feedback, operations."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from langchain_core.tools import BaseTool

from graph.erasure import ERASURE
from graph.resources import Resources
from storage.audit import Verdict
from storage.errors import InvalidInput, NotFound
from storage.records import (
    Card,
    CellValue,
    Correction,
    Document,
    Feedback,
    Page,
    Passage,
    Run,
)
from storage.sources import Source, sources
from storage.verification import verify_run
from tools.adding import Added
from tools.cell_values import given_value
from tools.locators import locator
from tools.parsers.drawing import SCALE, Picture
from tools.policy import guarded
from tools.profiles import Wanted
from tools.versions import version_told


class Documents:
    """The documents of the workspace."""

    def __init__(self, resources: Resources, invoke: Callable[..., Run]) -> None:
        """Take the resources, and what drives a run."""
        self._resources = resources
        self._invoke = invoke

    def add(
        self,
        source: str | Path | Source | bytes,
        *,
        name: str | None = None,
        version_of: str = "",
        password: str = "",
    ) -> Document:
        """Add a file, an object at `s3://bucket/key`, or bytes under a name.

        The same bytes are the same document. Every file is recorded: look at the document's
        `status` and `reason`, and at the documents of which `attachments` has the ids. With
        `version_of` it is the newest version of that document, whose earlier versions stay
        readable and citable.

        A document that is `locked` becomes readable when it is added again with its password. The
        password is kept nowhere; the text that it opens is kept as that of any other document.

        Raises:
            NotFound: there is no such file, object or document.
            InvalidInput: it cannot be read, is not one file, or bytes come without a name.
            Conflict: the bytes are an earlier version, or another document already.
        """
        added = self.add_new(source, name=name, version_of=version_of, password=password)
        return added.document

    def add_new(
        self,
        source: str | Path | Source | bytes,
        *,
        name: str | None = None,
        version_of: str = "",
        password: str = "",
    ) -> Added:
        """Add a file as `add` does; return also whether it is new, and what is attached to it."""
        identity = self._resources.identity
        add = partial(self._resources.library.add, version_of=version_of, password=password)
        if isinstance(source, bytes):
            if not name:
                raise InvalidInput("Bytes are added under a name: add(data, name='lease.pdf').")
            return add(source, name, identity)
        if not isinstance(source, Source):
            found = [*islice(sources(source), 2)]
            if len(found) != 1:
                raise InvalidInput(f"{source} is not one file: add its files one by one.")
            (source,) = found
        return add(source.read(), name or source.name, identity)

    def index(self) -> None:
        """Make what was added searchable now; otherwise the first search does it."""
        self._resources.library.refresh()

    def list(self, *, kind: str = "", party: str = "", dated: str = "") -> "list[Document]":
        """Return all documents, or those whose cards say so, oldest first.

        `kind` and `party` are words of the kind and of a name; `dated` is a year, month or day, or
        two with ".." between them: "2018..2020".

        Raises:
            InvalidInput: one of them cannot be read.
        """
        return self._resources.library.wanted(Wanted(kind, party, dated))

    def card(self, document_id: str) -> Card:
        """Return what a document says of itself: title, kind, parties, dates, numbers.

        Each value has the page and the words that say it; nothing comes from the file's name.

        Raises:
            NotFound: there is no such document in this workspace.
        """
        return self._resources.library.card(document_id)

    def get(self, document_id: str) -> Document:
        """Return a document.

        Raises:
            NotFound: there is no such document in this workspace.
        """
        return self._resources.library.store.get(document_id)

    def page(self, document_id: str, number: int, *, version: str = "") -> Page:
        """Return a page, of the newest version or of the one with a SHA-256; pages count from 1.

        Raises:
            NotFound: there is no such document, version or page.
        """
        return self._resources.library.page(document_id, number, version)[1]

    def place(self, document_id: str, page: int, start: int, end: int) -> str:
        """Return where a person finds a stretch of a page of the newest version, as citations say.

        Raises:
            NotFound: there is no such document or page.
        """
        document, found = self._resources.library.page(document_id, page)
        return locator(document.media_type, found, start, end)

    def version_told(self, document_id: str, sha256: str) -> str:
        """Return which version a citation is of, in words; nothing where there is but one.

        Such as "version of 3 March 2026, sha256 0f…, not the newest".
        """
        try:
            return version_told(self.get(document_id), sha256)
        except NotFound:
            return "the document is not in this workspace any more"

    def picture(
        self,
        document_id: str,
        page: int,
        *,
        version: str = "",
        marks: Sequence[tuple[int, int]] = (),
        scale: float = SCALE,
        password: str = "",
    ) -> bytes:
        """Return a page of a PDF as a PNG, with stretches of its stored text marked exactly.

        Args:
            document_id: the document's id.
            page: counts from 1.
            version: the SHA-256 of a version; the newest if it is empty.
            marks: `(start, end)` as citations have them: code points of the page's text, half open.
            scale: pixels of a point; fewer where the picture would become too large.
            password: of a file that is locked. It is kept nowhere.

        Raises:
            NotFound: there is no such document, version or page; or a stretch cannot be marked,
                because where it stands on the page cannot be told.
            InvalidInput: it is no PDF or cannot be drawn, or the page has no such text.
        """
        found = self.drawn(
            document_id, page, version=version, marks=marks, scale=scale, password=password
        )
        for (start, end), boxes in zip(marks, found.marks, strict=True):
            if not boxes:
                raise NotFound(
                    f"Where the text at {start}:{end} stands on page {page} cannot be told, so "
                    "that nothing is marked. Ask for the picture without this mark."
                )
        return found.png

    def drawn(
        self,
        document_id: str,
        page: int,
        *,
        version: str = "",
        marks: Sequence[tuple[int, int]] = (),
        scale: float = SCALE,
        password: str = "",
    ) -> Picture:
        """Return a picture as `picture` does, with its size and the boxes of its marks.

        What cannot be marked exactly is not marked: it has no boxes.
        """
        library = self._resources.library
        return library.picture(
            document_id, page, version, marks=marks, scale=scale, password=password
        )

    def search(
        self,
        query: str,
        *,
        documents: Sequence[str] = (),
        kind: str = "",
        party: str = "",
        dated: str = "",
        limit: int = 12,
    ) -> "Sequence[Passage]":
        """Return what the librarian would find for a question, best first.

        The passages of the documents that the question names come first: a score compares passages
        of one document, and no documents. `documents` are ids to look in; `kind`, `party` and
        `dated` limit them as in `list`.

        Raises:
            NotFound: there is no such document in this workspace.
            InvalidInput: one of the limits cannot be read.
        """
        wanted = Wanted(kind, party, dated)
        library = self._resources.library
        return library.search(query, documents=documents, wanted=wanted, limit=limit)

    def erase(self, document_id: str) -> Run:
        """Have a document erased for good; the run asks for approval first, as any such effect.

        With it go all versions and what conversations have kept of its text; what stays, and until
        when, is said. `runs.resume` decides, and a worker or `Orchestrator.drive` goes on.

        Raises:
            NotFound: there is no such document in this workspace, or none any more.
        """
        store = self._resources.library.store
        begun = store.tombstone(document_id)
        name = document_id if begun and not begun.done else store.get(document_id).name
        given = {"document_id": document_id}
        return self._invoke(f"Erase {name} ({document_id}).", graph=ERASURE, input=given)


class Audit:
    """The record of what was done."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def verify(self, run_id: str) -> Verdict:
        """Recompute the chain of a run and compare it with its anchors, its answer and its table.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        return verify_run(self._resources.runs, run_id, self._resources.extractions)


class FeedbackNotes:
    """What people thought of answers, and which cells of tables they corrected."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def add(self, run_id: str, rating: Literal["up", "down"], comment: str = "") -> Feedback:
        """Keep a thumb and a comment on a run.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        self._resources.runs.kept(run_id)
        return self._resources.feedback.add(run_id, rating, comment, self._resources.identity)

    def list(self, run_id: str) -> "list[Feedback]":
        """Return the feedback on a run, oldest first."""
        return [*self._resources.feedback.of(run_id)]

    def correct(
        self, run_id: str, document_id: str, field: str, value: CellValue, comment: str = ""
    ) -> Correction:
        """Keep what a cell of a run's table should have held; the table itself stays as it is.

        The value is of the column's type; None: the document does not say.

        Raises:
            NotFound: there is no such run, its table is not made, or it has no such cell.
            InvalidInput: the value is of another type, or none of the column's options.
        """
        run = self._resources.extractions.with_table(self._resources.runs.kept(run_id).run)
        if run.table is None:
            raise NotFound(f"Run {run_id} has no table; `show {run_id}` says how it stands.")
        column = next((each for each in run.table.columns if each.name == field), None)
        if column is None:
            names = ", ".join(each.name for each in run.table.columns)
            raise NotFound(f"The table has no field {field!r}; its fields are {names}.")
        if document_id not in {row.document_id for row in run.table.rows}:
            raise NotFound(f"The table has no row for the document {document_id!r}.")
        said = given_value(column, value)
        return self._resources.feedback.correct(
            run_id, (document_id, field), said, comment, self._resources.identity
        )

    def corrections(self, run_id: str) -> Sequence[Correction]:
        """Return the corrections of the cells of a run's table, oldest first."""
        return self._resources.feedback.corrections(run_id)


class Operations:
    """The tools of the workspace, to be bound to anyone's own model or graph.

    The policy is applied wherever they are called, and a write only plans. It is carried out, once
    and with approval, in a graph that the orchestrator runs and that has `act` as a node:

        async def agent(state: MessagesState, runtime: Runtime[Context]) -> Command[str]:
            model = runtime.context.model.bind_tools(runtime.context.tools.bindable("copy_object"))
            return call_tools("agent", await model.ainvoke(state["messages"]), runtime)

        builder = StateGraph(MessagesState, context_schema=Context)
        builder.add_node("agent", agent, destinations=("act", END))
        builder.add_node("act", act, destinations=("agent",))
        builder.set_entry_point("agent")
        desk = Orchestrator.open(graphs={"mine": builder})
        run = desk.invoke("Copy memo.md to old.md", graph="mine")  # waits for approval
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def tools(self, *names: str) -> Sequence[BaseTool]:
        """Return LangChain tools: those named, or all, for any model or LangGraph's `ToolNode`.

        What the policy denies fails with the reason; a write returns what it would do, and does
        nothing.

        Raises:
            NotFound: there is no such tool.
        """
        resources = self._resources
        entries = [resources.tools.get(name) for name in names] or [*resources.tools]
        workspace = resources.workspace.name
        return [guarded(entry, resources.policy, workspace) for entry in entries]
