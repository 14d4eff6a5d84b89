"""The page of runs: the list, what happened in a run, and whether its record is sound."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from graph import Orchestrator
from storage.records import Document, Run


def test_the_runs_page_lists_filters_and_tells_what_happened(
    desk: Orchestrator, pages: Any, asks: Run, given: SimpleNamespace
) -> None:
    done = desk.invoke(given.question)
    at = pages.open("runs.py")
    assert list(at.dataframe[0].value["Run"]) == [done.id, asks.id]
    at.selectbox[0].set_value("interrupted")
    pages.run(at)
    assert list(at.dataframe[0].value["Run"]) == [asks.id]

    at = pages.open("runs.py", run=done.id)
    said = pages.text(at)
    assert given.quote in said
    assert "plans: librarian, then analyst" in said
    assert "checked 1 statement: no objection" in said
    assert "Attempt 1" not in said
    assert "Attempt 2" in pages.text(pages.open("runs.py", run=_approved(desk, asks)))


def _approved(desk: Orchestrator, asks: Run) -> str:
    desk.runs.resume(asks.id, {asks.interrupts[0].id: {"type": "approve"}})
    return desk.drive(asks.id).id


def test_verify_finds_a_sound_record_and_names_the_first_bad_event(
    desk: Orchestrator, pages: Any, lease: Document, given: SimpleNamespace
) -> None:
    run = desk.invoke(given.question)
    at = pages.press(pages.open("runs.py", run=run.id), "Verify")
    events = len(list(desk.runs.events(run.id, follow=False)))
    assert f"{events} events, each as it was recorded." in pages.text(at)

    table = desk.resources.workspace.tables.audit
    item = next(table.query(f"run/{run.id}", prefix="e/"))
    line = json.loads(item.body["events"][0])
    line["event"]["data"]["by"] = "somebody else"
    table.put(replace(item, body={"events": [json.dumps(line), *item.body["events"][1:]]}))
    at = pages.press(pages.open("runs.py", run=run.id), "Verify")
    assert "Event 0 is wrong (event)." in pages.text(at)


def test_the_runs_page_decides_too(desk: Orchestrator, pages: Any, asks: Run) -> None:
    pages.press(pages.open("runs.py", run=asks.id), "Approve")
    assert desk.drive(asks.id).status == "success"


def test_a_run_under_way_explains_what_happens_to_it(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    run = desk.runs.submit("What is the deposit?")
    said = pages.text(pages.open("runs.py", run=run.id))
    assert "once its lease has run out" in said
    assert "No worker is running." in said


@pytest.mark.parametrize("address", [{"workspace": "no/such name!"}, {"run": "r-unknown"}])
def test_an_address_that_leads_nowhere_is_said_calmly(pages: Any, address: dict[str, str]) -> None:
    at = pages.open("runs.py", **address)
    assert "This page cannot be shown." in pages.text(at)
