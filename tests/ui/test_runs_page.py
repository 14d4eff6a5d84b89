"""The page of runs: the list, what happened in a run, and whether its record is sound."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from graph import Orchestrator
from graph.drive import take
from storage.records import Document, Run
from storage.stopping import stop

from .conftest import NOTES


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


def test_runs_that_were_given_up_are_found_and_tried_again(
    desk: Orchestrator, pages: Any, asks: Run
) -> None:
    run = desk.runs.submit("What is the deposit?")
    why = "Given up after 5 tries without progress. The network is gone."
    stop(desk.resources.runs, run.id, "error", None, error=why, dead=True)
    at = pages.open("runs.py")
    assert list(at.dataframe[0].value["Status"]) == ["Given up", "Waits for a person"]
    assert list(at.dataframe[0].value["Last error"]) == [why, ""]
    at.selectbox[0].set_value("dead")
    pages.run(at)
    assert list(at.dataframe[0].value["Run"]) == [run.id]

    at = pages.open("runs.py", run=run.id)
    assert "It failed again and again." in pages.text(at)
    assert why in pages.text(at)
    pages.press(at, "Try again")
    assert desk.runs.get(run.id).status == "pending"
    assert list(at.dataframe[0].value["Status"]) == ["Waiting for a worker", "Waits for a person"]
    assert "Last error" not in at.dataframe[0].value


def test_a_run_whose_time_was_up_is_tried_again(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    run = desk.runs.submit("What is the deposit?")
    stop(desk.resources.runs, run.id, "timeout", None, error="It was at work for 60 s.")
    at = pages.open("runs.py", run=run.id)
    said = pages.text(at)
    assert "Its time was up." in said
    assert "It was at work for 60 s." in said
    pages.press(at, "Try again")
    assert desk.drive(run.id).status == "success"


def test_who_cancelled_a_run_is_on_record(desk: Orchestrator, pages: Any, lease: Document) -> None:
    run = desk.runs.submit("What is the deposit?")
    at = pages.press(pages.open("runs.py", run=run.id), "Cancel run")
    assert "This run was cancelled." in pages.text(at)
    assert f"cancelled by {desk.identity.name}" in pages.text(at)


def test_a_run_that_waits_for_its_turn_says_for_which(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    first = desk.runs.submit("What is the deposit?")
    second = desk.runs.submit("And then?", thread=first.thread_id, multitask_strategy="enqueue")
    at = pages.open("runs.py", run=second.id)
    assert list(at.dataframe[0].value["Status"]) == ["Waits for its turn", "Waiting for a worker"]
    assert f"Until then its conversation belongs to run {first.id}." in pages.text(at)


class TestOtherVersions:
    """The prompts changed while a run was waiting."""

    @pytest.fixture
    def changed(self, desk: Orchestrator, asks: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
        here = {**asks.versions, "prompts": "changed"}
        monkeypatch.setattr(desk.resources, "versions", lambda graph: here)
        return asks

    @pytest.mark.parametrize("page", ["chat.py", "runs.py"])
    def test_a_run_is_taken_over(
        self,
        desk: Orchestrator,
        pages: Any,
        changed: Run,
        page: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        at = pages.open(page, run=changed.id, thread=changed.thread_id)
        assert "It began under another version of its prompts." in pages.text(at)
        pages.press(at, "Take over on this version")
        (entry,) = desk.runs.list(status="pending")
        fork = desk.runs.get(entry["run_id"])
        assert fork.forked_from == changed.id
        assert desk.runs.get(changed.id).status == "cancelled"
        address = {"chat.py": {"thread": fork.thread_id}, "runs.py": {"run": fork.id}}[page]
        assert {name: at.query_params[name] for name in address} in (
            address,
            {name: [value] for name, value in address.items()},
        )
        assert "It began under another version" not in pages.text(at)
        assert desk.drive(fork.id).status == "interrupted"  # and asks again
        said = pages.text(pages.open("runs.py", run=fork.id))
        assert f"taken over from {changed.id}" in said

    def test_one_that_ended_meanwhile_stays_as_it_is(
        self, desk: Orchestrator, pages: Any, changed: Run
    ) -> None:
        at = pages.open("runs.py", run=changed.id)
        desk.runs.cancel(changed.id)
        pages.press(at, "Take over on this version")
        assert len(desk.runs.list(status="pending")) == 1

    def test_while_a_worker_that_has_them_is_at_work_there_is_nothing_to_take_over(
        self, desk: Orchestrator, pages: Any, asks: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk.runs.resume(asks.id, {asks.interrupts[0].id: {"type": "approve"}})
        take(desk.resources, asks.id, "an-older-worker")
        here = {**asks.versions, "prompts": "changed"}
        monkeypatch.setattr(desk.resources, "versions", lambda graph: here)
        assert "Take over on this version" not in pages.labels(pages.open("runs.py", run=asks.id))

    def test_a_graph_that_only_its_workers_know_is_left_to_them(
        self, desk: Orchestrator, pages: Any, open_own: Any
    ) -> None:
        run = open_own(*NOTES).invoke("Publish the notes.", graph="own")
        assert run.versions
        assert "Take over on this version" not in pages.labels(pages.open("runs.py", run=run.id))
