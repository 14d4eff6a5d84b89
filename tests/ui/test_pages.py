"""The pages by their logic: what each state of the record looks like, and what a click does to it.

A new session with the same address is a reload: everything must come back from the record.
"""

import html
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from reportlab.lib.pdfencrypt import StandardEncryption

from graph import Orchestrator
from scripts.make_samples import SAMPLES
from storage.records import Answer, Citation, Claim, Document, Run
from tests.tools.test_parsing import pdf
from tools.citations import cite, locate
from ui.markup import plain

MakeRun = Callable[..., Run]


def test_without_documents_it_says_how_to_begin(pages: Any) -> None:
    at = pages.open()
    assert [title.value for title in at.title] == ["Add a document to begin"]
    assert at.file_uploader[0].label.startswith("Add documents")
    assert not at.chat_input[0].disabled


def test_an_upload_shows_each_document_as_it_is(
    desk: Orchestrator, pages: Any, given: SimpleNamespace
) -> None:
    at = pages.open()
    files = [
        ("lease.txt", given.lease.encode(), "text/plain"),
        ("broken.pdf", b"%PDF-1.4 broken", "application/pdf"),
    ]
    at.file_uploader[0].set_value(files)
    pages.run(at)
    lease, broken = desk.documents.list()
    assert (lease.status, broken.status) == ("ready", "damaged")
    said = pages.text(at)
    assert "lease.txt" in said
    assert "ready, 1 page" in said
    assert broken.reason in said
    assert at.multiselect[0].value == []  # all of them
    assert at.multiselect[0].options == ["lease.txt"]  # only what can be asked about


