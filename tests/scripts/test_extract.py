"""`affidavit extract`, and what `show` and `feedback` do with a table."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from .test_cli import Cli, cli, read  # noqa: F401 - a fixture

SCHEMA = {
    "type": "object",
    "properties": {
        "governing_law": {"type": "string"},
        "parties": {"type": "array", "items": {"type": "string"}},
        "agreement_date": {"type": "string", "format": "date"},
    },
}
MODEL = "import pydantic\nclass Rent(pydantic.BaseModel):\n    monthly_rent: float | None = None\n"


@pytest.fixture
def chosen() -> str:
    """Embedded alone: nothing here knows which back end it has."""
    return "embedded"


@pytest.fixture
def told(cli: Cli, tmp_path: Path) -> Cli:  # noqa: F811
    """The command line, beside a schema."""
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    return cli


def test_files_are_added_and_become_rows(told: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    files = ("lease.txt", "supply.txt", "empty.pdf")
    made = read(told("extract", "schema.json", *files, "--out", "t.csv", "--json"))
    assert made["status"] == "success"
    lease, supply, empty = made["table"]["rows"]
    law = lease["cells"]["governing_law"]
    assert (law["value"], law["state"]) == ("Ohio", "found")
    (cited,) = law["citations"]
    page = read(told("page", cited["document_id"], str(cited["page"]), "--json"))
    assert page["text"][cited["start"] : cited["end"]] == cited["quote"]
    assert supply["cells"]["agreement_date"]["state"] == "not_in_document"
    assert (empty["status"], empty["cells"]["parties"]["state"]) == ("damaged", "uncertain")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["governing_law"] for row in rows] == ["Ohio", "Bavaria", ""]

    # What is known is named by its id, and the table of a run can be had again.
    run = read(told("extract", "schema.json", supply["document_id"], "--json"))["run_id"]
    assert read(told("show", run, "--json", "--out", "t.xlsx"))["table"]["rows"][0] == supply
    assert load_workbook(tmp_path / "t.xlsx")["Table"]["C2"].value == "Bavaria"
    told("show", run, "--out", "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["rows"][0] == supply


def test_that_a_file_is_an_earlier_version_is_told(told: Cli, tmp_path: Path) -> None:
    (added,) = read(told("add", "lease.txt", "--json"))
    (tmp_path / "new.txt").write_text((tmp_path / "lease.txt").read_text().replace("Ohio", "Iowa"))
    told("add", "new.txt", "--version-of", added["id"])
    assert "an earlier version of it" in told("add", "lease.txt").stdout
    made = told("extract", "schema.json", "lease.txt", "--json")
    assert "lease.txt: That file is an earlier version of it" in made.stderr
    assert read(made)["table"]["rows"][0]["cells"]["governing_law"]["value"] == "Iowa"


def test_people_see_values_states_and_pages(told: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODEL)
    told("add", "lease.txt", "supply.txt")
    result = told("extract", "mine:Rent")  # of all documents
    assert "4200  line 8" in result.stdout
    assert "2 documents, 1 field: 1 found, 1 not in document, 0 uncertain" in result.stdout
    (run,) = read(told("runs", "--json"))
    assert f"http://127.0.0.1:8501/runs?run={run['run_id']}" in result.stdout
    written = told("show", run["run_id"], "--out", "t.csv")
    assert "2 documents, 1 field" in written.stdout
    assert "4200  line 8" not in written.stdout  # it is in the file
    told("resume", run["run_id"], "--out", "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    assert "2 of 2 documents" in result.stderr


def test_a_correction_is_kept_beside_the_cell(told: Cli) -> None:
    made = read(told("extract", "schema.json", "lease.txt", "--json"))
    run, document = made["run_id"], made["table"]["rows"][0]["document_id"]

    def correct(field: str, value: str, code: int = 0) -> Any:
        cell = f"{document}:{field}"
        return told("feedback", run, "--cell", cell, "--value", value, "--json", code=code)

    assert read(correct("parties", "Harbor Row LLC; Quill"))["value"] == ["Harbor Row LLC", "Quill"]
    assert read(correct("agreement_date", ""))["value"] is None
    assert read(correct("governing_law", "Utah"))["value"] == "Utah"
    assert (
        "full dates (date), as 2024-03-01"
        in read(correct("agreement_date", "soon", code=1))["error"]
    )
    assert "no field 'rent'" in read(correct("rent", "1", code=1))["error"]
    told("feedback", run, "--cell", document, "--value", "x", code=2)
    told("feedback", run, "--cell", f"{document}:parties", code=2)

    cells = read(told("show", run, "--json"))["table"]["rows"][0]["cells"]
    assert cells["governing_law"]["value"] == "Ohio"
    assert cells["governing_law"]["correction"]["value"] == "Utah"
    assert "Utah  (corrected by" in told("show", run).stdout
    told("audit", "verify", run)


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("none.json", "lease.txt"), 2, "neither a file nor a model"),
        (("lease.txt", "lease.txt"), 2, "no JSON Schema"),
        (("deep.json", "lease.txt"), 2, "no JSON Schema"),
        (("none:Model", "lease.txt"), 2, "cannot be imported"),
        (("json:dumps", "lease.txt"), 1, "Pydantic model"),
        (("wrong.json", "lease.txt"), 1, "'x' is of type 'object'"),
        (("schema.json", "none.pdf"), 2, "no file none.pdf"),
        (("schema.json", f"d-{'0' * 20}"), 1, "no document"),
        (("schema.json",), 1, "no document in this workspace"),
        (("schema.json", "lease.txt", "--out", "t.txt"), 2, "none of .json"),
        (("schema.json", "lease.txt", "--out", "none/t.csv"), 2, "no folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    told: Cli, tmp_path: Path, argv: tuple[str, ...], code: int, said: str
) -> None:
    wrong = {"type": "object", "properties": {"x": {"type": "object"}}}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    result = told("extract", *argv, code=code)
    shown = " ".join(result.stderr.replace("│", " ").split())
    assert said in shown
    assert read(told("runs", "--json")) == []


def test_a_run_without_a_table_writes_none(told: Cli, tmp_path: Path) -> None:
    run = read(told("ask", "Which law governs it?", "--json"))["run_id"]
    told("show", run, "--out", "t.csv", code=1)
    told("feedback", run, "--cell", "d-1:x", "--value", "1", code=1)
    assert not (tmp_path / "t.csv").exists()
