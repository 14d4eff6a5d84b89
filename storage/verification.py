"""Verifying a run: its chain against itself and its anchors, its record and ledger against it."""

from collections.abc import Sequence

from storage.audit import Event, FirstBad, Verdict, digest
from storage.keys import key
from storage.records import Run
from storage.runs import RunStore


def verify_run(runs: RunStore, run_id: str) -> Verdict:
    """Verify the chain of a run, then compare its record and its ledger with the events.

    Raises:
        NotFound: there is no such run in this workspace.
    """
    run = runs.kept(run_id).run
    verdict = runs.audit.verify(run_id)
    if not verdict.ok:
        return verdict
    events = [linked.event for linked in runs.audit.read(run_id)]
    bad = _compare_end(run, events) or _compare_effects(runs, run_id, events)
    return Verdict(ok=bad is None, events=verdict.events, first_bad=bad)


def _compare_effects(runs: RunStore, run_id: str, events: Sequence[Event]) -> FirstBad | None:
    """Compare the ledger with the effects that the events tell of."""
    ledger = runs.table.query(key("run", run_id), prefix="l/")
    done = {item.sk.removeprefix("l/") for item in ledger if item.body["state"] == "done"}
    told = {key(str(e.data["call"])): e.seq for e in events if e.kind == "effect"}
    for call in sorted(done ^ told.keys()):
        missing = "no entry in the ledger" if call in told else "no event in the chain"
        seq = told.get(call, len(events))
        return FirstBad(seq=seq, where="ledger", why=f"the effect {call} has {missing}")
    return None


def _compare_end(run: Run, events: Sequence[Event]) -> FirstBad | None:
    """Compare what a run's record says of its end with its last event."""
    last = events[-1] if events else None
    if not run.ended:
        return None
    if last is None or last.kind != "ended":
        return FirstBad(seq=len(events), where="run", why="the run ended, and no event says so")
    if last.data.get("status") != run.status:
        return FirstBad(
            seq=last.seq, where="run", why="the status is not the one that was recorded"
        )
    said = digest(run.answer.model_dump(mode="json")) if run.answer else ""
    if last.data.get("answer", "") not in ("", said):
        return FirstBad(seq=last.seq, where="answer", why="the answer is not what was recorded")
    return None
