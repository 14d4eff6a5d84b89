"""The chain shows every change that someone without the key can make."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from storage.audit import (
    AuditLog,
    Event,
    Verdict,
    append_action,
    canonical,
    chain,
    link,
    new_event,
)
from storage.errors import ConditionFailed, InvalidInput
from storage.ports import Item
from storage.signing import Signer
from storage.workspace import Workspace

RUN = "r-1"
PK = "run/r-1"


@pytest.fixture
def written(workspace: Workspace, audit: AuditLog) -> Workspace:
    """A chain of six events in three items, with an anchor at the end and its copy."""
    for batch in (1, 2, 3):
        events = [new_event(RUN, 1, "tool", n=n, batch=batch) for n in range(batch)]
        linked = chain(events, audit.head(RUN))
        actions = [append_action(linked)]
        if batch == 3:
            actions.append(audit.anchor_of(linked))
        workspace.tables.audit.transact(actions)
    audit.copy_anchor(actions[-1])
    return workspace


def test_an_untouched_chain_verifies(written: Workspace, audit: AuditLog) -> None:
    assert audit.verify(RUN) == Verdict(ok=True, events=6)
    assert [linked.event.seq for linked in audit.read(RUN)] == [0, 1, 2, 3, 4, 5]
    assert [linked.event.seq for linked in audit.read(RUN, start=4)] == [4, 5]
    assert audit.head(RUN).seq == 6


def test_a_run_without_events_verifies(audit: AuditLog) -> None:
    assert audit.verify("r-none") == Verdict(ok=True, events=0)


def test_nothing_is_appended_where_something_stands(written: Workspace, audit: AuditLog) -> None:
    stale = chain([new_event(RUN, 1, "tool")], replace(audit.head(RUN), seq=3))
    with pytest.raises(ConditionFailed):
        written.tables.audit.transact([append_action(stale)])


def _items(workspace: Workspace, prefix: str = "e/") -> list[Item]:
    return list(workspace.tables.audit.query(PK, prefix=prefix))


def _rewrite(workspace: Workspace, item: Item, position: int, change: Callable[[Any], Any]) -> None:
    lines = list(item.body["events"])  # type: ignore[arg-type]
    lines[position] = json.dumps(change(json.loads(lines[position])))  # type: ignore[arg-type]
    workspace.tables.audit.put(replace(item, body={"events": lines}))


def _with_event(**fields: Any) -> Callable[[Any], Any]:
    return lambda linked: {**linked, "event": {**linked["event"], **fields}}


@pytest.mark.parametrize(
    ("name", "tamper", "seq"),
    [
        ("data", lambda w: _rewrite(w, _items(w)[1], 1, _with_event(data={"n": 99})), 2),
        ("time", lambda w: _rewrite(w, _items(w)[0], 0, _with_event(at=1)), 0),
        ("epoch", lambda w: _rewrite(w, _items(w)[2], 2, _with_event(epoch=7)), 5),
        ("hash", lambda w: _rewrite(w, _items(w)[1], 0, lambda e: {**e, "hash": "0" * 64}), 1),
        ("unreadable", lambda w: _rewrite(w, _items(w)[1], 0, lambda e: "?"), 1),
        ("first", lambda w: w.tables.audit.delete(PK, _items(w)[0].sk), 0),
        ("middle", lambda w: w.tables.audit.delete(PK, _items(w)[1].sk), 1),
        ("last", lambda w: w.tables.audit.delete(PK, _items(w)[2].sk), 3),
        ("emptied", lambda w: w.tables.audit.put(replace(_items(w)[1], body={})), 1),
    ],
)
def test_every_change_is_found_at_its_number(
    written: Workspace, audit: AuditLog, name: str, tamper: Callable[[Workspace], None], seq: int
) -> None:
    tamper(written)

    verdict = audit.verify(RUN)
    assert not verdict.ok
    assert verdict.first_bad
    assert verdict.first_bad.seq == seq
    assert verdict.first_bad.why


def _rebuild(workspace: Workspace, audit: AuditLog, change: Callable[[Event], Event]) -> None:
    """Do as a forger with access to the table: change an event and make all hashes fit."""
    events = [change(linked.event) for linked in audit.read(RUN)]
    for item in _items(workspace):
        workspace.tables.audit.delete(PK, item.sk)
    linked = chain(events, audit.head(RUN))
    workspace.tables.audit.transact([append_action(linked)])


def test_a_chain_made_anew_does_not_match_its_anchor(written: Workspace, audit: AuditLog) -> None:
    _rebuild(written, audit, lambda e: e.model_copy(update={"data": {"forged": True}}))
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert "anchored" in verdict.first_bad.why


def test_a_forger_cannot_make_an_anchor(
    written: Workspace, audit: AuditLog, workspace: Workspace
) -> None:
    _rebuild(written, audit, lambda e: e.model_copy(update={"data": {"forged": True}}))
    forger = AuditLog(workspace.tables.audit, workspace.buckets.state, Signer(b"x" * 32))
    workspace.tables.audit.transact([forger.anchor_of(list(audit.read(RUN)))])
    for info in list(workspace.buckets.state.list("anchors/")):
        workspace.buckets.state.delete(info.key)

    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert "another key" in verdict.first_bad.why


def test_the_copy_of_an_anchor_outlives_the_table(written: Workspace, audit: AuditLog) -> None:
    """Events and anchors deleted from the table: the copy in the bucket still tells."""
    for item in [*_items(written)[1:], *_items(written, "a/")]:
        written.tables.audit.delete(PK, item.sk)
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert verdict.first_bad.seq == 1
    assert "missing" in verdict.first_bad.why


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert (
        canonical({"b": [1, None, True], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,null,true]}'.encode()
    )
    with pytest.raises(InvalidInput, match="not JSON compliant"):
        canonical(float("nan"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"run_id": "r-2"}, "belongs to run r-2"),
        ({"seq": 7}, "event 1 is missing"),
    ],
)
def test_an_event_of_elsewhere_is_found_though_its_hash_fits(
    workspace: Workspace, audit: AuditLog, fields: dict[str, Any], why: str
) -> None:
    """No anchor is there yet: the chain alone tells."""
    first, second = chain([new_event(RUN, 1, "tool"), new_event(RUN, 1, "tool")], audit.head(RUN))
    moved = link(second.event.model_copy(update=fields), first.hash)
    workspace.tables.audit.transact([append_action([first, moved])])
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert verdict.first_bad.seq == 1
    assert why in verdict.first_bad.why


def test_an_event_that_follows_another_one_is_found(workspace: Workspace, audit: AuditLog) -> None:
    first, second = chain([new_event(RUN, 1, "tool"), new_event(RUN, 1, "tool")], audit.head(RUN))
    moved = link(second.event, "f" * 64)
    workspace.tables.audit.transact([append_action([first, moved])])
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert "does not follow" in verdict.first_bad.why


def _change_anchor(workspace: Workspace, **fields: str) -> None:
    (anchor,) = _items(workspace, "a/")
    workspace.tables.audit.put(replace(anchor, body={**anchor.body, **fields}))


def test_an_anchor_without_the_key_s_signature_is_found(
    written: Workspace, audit: AuditLog
) -> None:
    """The forger names the right key, and cannot sign with it."""
    _change_anchor(written, signature="00" * 64)
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert "signature" in verdict.first_bad.why


def test_an_anchor_of_another_run_is_found(
    written: Workspace, audit: AuditLog, signer: Signer
) -> None:
    """It is signed as it should be, by the key, for another run with the same events."""
    (anchor,) = _items(written, "a/")
    head = {**json.loads(str(anchor.body["head"])), "run_id": "r-2"}
    message = canonical(head)
    _change_anchor(written, head=message.decode(), signature=signer.sign(message).hex())
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert "belongs to run r-2" in verdict.first_bad.why


def test_a_copy_of_an_anchor_that_is_no_json_is_found(written: Workspace, audit: AuditLog) -> None:
    bucket = written.buckets.state
    (copy,) = bucket.list("anchors/")
    bucket.delete(copy.key)
    bucket.put(copy.key, b"\xff{")
    verdict = audit.verify(RUN)
    assert verdict.first_bad
    assert "cannot be read" in verdict.first_bad.why
