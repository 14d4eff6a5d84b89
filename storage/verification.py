"""Verifying a run: its chain against itself and its anchors, its record and ledger against it."""

from collections.abc import Sequence

from pydantic import ValidationError

from storage.audit import Event, FirstBad, Verdict, digest
from storage.extractions import ExtractionStore
from storage.keys import key
from storage.records import Run
from storage.run_layout import Decided
from storage.runs import RunStore


def verify_run(runs: RunStore, run_id: str, tables: ExtractionStore | None = None) -> Verdict:
    """Verify the chain of a run, then compare its record and its ledger with the events.

    With `tables`, the table that it has made is read and compared too.

    Raises:
        NotFound: there is no such run in this workspace.
    """
    verdict = runs.audit.verify(run_id)
    if not verdict.ok:
        return verdict
    try:
        run, decided, events = _read(runs, run_id)
    except ValidationError:
        why = "the run's record cannot be read"
        return Verdict(ok=False, events=0, first_bad=FirstBad(seq=0, where="run", why=why))
    erased = _erased(events)
    bad = (
        _compare_end(run, events, erased, runs.audit.anchored(run_id))
        or _compare_decisions(decided, events, erased)
        or _compare_effects(runs, run_id, events)
        or _compare_table(run, tables, events)
    )
    return Verdict(ok=bad is None, events=verdict.events, first_bad=bad, erased=sorted(erased))


def _erased(events: Sequence[Event]) -> frozenset[str]:
    """Return the parts of the record that went with documents, as the events say.

    What is gone is not compared, as long as nothing else stands in its place.
    """
    return frozenset(part for e in events if e.kind == "erased" for part in e.data["parts"])


def _read(runs: RunStore, run_id: str) -> tuple[Run, list[Decided], list[Event]]:
    """Read a run and its events with nothing decided between the readings."""
    while True:
        run, decided = runs.kept(run_id).run, runs.decided(run_id)
        events = [linked.event for linked in runs.audit.read(run_id)]
        if runs.decided(run_id) == decided:
            return run, decided, events


def _compare_table(
    run: Run, tables: ExtractionStore | None, events: Sequence[Event]
) -> FirstBad | None:
    """Compare the table that is kept with the hash that the record has of it."""
    wrong = tables.verify(run) if tables else ""
    return FirstBad(seq=max(0, len(events) - 1), where="table", why=wrong) if wrong else None


def _compare_effects(runs: RunStore, run_id: str, events: Sequence[Event]) -> FirstBad | None:
    """Compare the ledger with the effects that the events tell of."""
    ledger = runs.table.query(key("run", run_id), prefix="l/")
    done = {item.sk.removeprefix("l/") for item in ledger if item.body["state"] == "done"}
    # A run that is at work may have had an effect between the two readings.
    since = runs.audit.read(run_id, len(events)) if done else ()
    told = {
        key(str(e.data["call"])): e.seq
        for e in (*events, *(linked.event for linked in since))
        if e.kind == "effect"
    }
    for call in sorted(done ^ told.keys()):
        missing = "no entry in the ledger" if call in told else "no event in the chain"
        seq = told.get(call, len(events))
        return FirstBad(seq=seq, where="ledger", why=f"the effect {call} has {missing}")
    return None


def _compare_decisions(
    decided: Sequence[Decided], events: Sequence[Event], erased: frozenset[str]
) -> FirstBad | None:
    """Compare the decisions and votes that are kept with what the events say."""
    told = {e.data["interrupt"]: e for e in events if e.kind == "decision"}
    kept = {each.interrupt.id: each for each in decided}
    for interrupt_id in dict.fromkeys([*kept, *told]):
        each, event = kept.get(interrupt_id), told.get(interrupt_id)
        votes = [e for e in events if e.kind == "vote" and e.data["interrupt"] == interrupt_id]
        blank = "approvals" in erased
        if not (_is_as_told(each, event, blank) and _votes_are_as_told(each, event, votes)):
            seq = event.seq if event else len(events)
            why = f"the decision on {interrupt_id} is not what was recorded"
            return FirstBad(seq=seq, where="decision", why=why)
    return None


def _is_as_told(each: Decided | None, event: Event | None, may_be_blank: bool) -> bool:
    if each is None or each.decision is None or each.decided_by is None:
        return event is None
    if event is None:
        return False
    blank = may_be_blank and each.decision == {"type": event.data.get("decision")}
    said = (each.decided_by.name, each.decided_by.source)
    told = tuple(event.data.get(name) for name in ("by", "identity_source"))
    return said == told and (blank or digest(each.decision) == event.data.get("content"))


def _votes_are_as_told(each: Decided | None, event: Event | None, votes: Sequence[Event]) -> bool:
    """Compare votes; where it takes several, the last one is the decision."""
    several = each is not None and each.interrupt.approvals > 1
    if event and several and event.data.get("decision") == "approve":
        votes = [*votes, event]
    said = [(e.data.get("by"), e.data.get("identity_source")) for e in votes]
    return said == [(v.by.name, v.by.source) for v in (each.interrupt.votes if each else ())]


def _compare_end(
    run: Run, events: Sequence[Event], erased: frozenset[str], anchored: int
) -> FirstBad | None:
    """Compare what a run's record says of its end with its last event, erasures aside."""
    if not run.ended:
        return None
    last = next((e for e in reversed(events) if e.kind != "erased"), None)
    if last is None or last.kind != "ended":
        return FirstBad(seq=len(events), where="run", why="the run ended, and no event says so")
    if last.data.get("status") != run.status:
        return FirstBad(
            seq=last.seq, where="run", why="the status is not the one that was recorded"
        )
    said = digest(run.answer.model_dump(mode="json")) if run.answer else ""
    gone = run.answer is None and "answer" in erased
    if last.data.get("answer", "") != said and not gone:
        return FirstBad(seq=last.seq, where="answer", why="the answer is not what was recorded")
    tables = [
        e.data["table"] for e in events if e.kind in ("ended", "erased") and "table" in e.data
    ]
    if (tables[-1] if tables else "") != run.table_sha256:
        return FirstBad(seq=last.seq, where="table", why="the table is not the one recorded")
    # A text that was erased is no other text.
    if run.error and last.data.get("reason") != digest(run.error):
        return FirstBad(seq=last.seq, where="error", why="the error is not what was recorded")
    if anchored < len(events):
        # The end and its anchor commit together: without the anchor this chain is another one.
        return FirstBad(seq=anchored, where="anchor", why="no anchor vouches for the run's end")
    return None
