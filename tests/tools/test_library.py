"""Adding to a library: what lies inside of a file becomes documents of its own."""

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from storage.documents import DocumentStore
from storage.records import Identity
from storage.workspace import Workspace
from tools.library import Library

ANN = Identity(name="ann", source="os")


@pytest.fixture
def library(workspace: Workspace, tmp_path: Path) -> Iterator[Library]:
    buckets = workspace.buckets
    store = DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts)
    library = Library(store, tmp_path / "index")
    yield library
    library.close()


def mail(subject: str, inside: EmailMessage | None = None) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message.set_content("Dear Bob, the lease ends in May.")
    if inside:
        message.add_attachment(inside)
    return message


def test_what_is_attached_to_a_mail_is_found_on_its_own(library: Library) -> None:
    message = mail("Notice")
    rows = b"tenant,rent\nBirch Storage,1200\n"
    message.add_attachment(rows, maintype="text", subtype="csv", filename="rents.csv")
    added, new = library.add(bytes(message), "notice.eml", ANN)
    assert new
    assert [(each.name, each.status) for each in library.store.all()] == [
        ("notice.eml › rents.csv", "ready"),
        ("notice.eml", "ready"),
    ]
    found = library.search("rent of Birch Storage")[0]
    assert (found.document, found.text) == (
        "notice.eml › rents.csv",
        "tenant | rent\nBirch Storage | 1200",
    )
    assert library.add(bytes(message), "again.eml", ANN) == (added, False)


def test_mails_inside_of_mails_are_followed_so_far_and_no_further(library: Library) -> None:
    message = mail("0")
    for n in range(1, 9):
        message = mail(str(n), message)
    library.add(bytes(message), "8.eml", ANN)
    documents = list(library.store.all())
    assert len(documents) == 6
    assert "too deep" in documents[0].reason
    assert all(not each.reason for each in documents[1:])
