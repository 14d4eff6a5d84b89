"""Verifying a run: its record and its decisions say what its chain says, and an end is anchored."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from storage.audit import Head, append_action, chain
from storage.claims import claim
from storage.decisions import decide
from storage.keys import key
from storage.ports import Item
from storage.records import Answer, Identity, Interrupt, Run
from storage.runs import RunStore
from storage.stopping import stop
from storage.submission import submit
from storage.verification import verify_run
from storage.workspace import Workspace

RUN = "r-1"
PK = key("run", RUN)
ASK = Interrupt(id="i-1", kind="approval", value={"binding": "abc"})
SAID = Answer(status="not_in_documents", text="The documents do not say.")


@pytest.fixture
def ended(runs: RunStore, workspace: Workspace, ann: Identity) -> Workspace:
    """A run that asked once, was approved by ann, and answered."""
    submit(runs, Run(id=RUN, thread_id="t-1", status="pending", question="What is due?"), ann)

    async def work() -> None:
        await claim(runs, RUN, owner="w", seconds=60).wait_for_person([ASK])
        decide(runs, RUN, {ASK.id: {"type": "approve"}}, ann)
        await claim(runs, RUN, owner="w", seconds=60).end("success", answer=SAID)

    asyncio.run(work())
    return workspace


def test_an_untouched_run_verifies(ended: Workspace, runs: RunStore) -> None:
    assert verify_run(runs, RUN).ok


def _run(workspace: Workspace, **fields: Any) -> None:
    item = workspace.tables.runs.get(PK, "run")
    assert item
    body: Any = dict(item.body)
    workspace.tables.runs.put(replace(item, body={**body, "run": {**body["run"], **fields}}))


def _decision(workspace: Workspace, **fields: Any) -> None:
    (item,) = workspace.tables.runs.query(PK, prefix="i/")
    workspace.tables.runs.put(replace(item, body={**item.body, **fields}))


@pytest.mark.parametrize(
    ("where", "tamper"),
    [
        ("run", lambda w: _run(w, status="error")),
        ("run", lambda w: _run(w, status="perfect")),
        ("answer", lambda w: _run(w, answer={**SAID.model_dump(), "text": "Nothing is due."})),
        ("answer", lambda w: _run(w, answer=None)),
        ("decision", lambda w: _decision(w, decided_by={"name": "eve", "source": "os"})),
        ("decision", lambda w: _decision(w, decision={"type": "reject", "message": "no"})),
    ],
)
def test_what_the_record_says_otherwise_is_found(
    ended: Workspace, runs: RunStore, where: str, tamper: Callable[[Workspace], None]
) -> None:
    tamper(ended)
    verdict = verify_run(runs, RUN)
    assert verdict.first_bad
    assert verdict.first_bad.where == where


def test_an_answer_cannot_be_given_to_a_run_that_had_none(
    runs: RunStore, workspace: Workspace, ann: Identity
) -> None:
    submit(runs, Run(id=RUN, thread_id="t-1", status="pending", question="What is due?"), ann)
    stop(runs, RUN, "cancelled", ann)
    assert verify_run(runs, RUN).ok
    _run(workspace, answer=SAID.model_dump())
    assert not verify_run(runs, RUN).ok


def test_an_error_is_the_one_that_was_recorded_or_was_erased(
    runs: RunStore, workspace: Workspace, ann: Identity
) -> None:
    """The chain has its hash: the text can be erased, and not be changed."""
    submit(runs, Run(id=RUN, thread_id="t-1", status="pending", question="What is due?"), ann)
    owned = claim(runs, RUN, owner="w", seconds=60)
    asyncio.run(owned.end("error", error="The lease has no page 3.", error_type="KeyError"))
    (told,) = [linked.event.data for linked in runs.audit.read(RUN, 2)]
    assert told["error"] == "KeyError"
    assert "page 3" not in str(told)
    assert verify_run(runs, RUN).ok

    _run(workspace, error="Nothing is wrong.")
    verdict = verify_run(runs, RUN)
    assert verdict.first_bad
    assert verdict.first_bad.where == "error"
    _run(workspace, error="")
    assert verify_run(runs, RUN).ok


def test_a_chain_made_anew_without_its_anchors_is_found(ended: Workspace, runs: RunStore) -> None:
    """The forger has table and bucket, makes all hashes fit and removes every anchor."""
    table, bucket = ended.tables.audit, ended.buckets.state
    events = [linked.event for linked in runs.audit.read(RUN)]
    events[0] = events[0].model_copy(update={"data": {**events[0].data, "by": "eve"}})
    for item in list(table.query(PK)):
        table.delete(item.pk, item.sk)
    for copy in list(bucket.list("anchors/")):
        bucket.delete(copy.key)
    table.transact([append_action(chain(events, Head()))])
    assert runs.audit.verify(RUN).ok  # by itself the chain is sound

    verdict = verify_run(runs, RUN)
    assert verdict.first_bad
    assert verdict.first_bad.where == "anchor"


def test_an_effect_of_the_ledger_that_no_event_tells_of_is_found(
    ended: Workspace, runs: RunStore
) -> None:
    done: Any = {"state": "done", "text": "Published."}
    ended.tables.runs.put(Item(PK, f"l/{key('c-1')}", done))
    verdict = verify_run(runs, RUN)
    assert verdict.first_bad
    assert (verdict.first_bad.where, "no event" in verdict.first_bad.why) == ("ledger", True)
