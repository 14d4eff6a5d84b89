"""`affidavit evaluate` on a small labelled set: the table, the report, and what it refuses."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli import app
from scripts.evaluate import PRODUCT, Asked
from scripts.evaluation_misses import Place, find, misses
from scripts.evaluation_table import ALL, EIGHT, rows_of
from scripts.labelled import MAIN, Question, read_labelled
from scripts.scoring import Case
from storage.errors import InvalidInput
from tests.graph.conftest import LEASE

QUESTIONS = {
    "Early end": "On what notice may the Tenant terminate the lease early?",
    "Law": {"question": "The law of which state governs?", "value": "jurisdiction"},
    "Arbitration": "Where is the seat of arbitration?",
}
LABELS = {
    "Early end": {"spans": ["giving the Landlord not less than <nothing of the kind>"]},
    "Law": {"spans": [], "answer": ""},
    "Arbitration": {"spans": []},
}
Write = Callable[..., Path]


@pytest.fixture
def labelled_set(tmp_path: Path) -> Write:
    def write(questions: Any = QUESTIONS, *lines: Any) -> Path:
        (tmp_path / "set" / "pdf").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "pdf" / "lease <i>.txt").write_text(LEASE)
        rows = lines or ({"file": "lease <i>.txt", "labels": LABELS},)
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        (tmp_path / "set" / "labels.jsonl").write_text(text)
        if questions is not None:
            (tmp_path / "set" / "questions.json").write_text(json.dumps(questions))
        return tmp_path / "set"

    return write


def evaluate(*argv: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["evaluate", *map(str, argv)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_the_table_and_a_report_that_stands_alone(
    labelled_set: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "home"))  # what it must not touch
    monkeypatch.setenv("AFFIDAVIT_BACKEND", "aws")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    out = tmp_path / "report.html"
    result = evaluate(labelled_set(), "--out", out, "--processes", "1", "--json")
    table = json.loads(result.stdout)
    assert table["Arbitration"][PRODUCT]["said_absent"] == 1.0
    assert table["Early end"][PRODUCT]["present"] == 1
    assert table[ALL]["best passages"]["quotes"] > 0
    assert EIGHT not in table
    report = out.read_text()
    assert QUESTIONS["Early end"] in report
    assert "lease &lt;i&gt;.txt" in report
    assert "not in the text that was read" in report
    assert "<mark>" in report
    assert not re.search(r"<i>|https?://|src=\"(?!data:)", report)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "set"]


def test_a_report_that_could_not_be_written_is_refused_at_once(
    labelled_set: Write, tmp_path: Path
) -> None:
    result = evaluate(labelled_set(), "--out", tmp_path / "none" / "r.html", code=1)
    assert "r.html" in result.stderr


@pytest.mark.parametrize(
    ("questions", "line", "said"),
    [
        (QUESTIONS, "{", "line 1"),
        (QUESTIONS, {"file": "lease <i>.txt"}, "line 1: labels"),
        (QUESTIONS, {"file": "none.pdf", "labels": LABELS}, "no file none.pdf"),
        (QUESTIONS, {"file": "../labels.jsonl", "labels": LABELS}, "no file ../labels.jsonl"),
        (None, {"file": "lease <i>.txt", "labels": LABELS}, "no question is known"),
        (QUESTIONS, "", "no document"),
        ({"Law": {"question": "Which?", "value": "colour"}}, {}, "Law"),
        ({}, {}, "asks nothing"),
    ],
)
def test_a_set_without_that_form_is_refused_with_the_place(
    labelled_set: Write, questions: Any, line: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        read_labelled(labelled_set(questions, line))


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"labels\.jsonl: No such file .*docs/evaluation\.md has the form"
    ):
        read_labelled(tmp_path)


def test_a_sample_is_the_same_for_the_same_seed(labelled_set: Write) -> None:
    rows = [{"file": "lease <i>.txt", "labels": {"Law": {"spans": [str(n)]}}} for n in range(20)]
    folder = labelled_set(QUESTIONS, *rows)
    one, again, other = (read_labelled(folder, 5, seed).documents for seed in (1, 1, 2))
    assert one == again != other
    assert len(read_labelled(folder, 99).documents) == 20


def test_the_builtin_questions_ask_for_the_eight_and_more(labelled_set: Write) -> None:
    row = {"file": "lease <i>.txt", "labels": {"Governing Law": {"spans": []}}}
    found = read_labelled(labelled_set(None, row))
    assert set(MAIN) < found.questions.keys()
    assert len(found.questions) == 41
    assert found.questions["Parties"].value == "parties"
    assert found.asked == 1
    assert isinstance(found.questions["Governing Law"], Question)


def asked(category: str, spans: list[str], quotes: list[str]) -> Asked:
    cases = {
        name: Case(category, "a.pdf", spans, quotes)
        for name in (PRODUCT, "first page", "best passages")
    }
    return Asked("What?", "d-1", cases)


def test_the_eight_are_pooled_where_all_are_asked() -> None:
    rows = rows_of([asked(category, [], []) for category in (*MAIN, "Another")])
    assert list(rows) == [*MAIN, "Another", EIGHT, ALL]
    assert (rows[EIGHT][PRODUCT].absent, rows[ALL][PRODUCT].absent) == (8, 9)


def test_what_was_missed_is_shown_where_it_stands() -> None:
    pages = ["Nothing here.", "The law of\nOhio — and of no other state — governs this agreement."]
    span = "the law of Ohio and of no other state governs"
    (miss,) = misses(
        [asked("Law", [span], ["Nothing here, nothing here, nothing"])], lambda _: pages
    )
    assert miss.kind == "missed"
    assert miss.expected == [Place(2, 0, len("The law of\nOhio — and of no other state — governs"))]
    (said,) = misses([asked("Law", [], ["Nothing here."])], lambda _: pages)
    assert (said.kind, said.expected) == ("not absent", [])
    assert not [*misses([asked("Law", [], []), asked("Law", [span], [pages[1]])], lambda _: pages)]


def test_a_clause_that_goes_on_elsewhere_is_found_by_its_beginning() -> None:
    clause = "It begins on this page and is long enough to be known by its first letters, no doubt"
    place = find(clause + " and ends on another", ["", f"1. {clause}"])
    assert place is not None
    assert (place.page, place.start) == (2, 3)
    assert find("not there", ["", "text"]) is None
    assert find("...", ["text"]) is None