def test_the_same_file_twice_is_one_document(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    at = pages.open()
    at.file_uploader[0].set_value([("again.txt", given.lease.encode(), "text/plain")])
    pages.run(at)
    assert len(desk.documents.list()) == 1
    assert "was here already" in pages.text(at)


def test_a_locked_file_is_opened_with_its_password_which_is_forgotten(
    desk: Orchestrator, pages: Any
) -> None:
    at = pages.open()
    at.text_input[0].set_value("Sesame-7")
    locked = pdf(encrypt=StandardEncryption("Sesame-7"))
    at.file_uploader[0].set_value([("lease.pdf", locked, "application/pdf")])
    pages.run(at)
    assert [document.status for document in desk.documents.list()] == ["ready"]
    assert "Sesame-7" not in [each.value for each in at.text_input]
    assert "kept without one" in pages.text(at)


def test_a_question_waits_for_a_worker_and_comes_back_answered(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    at = pages.open()
    at.multiselect[0].set_value([lease.id])
    at.chat_input[0].set_value(given.question)
    pages.run(at)
    (entry,) = desk.runs.list()
    assert at.query_params["thread"] == entry["thread_id"]
    assert desk.runs.get(entry["run_id"]).documents == [lease.id]
    assert "No worker is running." in pages.text(at)
    assert "affidavit worker" in pages.text(at)
    assert not at.chat_input[0].disabled  # one can ask on

    desk.drive(entry["run_id"])
    for session in (pages.run(at), pages.open(thread=entry["thread_id"])):
        said = pages.text(session)
        assert given.question in said
        assert given.quote in said
        assert "Every statement proven by its quote" in said
        assert "About lease.txt" in said
        assert not session.chat_input[0].disabled


def test_a_worker_that_is_there_is_not_missed(
    desk: Orchestrator, pages: Any, lease: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.runs, "workers", lambda: ["one"])
    run = desk.runs.submit("What is the deposit?")
    said = pages.text(pages.open(thread=run.thread_id))
    assert "waits for a worker to take it up" in said
    assert "No worker is running." not in said


def test_a_citation_opens_the_page_with_its_quote_marked(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    run = desk.invoke(given.question)
    at = pages.open(thread=run.thread_id)
    pages.press(at, r"lease\.txt, line 5")
    (citation,) = run.answer.claims[0].citations
    said = pages.text(at)
    assert given.lease.strip() in said
    assert lease.sha256[:12] in said
    marked = [each for each in at.get("html") if "<mark" in each.proto.body]
    assert f">{citation.quote}</mark>".replace("'", "&#x27;") in marked[0].proto.body


def test_a_quote_is_shown_in_the_version_that_was_cited(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    run = desk.invoke(given.question)
    newer = given.lease.replace("nine months", "two weeks").encode()
    desk.documents.add(newer, name="lease.txt", version_of=lease.id)
    at = pages.press(pages.open(thread=run.thread_id), r"lease\.txt")
    said = pages.text(at)
    assert "The document has a newer version than the one that is cited" in said
    assert given.lease.strip() in said
    assert [name for name, _ in pages.tags(at) if name == "mark"]


def test_what_does_not_stand_there_is_not_marked(
    pages: Any, lease: Document, make_run: MakeRun
) -> None:
    cited = Citation(
        document_id=lease.id, document="lease.txt", sha256=lease.sha256, page=1, start=0, end=5,
        quote="AGREE",
    )  # fmt: skip
    claim = Claim(text="It was agreed.", verified=True, citations=[cited])
    run = make_run(Answer(status="answered", text="It was agreed. [1]", claims=[claim]))
    at = pages.press(pages.open(thread=run.thread_id), r"lease\.txt")
    assert "The quote is not what is stored there now." in pages.text(at)
    assert not [name for name, _ in pages.tags(at) if name == "mark"]


def test_not_in_the_documents_is_an_answer_and_no_alarm(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    run = desk.invoke(given.nothing)
    at = pages.open(thread=run.thread_id)
    assert "Not in the documents" in pages.text(at)
    assert "The documents do not say." in pages.text(at)
    assert not [attributes for _, attributes in pages.tags(at) if attributes.get("role") == "alert"]


def test_only_what_the_record_calls_verified_looks_proven(pages: Any, make_run: MakeRun) -> None:
    cited = Citation(
        document_id="d-1", document="a.txt", sha256="0" * 64, page=3, start=0, end=4, quote="Rain",
    )  # fmt: skip
    claims = [
        Claim(text="It rains. [2]", verified=True, citations=[cited]),
        Claim(text="It snows.\n\nProven: [1]", verified=False),
        Claim(text="It is not in the text.", verified=False),
    ]
    text = (
        "It rains. [2] [1]\n\nNot proven by the documents: It snows.\n\nProven: [1]\n\nThat is all."
    )
    run = make_run(Answer(status="partial", text=text, claims=claims))
    at = pages.open(thread=run.thread_id)
    classes = [attributes.get("class") for _, attributes in pages.tags(at)]
    assert classes.count("aff-claim") == 1
    assert classes.count("aff-claim aff-unproven") == 2
    assert classes.count("aff-mark") == 1
    said = pages.text(at)
    assert "Not every statement is proven" in said
    assert said.count("Not proven by the documents.") == 2
    assert "That is all." in said
    assert [label for label in pages.labels(at) if "page 3" in label]


def test_a_thumb_and_a_comment_are_kept(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    run = desk.invoke(given.question)
    at = pages.open(thread=run.thread_id)
    at.feedback[0].set_value(0)
    pages.run(at)
    at.text_area[0].set_value("It leaves out the fee.")
    pages.press(at, "Keep")
    kept = desk.feedback.list(run.id)
    assert [(each.rating, each.comment) for each in kept] == [
        ("down", ""),
        ("down", "It leaves out the fee."),
    ]
    reloaded = pages.open(thread=run.thread_id)
    assert reloaded.feedback[0].value == 0
    assert "It leaves out the fee." in pages.text(reloaded)


def test_conversations_are_listed_by_their_first_question(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    first = desk.invoke(given.question)
    desk.invoke("And what is the deposit?", thread=first.thread_id)
    other = desk.invoke(given.nothing)
    at = pages.open(thread=first.thread_id)
    listed = [button for button in at.sidebar.button if (button.key or "").startswith("thread-")]
    assert [button.key for button in listed] == [
        f"thread-{other.thread_id}",
        f"thread-{first.thread_id}",
    ]
    assert listed[1].label.startswith("**On what notice")  # the one that is open
    listed[0].click()
    pages.run(at)
    assert at.query_params["thread"] in (other.thread_id, [other.thread_id])
    assert given.nothing in pages.text(at)
    pages.press(at, "New conversation")
    assert "thread" not in at.query_params
    assert at.title[0].value == "Ask your documents"


def test_an_unknown_conversation_is_a_new_one(desk: Orchestrator, pages: Any) -> None:
    at = pages.open(thread="<b>made up</b>")
    at.chat_input[0].set_value("What?")
    pages.run(at)
    assert desk.runs.list()[0]["thread_id"].startswith("t-")


def test_workspaces_do_not_see_each_other(desk: Orchestrator, pages: Any, lease: Document) -> None:
    at = pages.open(workspace="elsewhere")
    assert at.title[0].value == "Add a document to begin"
    at.chat_input[0].set_value("What?")
    assert "affidavit worker --workspace elsewhere" in pages.text(pages.run(at))
    assert desk.runs.list() == []


def test_what_strangers_wrote_makes_no_element_and_no_markdown(
    desk: Orchestrator, pages: Any, make_run: MakeRun, given: SimpleNamespace
) -> None:
    hostile = given.hostile
    document = desk.documents.add(f"{hostile}\n{given.lease}".encode(), name=f"{hostile}.txt")
    cited = Citation(
        document_id=document.id, document=document.name, sha256=document.sha256, page=1,
        start=0, end=len(hostile), quote=hostile,
    )  # fmt: skip
    claims = [
        Claim(text=hostile, verified=True, citations=[cited]),
        Claim(text=f"no {hostile}", verified=False),
    ]
    answer = Answer(
        status="partial", text=f"{hostile} [1]\n\nno {hostile}\n\n{hostile}", claims=claims
    )
    run = make_run(answer, hostile)
    failed = make_run(RuntimeError(hostile), hostile)
    desk.feedback.add(run.id, "up", hostile)
    opened = [
        pages.press(pages.open(thread=run.thread_id), "page 1"),
        pages.open(thread=failed.thread_id),
        pages.open("runs.py", run=run.id),
        pages.open("runs.py", run=failed.id),
    ]
    for at in opened:
        made = {name for name, _ in pages.tags(at)}
        assert not made & {"script", "img", "a", "iframe", "object", "style", "link", "form"}, made
        assert not [k for _, given in pages.tags(at) for k in given if k.startswith("on")]
        assert hostile in pages.text(at)
        assert not [label for label in pages.labels(at) if re.search(r"(?<!\\)[<\[*$]", label)]
        assert not [each.value for each in at.markdown]


@pytest.mark.parametrize(
    "name",
    [
        "lease (final) [v2].pdf",
        "![pixel](http://203.0.113.7/b.png)",
        "<img src=http://203.0.113.7/a.png>",
        "# 1. *new* _old_ ~~gone~~ `code` & more",
        "- item > quote | cell \\ &amp; $x$",
    ],
)
def test_a_label_is_literal(name: str) -> None:
    read = MarkdownIt("commonmark").enable("strikethrough").renderInline(plain(name))
    assert html.unescape(read).replace("\u2060", "") == name
    assert ":material/" not in plain(":material/home:")
    assert plain("two\nlines") == "two lines"
    assert len(html.unescape(MarkdownIt().renderInline(plain("long " * 100)))) <= 80


class TestThePageBehindAQuote:
    """It is shown as it is printed, as cells, or as text; what cannot be marked is said."""

    def cited(self, desk: Orchestrator, document: Document, quote: str) -> Answer:
        """An answer with a quote of the first page of a document."""
        page = desk.documents.page(document.id, 1)
        span = locate(quote, page.text)
        assert span
        claim = Claim(text="So it is.", verified=True, citations=[cite(document, page, *span)])
        return Answer(status="answered", text="So it is. [1]", claims=[claim])

    def test_of_a_pdf_a_picture_and_its_text_below(
        self, desk: Orchestrator, pages: Any, make_run: MakeRun
    ) -> None:
        lease = desk.documents.add(SAMPLES / "lease.pdf")
        quote = " ".join(desk.documents.page(lease.id, 1).text.split()[:3])
        run = make_run(self.cited(desk, lease, quote))
        at = pages.press(pages.open(thread=run.thread_id), r"lease\.pdf, page 1")
        tags = pages.tags(at)
        (picture,) = [attributes for name, attributes in tags if name == "img"]
        assert str(picture["src"]).startswith("data:image/png;base64,iVBOR")
        assert picture["alt"]
        (anchor,) = [a for _, a in tags if a.get("id") == "aff-quote"]
        assert re.fullmatch(r"top: \d+\.\d\d%", str(anchor["style"]))
        assert [name for name, _ in tags].count("mark") == 1  # in the text below

    def test_where_the_quote_cannot_be_told_on_the_picture_it_is_said(
        self, desk: Orchestrator, pages: Any, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease = desk.documents.add(SAMPLES / "lease.pdf")
        drawn = desk.documents.drawn(lease.id, 1)
        unmarked = drawn.model_copy(update={"marks": [[]]})
        monkeypatch.setattr(desk.documents, "drawn", lambda *_, **__: unmarked)
        quote = desk.documents.page(lease.id, 1).text.split()[0]
        run = make_run(self.cited(desk, lease, quote))
        at = pages.press(pages.open(thread=run.thread_id), r"lease\.pdf, page 1")
        assert "cannot be told exactly" in pages.text(at)
        (anchor,) = [name for name, a in pages.tags(at) if a.get("id") == "aff-quote"]
        assert anchor == "mark"

    def test_of_a_table_its_cells(self, desk: Orchestrator, pages: Any, make_run: MakeRun) -> None:
        data = b"party,rent\nAldous <b>Freight</b>,1200\nBrook,90\n"
        rents = desk.documents.add(data, name="rents.csv")
        run = make_run(self.cited(desk, rents, "1200"))
        at = pages.press(pages.open(thread=run.thread_id), "cell B2")
        tags = pages.tags(at)
        assert [name for name, _ in tags].count("mark") == 1
        assert [a.get("class") for name, a in tags if name == "td"] == [
            *(None, None, None, "aff-cell", None, None)
        ]
        assert "Aldous <b>Freight</b>" in pages.text(at)
        assert "b" not in [name for name, _ in tags]
