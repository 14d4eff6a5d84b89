"""The audit chain of a run: numbered events, each with the hash of the one before.

An event's hash is `sha256(previous hash ‖ canonical JSON of the event)`. Canonical JSON is that of
RFC 8785 for what events hold: strings, integers, booleans, null, lists and objects with ASCII
names; no floats. Events that are appended together are one item, on the condition that nothing
stands at their number, so that a chain has one history whoever writes. Heads are signed and kept as
anchors beside the chain and, as copies, in the bucket `state`.

Content is referred to by its hash, so that erasing a document leaves the chain whole. `Trail` in
`storage.trail` is how a worker writes; here is how the chain is read, made and verified.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import Field

from storage.errors import AffidavitError, InvalidInput, Tampered
from storage.keys import key
from storage.ports import Absent, Blobs, Item, Put, Table
from storage.records import Record
from storage.signing import Signer, verifies

logger = logging.getLogger(__name__)

GENESIS: Final = "0" * 64
EVENTS: Final = "e/"
ANCHORS: Final = "a/"


class Event(Record):
    """One event of a run. `at` is in milliseconds since the epoch."""

    run_id: str
    seq: int
    epoch: int
    """The attempt: the epoch of the claim under which it happened; 0 before the first."""
    at: int
    kind: str
    node: str = ""
    task: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class Linked(Record):
    """An event with its place in the chain."""

    event: Event
    previous: str
    hash: str


class FirstBad(Record):
    """The first event that is wrong; `where` names the part of the record."""

    seq: int
    where: str
    why: str


class Verdict(Record):
    """What `verify` found."""

    ok: bool
    events: int
    first_bad: FirstBad | None = None
    erased: list[str] = Field(default_factory=list)
    """The parts of the record that went with a document, as the chain itself says."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the next number and the hash of the last event."""

    seq: int = 0
    hash: str = GENESIS


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value without floats.

    Raises:
        InvalidInput: the value holds text that is no Unicode, or a number that is none.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except ValueError as error:
        raise InvalidInput(f"That cannot be kept: {error}.") from error
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - 20) : error.start]
        raise InvalidInput(f"What follows {near!r} is no Unicode text.") from error


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON: how events refer to content."""
    return hashlib.sha256(canonical(value)).hexdigest()


def new_event(
    run_id: str, epoch: int, kind: str, *, node: str = "", task: str = "", **data: Any
) -> Event:
    """Return an event of now, to be numbered by `chain`."""
    at = time.time_ns() // 1_000_000
    return Event(
        run_id=run_id, seq=0, epoch=epoch, at=at, kind=kind, node=node, task=task, data=data
    )


def of_error(text: str, error_type: str = "") -> dict[str, Any]:
    """Return what an event says of why a run has stopped: the hash of that, and an error's type.

    The text may hold anything: it stands in the record of the run, which can be erased.
    """
    return {"error": error_type, "reason": digest(text) if text else ""}


def link(event: Event, previous: str) -> Linked:
    """Put an event behind another."""
    body = canonical(event.model_dump())
    return Linked(
        event=event,
        previous=previous,
        hash=hashlib.sha256(previous.encode() + body).hexdigest(),
    )


def chain(events: Sequence[Event], head: Head) -> list[Linked]:
    """Number events from the head on, and link them."""
    linked: list[Linked] = []
    for offset, event in enumerate(events):
        numbered = event.model_copy(update={"seq": head.seq + offset})
        linked.append(link(numbered, linked[-1].hash if linked else head.hash))
    return linked


def append_action(linked: Sequence[Linked]) -> Put:
    """Return the action that appends linked events, if nothing stands at their number."""
    first = linked[0].event
    events = [line.model_dump_json() for line in linked]
    item = Item(_pk(first.run_id), f"{EVENTS}{key(first.seq)}", {"events": list(events)})
    return Put(item, Absent(), table="audit")


class AuditLog:
    """The chains of a workspace."""

    def __init__(self, table: Table, blobs: Blobs, signer: Signer) -> None:
        self._table = table
        self._blobs = blobs
        self._signer = signer

    def read(self, run_id: str, start: int = 0) -> Iterator[Linked]:
        """Yield the events of a run from a number on."""
        for item in self._items(run_id, start):
            for line in cast(list[str], item.body["events"]):
                linked = Linked.model_validate_json(line)
                if linked.event.seq >= start:
                    yield linked

    def _items(self, run_id: str, start: int) -> Iterator[Item]:
        pk = _pk(run_id)
        if start == 0:
            return self._table.query(pk, prefix=EVENTS)
        # The item that holds event `start` begins at it or before.
        bounds = (EVENTS, f"{EVENTS}{key(start)}")
        first = next(self._table.query(pk, between=bounds, reverse=True, limit=1), None)
        begin = first.sk if first else EVENTS
        return self._table.query(pk, between=(begin, f"{EVENTS}~"))

    def head(self, run_id: str) -> Head:
        """Return the end of a run's chain."""
        last = next(self._table.query(_pk(run_id), prefix=EVENTS, reverse=True, limit=1), None)
        if last is None:
            return Head()
        linked = Linked.model_validate_json(cast(list[str], last.body["events"])[-1])
        return Head(linked.event.seq + 1, linked.hash)

    def anchor_of(self, linked: Sequence[Linked]) -> Put:
        """Return the action that keeps a signed head: the one that the linked events lead to."""
        last = linked[-1]
        run_id, seq = last.event.run_id, last.event.seq + 1
        message = {"run_id": run_id, "seq": seq, "hash": last.hash, "at": last.event.at}
        anchor = {
            "head": canonical(message).decode(),
            "key": self._signer.public.hex(),
            "signature": self._signer.sign(canonical(message)).hex(),
        }
        return Put(Item(_pk(run_id), f"{ANCHORS}{key(seq)}", dict(anchor)), table="audit")

    def copy_anchor(self, anchor: Put) -> None:
        """Keep a copy of a committed anchor in the bucket, where the chain's writers do not.

        What it is a copy of has been committed: a bucket that does not take it undoes nothing.
        """
        name = f"anchors/{anchor.item.pk}/{anchor.item.sk.removeprefix(ANCHORS)}.json"
        try:
            self._blobs.put(name, canonical(dict(anchor.item.body)))
        except AffidavitError as error:
            logger.warning("An anchor could not be copied to the bucket: %s", error)

    def verify(self, run_id: str) -> Verdict:
        """Recompute the whole chain and compare it with its anchors and their copies.

        What this cannot show: a whole older copy of table and bucket put back, or a chain and all
        its anchors removed. Only an anchor that someone keeps elsewhere shows that.
        """
        hashes: list[str] = []
        try:
            for item in self._table.query(_pk(run_id), prefix=EVENTS):
                for line in cast(list[str], item.body.get("events") or [""]):
                    hashes.append(_check(line, run_id, hashes))
            for anchor in self._anchors(run_id):
                self._check_anchor(anchor, run_id, hashes)
        except _Bad as bad:
            return Verdict(ok=False, events=len(hashes), first_bad=bad.args[0])
        return Verdict(ok=True, events=len(hashes))

    def _anchors(self, run_id: str) -> Iterator[dict[str, str]]:
        for item in self._table.query(_pk(run_id), prefix=ANCHORS):
            yield cast(dict[str, str], dict(item.body))
        for info in self._blobs.list(f"anchors/{_pk(run_id)}/"):
            try:
                yield json.loads(self._blobs.get(info.key))
            except ValueError:
                yield {}  # no anchor: whoever checks it says so

    def anchored(self, run_id: str) -> int:
        """Return how many events the newest anchor vouches for, in a chain that verifies."""
        heads = (json.loads(anchor["head"]) for anchor in self._anchors(run_id))
        return max((int(head["seq"]) for head in heads), default=0)

    def _check_anchor(self, anchor: dict[str, str], run_id: str, hashes: Sequence[str]) -> None:
        try:
            message = json.loads(anchor["head"])
            signature, public = bytes.fromhex(anchor["signature"]), bytes.fromhex(anchor["key"])
            seq, value = int(message["seq"]), message["hash"]
        except (KeyError, TypeError, ValueError):
            raise _bad(0, "anchor", "an anchor cannot be read") from None
        last = max(0, seq - 1)
        if not verifies(public, anchor["head"].encode(), signature):
            raise _bad(last, "anchor", "the signature of the anchor is wrong")
        if public != self._signer.public:
            raise _bad(last, "anchor", "the anchor was signed with another key than this one")
        if message["run_id"] != run_id:
            raise _bad(last, "anchor", f"the anchor belongs to run {message['run_id']}")
        if seq > len(hashes):
            raise _bad(len(hashes), "chain", f"events are missing: {seq} were anchored")
        if value != (hashes[seq - 1] if seq else GENESIS):
            raise _bad(last, "chain", "the chain is not the one that was anchored")


class _Bad(Tampered):
    """Carries a `FirstBad`."""


def _bad(seq: int, where: str, why: str) -> _Bad:
    return _Bad(FirstBad(seq=seq, where=where, why=why))


def _check(line: str, run_id: str, hashes: Sequence[str]) -> str:
    """Return the hash of the next event of a chain, having recomputed it."""
    seq = len(hashes)
    try:
        linked = Linked.model_validate_json(line)
    except ValueError:
        raise _bad(seq, "event", "the event cannot be read") from None
    if linked.event.run_id != run_id:
        raise _bad(seq, "event", f"the event belongs to run {linked.event.run_id}")
    if linked.event.seq != seq:
        raise _bad(seq, "chain", f"event {seq} is missing: {linked.event.seq} follows")
    if linked.previous != (hashes[-1] if hashes else GENESIS):
        raise _bad(seq, "chain", "the event does not follow the one before it")
    if link(linked.event, linked.previous).hash != linked.hash:
        raise _bad(seq, "event", "the event is not what was recorded: its hash differs")
    return linked.hash


def _pk(run_id: str) -> str:
    return key("run", run_id)
