"""Carrying out a plan exactly once, whatever crashes.

The ledger has one entry for each tool call, by its id, which is stable over a crash:

    transaction     [ledger: done, the plan's actions, the event]        one transaction
    repeatable      [ledger: begun, actions, event] → call → [ledger: done, event]
    at_most_once    [ledger: begun, event] → call → [ledger: done, event]

Killed anywhere, the first either happened whole or not at all. The second, found begun, is called
again. The third, found begun, may or may not have happened: nobody repeats it, and a person
settles it. An error says that nothing was done as long as the ledger has no entry, and no longer:
what a tool refuses, it refuses while it plans or in `prepare`.

A fork has a ledger of its own, and looks into those of its ancestors: what one of them has done is
not done again without a person who was told so.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast

from storage.errors import ConditionFailed, Conflict, LeaseLost, Unavailable
from storage.keys import key
from storage.ports import Absent, Item, Put, Table, VersionIs
from storage.texts import readable
from storage.trail import Trail
from tools.registry import Plan, Safety

State = Literal["begun", "done", "not_done"]
MOST_TEXT: Final = 50_000
"""Characters of what is said of an outcome: the ledger has room for whatever a call returned."""
_LEDGER: Final = "l/"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the ledger says of a tool call."""

    state: State
    text: str = ""
    same: str = ""
    """A hash of tool and arguments, by which a fork finds what its ancestors have done."""


class OutcomeUnknown(Exception):
    """A call that cannot be repeated was begun, and failed in a way that does not say how far."""


@dataclass(frozen=True, slots=True)
class Grant:
    """On whose word an effect is done, and what exactly that person saw."""

    by: str
    binding: str
    same: str = ""
    """As in `Outcome`."""


class Effects:
    """The ledger of a run, in the hand of its owner."""

    def __init__(
        self,
        trail: Trail,
        table: Table,
        run_id: str,
        *,
        ancestors: Sequence[str] = (),
        owns: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the owner's trail, the runs that this one was forked from, and a check.

        `owns` raises `LeaseLost` unless the run is still this owner's.
        """
        self._trail = trail
        self._table = table
        self._pk = key("run", run_id)
        self._ancestors = ancestors
        self._owns = owns

    async def find(self, call_id: str) -> Outcome | None:
        """Return what became of a call, or None if it was never begun."""
        item = await asyncio.to_thread(self._table.get, self._pk, _LEDGER + key(call_id))
        if item is None:
            return None
        state, text = cast(State, item.body["state"]), cast(str, item.body["text"])
        return Outcome(state, text, cast(str, item.body.get("same", "")))

    async def earlier(self, call_id: str, same: str) -> str:
        """Return the ancestor that has done or begun a call, or the same one; empty: none has."""
        return await asyncio.to_thread(self._earlier, call_id, same) if self._ancestors else ""

    def _earlier(self, call_id: str, same: str) -> str:
        for run_id in self._ancestors:
            for item in self._table.query(key("run", run_id), prefix=_LEDGER):
                known = item.sk == _LEDGER + key(call_id) or item.body.get("same") == same
                if known and item.body["state"] != "not_done":
                    return run_id
        return ""

    async def perform(
        self, call_id: str, tool: str, safety: Safety | None, plan: Plan, grant: Grant, task: str
    ) -> Outcome:
        """Carry out a plan, or return the outcome if that was done before.

        Raises:
            Conflict: what was approved no longer applies; nothing was done.
            LeaseLost: this worker is outdated; it has done nothing that the ledger does not say.
            OutcomeUnknown: nobody can say whether it was done.
            Exception: what a `repeatable` call raised, or what kept its end from being written
                down; whoever goes on with the run makes it again.
        """
        if plan.prepare:
            await asyncio.to_thread(plan.prepare)
        about: dict[str, Any] = {
            "tool": tool,
            "call": call_id,
            "by": grant.by,
            "binding": grant.binding,
            "same": grant.same,
        }
        if safety == "at_most_once":
            entry = self._put(call_id, Outcome("begun", same=grant.same), Absent())
            await self._trail.commit("effect_begun", [entry], node="act", task=task, **about)
            # The last look before what nobody can take back: another may own the run by now.
            await asyncio.to_thread(self._owns)
        elif safety == "repeatable":
            begun = Outcome("begun", grant.binding, grant.same)
            found = await self._enter("effect_begun", call_id, begun, plan, task, about)
            if found and found.state != "begun":
                return found
            if found and found.text != grant.binding:
                raise Conflict(f"{tool} was begun, and what was approved has changed since.")
        else:
            done = Outcome("done", _told(plan), grant.same)
            return await self._enter("effect", call_id, done, plan, task, about) or done
        once = safety == "at_most_once"
        done = Outcome("done", await self._called(plan, once=once), grant.same)
        try:
            return await self.settle(call_id, done, task, **about)
        except (LeaseLost, Unavailable):  # whoever goes on with the run finds it begun
            raise
        except Exception as error:
            if once:
                raise OutcomeUnknown(type(error).__name__) from error
            raise

    async def _called(self, plan: Plan, *, once: bool) -> str:
        """Make the call of a plan; return what is said of it."""
        try:
            return _told(plan, await asyncio.to_thread(plan.call) if plan.call else None)
        except Exception as error:
            if once:  # it may have been done before it failed, whatever the error says
                raise OutcomeUnknown(type(error).__name__) from error
            raise

    async def _enter(
        self,
        kind: str,
        call_id: str,
        outcome: Outcome,
        plan: Plan,
        task: str,
        about: dict[str, Any],
    ) -> Outcome | None:
        """Commit the ledger entry with the plan's actions; return the entry if there is one.

        Raises:
            Conflict: one of the actions does not hold; nothing was done.
        """
        entry = self._put(call_id, outcome, Absent())
        try:
            await self._trail.commit(kind, [entry, *plan.actions], node="act", task=task, **about)
        except ConditionFailed as failure:
            if found := await self.find(call_id):
                return found
            raise Conflict(
                f"What was approved no longer applies, and nothing was done: {failure}"
            ) from failure
        return None

    async def settle(self, call_id: str, outcome: Outcome, task: str, **about: Any) -> Outcome:
        """Write down how a call that was begun has ended."""
        kind = "effect" if outcome.state == "done" else "effect_not_done"
        put = self._put(call_id, outcome, VersionIs(1), version=2)
        await self._trail.commit(kind, [put], node="act", task=task, **about)
        return outcome

    def _put(
        self, call_id: str, outcome: Outcome, when: Absent | VersionIs, *, version: int = 1
    ) -> Put:
        body: dict[str, Any] = asdict(outcome)
        item = Item(self._pk, _LEDGER + key(call_id), body, version)
        return Put(item, when, table="runs")


def _told(plan: Plan, said: str | None = None) -> str:
    """Return what is said of a plan that was carried out, as text that can be kept."""
    text = f"{plan.done}\n{said}" if said else plan.done
    return readable(text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…")
