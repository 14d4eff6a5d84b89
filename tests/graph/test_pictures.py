"""A citation of a PDF is shown on a picture of its page, of the version that was cited."""

from pathlib import Path

import pytest

from graph import Orchestrator
from scripts.make_samples import SAMPLES
from storage.errors import InvalidInput, NotFound

QUESTION = "On what notice may the tenant terminate the lease early?"


def test_each_citation_can_be_marked_on_its_page(desk: Orchestrator) -> None:
    lease = desk.documents.add(SAMPLES / "lease.pdf")
    answer = desk.invoke(QUESTION).answer
    assert answer
    assert answer.claims
    for cited in (cited for claim in answer.claims for cited in claim.citations):
        marks = [(cited.start, cited.end)]
        drawn = desk.documents.drawn(lease.id, cited.page, version=cited.sha256, marks=marks)
        assert drawn.marks[0]
        assert drawn.png == desk.documents.picture(lease.id, cited.page, marks=marks)


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_an_older_version_is_drawn_as_it_was(desk: Orchestrator, tmp_path: Path) -> None:
    old = desk.documents.add(SAMPLES / "lease.pdf")
    before = desk.documents.picture(old.id, 1)
    new = desk.documents.add(SAMPLES / "annual-report.pdf", version_of=old.id)
    assert desk.documents.picture(old.id, 1) != before
    assert desk.documents.picture(old.id, 1, version=old.sha256) == before
    text = desk.documents.add(b"Only text.", name="a.txt", version_of=new.id)
    with pytest.raises(InvalidInput, match="Only pages of a PDF"):
        desk.documents.picture(text.id, 1)
    assert desk.documents.picture(text.id, 1, version=old.sha256) == before
    with pytest.raises(NotFound):
        desk.documents.picture(text.id, 1, version="0" * 64)
    with pytest.raises(NotFound):
        desk.documents.picture(text.id, 99, version=old.sha256)
