"""Adding to a library: what lies inside of a file becomes documents of its own."""

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption

from storage.documents import DocumentStore
from storage.records import Card, Identity, Page
from storage.versions import KeptCard
from storage.workspace import Workspace
from tests.tools.test_parsing import pdf
from tools.cards import CARD_VERSION
from tools.library import Library
from tools.parsers.result import Parsed
from tools.parsing import PARSER_VERSION
from tools.profiles import Wanted
from tools.sandbox import Sandbox

ANN = Identity(name="ann", source="os")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(processes=1) as sandbox:
        yield sandbox


@pytest.fixture
def library(workspace: Workspace, tmp_path: Path, sandbox: Sandbox) -> Library:
    buckets = workspace.buckets
    store = DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts)
    return Library(store, tmp_path / "index", lambda: sandbox)


def mail(subject: str, inside: EmailMessage | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = "Ann <ann@a.test>", subject
    message.set_content("Dear Bob, the lease ends in May.")
    if inside:
        message.add_attachment(inside)
    return message


def test_what_is_attached_to_a_mail_is_found_on_its_own(library: Library) -> None:
    message = mail("Notice")
    rows = b"tenant,rent\nBirch Storage,1200\n"
    message.add_attachment(rows, maintype="text", subtype="csv", filename="rents.csv")
    added = library.add(bytes(message), "notice.eml", ANN)
    assert [
        (each.new, each.document.name, holder) for each, holder in added.with_attachments()
    ] == [
        (True, "notice.eml", ""),
        (True, "notice.eml › rents.csv", added.document.id),
    ]
    assert [(each.name, each.status) for each in library.store.all()] == [
        ("notice.eml › rents.csv", "ready"),
        ("notice.eml", "ready"),
    ]
    found = library.search("rent of Birch Storage")[0]
    assert (found.document, found.text) == (
        "notice.eml › rents.csv",
        "tenant | rent\nBirch Storage | 1200",
    )
    again = library.add(bytes(message), "again.eml", ANN)
    assert [(each.new, each.document) for each, _ in again.with_attachments()] == [
        (False, each.document) for each, _ in added.with_attachments()
    ]


def test_what_a_file_was_called_is_told_as_names_are_kept(library: Library) -> None:
    added = library.add(b"The rent is due.", "rent\u202e\nroll.txt", ANN)
    assert added.called == added.document.name == "rent roll.txt"


def test_what_is_attached_and_cannot_be_read_is_told(library: Library) -> None:
    message = mail("Notice")
    for name, data in (("notes.xyz", b"some notes"), ("empty.pdf", b"")):
        message.add_attachment(data, maintype="application", subtype="x", filename=name)
    added = library.add(bytes(message), "notice.eml", ANN)
    assert [
        (each.document.name, each.document.status, bool(each.document.reason))
        for each, _ in added.with_attachments()
    ] == [
        ("notice.eml", "ready", False),
        ("notice.eml › notes.xyz", "unsupported", True),
        ("notice.eml › empty.pdf", "damaged", True),
    ]


def test_a_card_is_made_when_a_document_is_added_and_kept_with_it(library: Library) -> None:
    document = library.add(b"Travel Policy\nPolicy No.: HR-012\n", "x.txt", ANN).document
    card = library.store.cards([document.sha256], CARD_VERSION)[document.sha256]
    assert card == library.card(document.id)
    assert [number.value for number in card.identifiers] == ["HR-012"]


def test_a_document_that_has_no_card_yet_gets_one_when_it_is_needed(library: Library) -> None:
    document = library.add(b"Travel Policy\nPolicy No.: HR-012\n", "x.txt", ANN).document
    library.store.keep_card(document.sha256, KeptCard(Card(), "of another time"))
    assert library.store.cards([document.sha256], CARD_VERSION) == {}
    assert library.search("when may one fly, by HR-012")[0].document_id == document.id
    assert library.store.cards([document.sha256], CARD_VERSION)[document.sha256].identifiers
    library.store.keep_card("gone", KeptCard(Card(), CARD_VERSION))
    assert library.store.cards(["gone"], CARD_VERSION) == {}


def test_only_documents_that_are_wanted_are_looked_into(library: Library) -> None:
    for year in (2018, 2019):
        text = f"Ister Foods plc\nAnnual Report {year}\nWe sold bread."
        library.add(text.encode(), f"{year}.txt", ANN)
    wanted = Wanted(kind="annual report", party="Ister", dated="2018")
    assert [passage.document for passage in library.search("bread", wanted=wanted)] == ["2018.txt"]
    assert [document.name for document in library.wanted(wanted)] == ["2018.txt"]
    assert library.search("bread", wanted=Wanted(party="nobody")) == []


def test_mails_inside_of_mails_are_followed_so_far_and_no_further(library: Library) -> None:
    message = mail("0")
    for n in range(1, 9):
        message = mail(str(n), message)
    library.add(bytes(message), "8.eml", ANN)
    documents = list(library.store.all())
    assert len(documents) == 6
    assert "lies too deep and was not added: 2.eml" in documents[0].reason
    assert all(not each.reason for each in documents[1:])


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
def test_a_mail_of_ever_more_mails_is_followed_up_to_a_bound(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.adding._MOST_INSIDE", 4)
    message = mail("all")
    for n in range(3):
        inside = mail(f"some {n}")
        for m in range(2):
            inside.add_attachment(mail(f"one {n}.{m}"))
        message.add_attachment(inside)
    added = library.add(bytes(message), "all.eml", ANN)
    assert len([*library.store.all()]) == 1 + 2 * 3
    assert added.document.reason == "6 files inside of it were added, and 1 of its own were not."


def locked(password: str) -> bytes:
    return pdf(encrypt=StandardEncryption(password))


def everything_kept(workspace: Workspace) -> bytes:
    """All that a workspace keeps of its documents, but the originals."""
    items = [*workspace.tables.documents.query("documents")]
    keys = [each.key for each in workspace.buckets.artifacts.list()]
    blobs = [workspace.buckets.artifacts.get(each) for each in keys]
    return repr((items, keys)).encode() + b"".join(blobs)


class TestLocked:
    """A password opens a document, is kept nowhere, and what it opened is said to be open."""

    def test_it_becomes_readable_when_it_is_added_again_with_its_password(
        self, library: Library, workspace: Workspace
    ) -> None:
        data = locked("Sesame-7")
        before = library.add(data, "lease.pdf", ANN).document
        assert (before.status, before.pages) == ("locked", 0)
        assert "--password" in before.reason
        assert library.search("laws of Ohio") == []

        wrong = library.add(data, "lease.pdf", ANN, password="Simsalabim").document
        assert (wrong.id, wrong.status) == (before.id, "locked")
        assert "does not open it" in wrong.reason
        assert library.store.get(before.id) == before, "a try in vain leaves nothing behind"

        added = library.add(data, "lease.pdf", ANN, password="Sesame-7")
        assert (added.document.id, added.document.status, added.new) == (before.id, "ready", False)
        assert "the text that was read is kept without one" in added.document.reason
        assert [each.document_id for each in library.search("laws of Ohio")] == [before.id]
        assert list(library.store.all()) == [added.document]
        assert library.add(data, "lease.pdf", ANN) == added, "it stays open"
        assert b"Sesame" not in everything_kept(workspace)
        assert b"Simsala" not in everything_kept(workspace)

    def test_another_process_sees_what_was_opened(
        self, library: Library, workspace: Workspace, tmp_path: Path
    ) -> None:
        document = library.add(locked("Sesame-7"), "lease.pdf", ANN).document
        buckets = workspace.buckets
        store = DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts)
        other = Library(store, tmp_path / "elsewhere")
        assert store.pages(document.sha256) == []
        library.add(locked("Sesame-7"), "lease.pdf", ANN, password="Sesame-7")
        assert len(store.pages(document.sha256)) == 3
        assert other.search("laws of Ohio")

    def test_the_password_of_a_mail_opens_what_is_attached_to_it(self, library: Library) -> None:
        message = mail("Notice")
        message.add_attachment(
            locked("Sesame-7"), maintype="application", subtype="pdf", filename="lease.pdf"
        )
        first = library.add(bytes(message), "notice.eml", ANN)
        assert first.attachments[0].document.status == "locked"
        again = library.add(bytes(message), "notice.eml", ANN, password="Sesame-7")
        assert again.document == first.document
        assert again.attachments[0].document.status == "ready"


class TestBetterReaders:
    """What was not ready is read again by a newer reader; what was, stays as it is cited."""

    def test_adding_it_again_reads_it_again(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease = b"# Lease\n\nThe term is two years."
        saved = [Page(number=1, locator="start", text="Birch Storage plc")]
        with monkeypatch.context() as before:
            before.setattr("tools.adding.PARSER_VERSION", str(int(PARSER_VERSION) - 1))
            poorly = Parsed(status="damaged", reason="It is cut off.", pages=saved)
            before.setattr(Sandbox, "parse", lambda *_: poorly)
            first = library.add(lease, "lease.md", ANN).document
        assert [each.text for each in library.search("Birch")] == ["Birch Storage plc"]

        added = library.add(lease, "lease.md", ANN)
        assert (added.document.id, added.document.status, added.new) == (first.id, "ready", False)
        assert library.search("term")[0].text.endswith("The term is two years.")
        assert library.search("Birch") == []
        assert library.store.page(added.document, 1).text.startswith("# Lease")

    def test_the_same_readers_do_not_try_twice(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = library.add(b"", "empty.pdf", ANN)
        monkeypatch.setattr(Sandbox, "parse", None)
        assert library.add(b"", "empty.pdf", ANN).document == first.document

    def test_what_is_ready_is_never_read_again(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = library.add(b"Two years.", "lease.txt", ANN)
        monkeypatch.setattr("tools.adding.PARSER_VERSION", str(int(PARSER_VERSION) + 1))
        monkeypatch.setattr(Sandbox, "parse", None)
        again = library.add(b"Two years.", "lease.txt", ANN, password="Sesame-7")
        assert again.document == first.document
