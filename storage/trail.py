"""How the owner of a run writes its audit chain, and with it everything that must happen once.

Events are collected and appended together, as many as an item holds at a time; an effect goes into
one transaction with its event. The chain is a fence of its own: whoever finds events of a later
epoch at its number has lost the lease, and stops. Events of people (a decision, say) may come in
between at any time; the owner then links its own behind them.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from storage.audit import AuditLog, Event, Head, Linked, append_action, chain, new_event
from storage.errors import AffidavitError, ConditionFailed, LeaseLost
from storage.limits import MAX_ITEM_BYTES
from storage.own_thread import OwnThread
from storage.ports import Action, Table

SOON_SECONDS: Final = 0.2
PORTION_BYTES: Final = MAX_ITEM_BYTES // 2
"""How much of what was collected goes into one item: half of what an item holds."""
_LINK_BYTES: Final = 200
"""What a place in the chain adds to an event."""


class Trail:
    """The pen of one owner (one epoch) for one run. Safe for the tasks of one event loop.

    It begins at the head that the owner's own claim has left, and never goes on from a head that it
    has not followed event by event: so nothing of a later epoch can be passed over.
    """

    def __init__(
        self, audit: AuditLog, table: Table, run_id: str, epoch: int, claimed: Head
    ) -> None:
        self._audit = audit
        self._table = table
        self._run_id = run_id
        self._epoch = epoch
        self._head = claimed
        self._noted: list[Event] = []
        self._lock = asyncio.Lock()
        # A task that is cancelled leaves its write under way: in one thread no other overtakes it.
        self._thread = OwnThread("trail")
        self._over = False
        self._soon: asyncio.Task[None] | None = None

    @property
    def epoch(self) -> int:
        """The epoch under which everything is written."""
        return self._epoch

    def note(self, kind: str, *, node: str = "", task: str = "", **data: Any) -> None:
        """Collect an event; it is appended before the next write of any kind, or shortly."""
        self._noted.append(self._event(kind, node, task, data))
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        # So that whoever watches sees a long step begin; a failure shows at the next write.
        await asyncio.sleep(SOON_SECONDS)
        with suppress(AffidavitError):
            await self.flush()

    async def flush(self) -> None:
        """Append what was collected.

        Raises:
            LeaseLost: a later epoch has written.
        """
        async with self._lock:
            if self._noted:
                await self._thread.do(self._append, [], [], False)

    async def commit(
        self,
        kind: str,
        actions: Sequence[Action],
        *,
        node: str = "",
        task: str = "",
        anchor: bool = False,
        last: bool = False,
        **data: Any,
    ) -> None:
        """Append what was collected, and an event in one transaction with other actions.

        With `anchor`, the head that results is signed and kept. The `last` event is that by which
        the owner lets go: it appends nothing behind it.

        Raises:
            LeaseLost: a later epoch has written; none of the actions was done.
            ConditionFailed: one of the actions does not hold; none was done. `failed` has its
                position among them.
        """
        async with self._lock:
            event = self._event(kind, node, task, data)
            await self._thread.do(self._append, [event], actions, anchor, last)

    async def close(self) -> None:
        """Append nothing more."""
        if self._soon:
            self._soon.cancel()
            await asyncio.gather(self._soon, return_exceptions=True)
        await self._thread.close()

    def _event(self, kind: str, node: str, task: str, data: dict[str, Any]) -> Event:
        return new_event(self._run_id, self._epoch, kind, node=node, task=task, **data)

    def _append(
        self, events: Sequence[Event], actions: Sequence[Action], anchor: bool, last: bool = False
    ) -> None:
        if self._over:
            raise LeaseLost(f"Run {self._run_id} was let go already.")
        self._append_now(events, actions, anchor)
        self._over = last

    def _append_now(self, events: Sequence[Event], actions: Sequence[Action], anchor: bool) -> None:
        """Append what was noted and the events, until no event of a person is in the way.

        What is too much for one item goes before, in items of its own.
        """
        while True:
            noted = list(self._noted)
            portion = _portion(noted)
            if len(portion) < len(noted):
                self._appended(portion, [], [], False)
            elif not (noted or events) or self._appended(noted, events, actions, anchor):
                return

    def _appended(
        self,
        noted: Sequence[Event],
        events: Sequence[Event],
        actions: Sequence[Action],
        anchor: bool,
    ) -> bool:
        """Append events as one item, together with actions; return False if another came first."""
        linked = chain([*noted, *events], self._head)
        signed = [self._audit.anchor_of(linked)] if anchor else []
        try:
            self._table.transact([append_action(linked), *actions, *signed])
        except ConditionFailed as failure:
            if 0 not in failure.failed:
                positions = tuple(position - 1 for position in failure.failed)
                raise ConditionFailed(str(failure), positions) from failure
            if not self._follow(linked):
                return False
        for each in signed:
            self._audit.copy_anchor(each)
        del self._noted[: len(noted)]
        self._head = Head(linked[-1].event.seq + 1, linked[-1].hash)
        return True

    def _follow(self, linked: Sequence[Linked]) -> bool:
        """Follow what stands where we wanted to write; return whether it is our own.

        It is, if the answer to a transaction that committed was lost.

        Raises:
            LeaseLost: a later epoch has written.
        """
        found = list(self._audit.read(self._run_id, self._head.seq))
        if any(other.event.epoch > self._epoch for other in found):
            raise LeaseLost(f"Run {self._run_id} has a newer owner; this one stops.")
        if found[: len(linked)] == list(linked):
            return True
        for other in found:
            self._strike(other.event)
        if found:
            self._head = Head(found[-1].event.seq + 1, found[-1].hash)
        return False

    def _strike(self, found: Event) -> None:
        """Note an event no more that stands in the chain: an append that failed may be done."""
        text = found.model_copy(update={"seq": 0}).model_dump_json()
        for event in self._noted:
            if event.model_dump_json() == text:
                self._noted.remove(event)
                return


def _portion(noted: Sequence[Event]) -> Sequence[Event]:
    """Return the first of some events: as many as go into one item, or one."""
    size = 0
    for count, event in enumerate(noted):
        size += len(event.model_dump_json().encode()) + _LINK_BYTES
        if count and size > PORTION_BYTES:
            return noted[:count]
    return noted
