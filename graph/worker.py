"""A worker: finds runs that are due, claims them, and drives them, several at once.

A hint from the queue only says where to look first; the sweep over the due list finds everything,
so that a lost hint costs seconds and nothing else. The claim alone decides who drives a run. As
many workers as one likes share the list: each looks for no more runs than it has room for, tries
those in an order of its own, and leaves alone for a while what it could not have.
"""

import asyncio
import itertools
import logging
import os
import random
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final

from graph.drive import Drive, take
from graph.resources import Resources
from storage.errors import (
    AffidavitError,
    Conflict,
    Leased,
    LeaseLost,
    NotFound,
    OtherVersion,
    Unavailable,
)
from storage.leases import Ownership
from storage.own_thread import OwnThread
from storage.ports import Item, Message
from storage.run_layout import DUE, RUNS

SWEEP_SECONDS: Final = 1.0
HINT_SECONDS: Final = 2.0
"""How long one call waits for hints; a worker that is told to stop ends no sooner."""
HEARTBEAT_SECONDS: Final = 10
BACKLOG_BEATS: Final = 6
"""The backlog is measured at every sixth heartbeat: metrics have no finer grain than a minute."""
AWAY_SECONDS: Final = 60.0
"""How long a run is left alone that cannot be driven by this worker."""
UNAVAILABLE_SECONDS: Final = 2.0
"""How long a run is left alone after the storage did not answer."""
SCANNED_MOST: Final = 1000
"""Among how many due runs a sweep looks for some that it may try."""
RECEIVED_MOST: Final = 10
NEWEST_RUNS: Final = 200
"""Among how many those that ask a person are counted, so that counting stays cheap."""
WORKERS: Final = "workers"
logger = logging.getLogger(__name__)


def owner_name() -> str:
    """Return a name that no other worker has, and that a person can trace."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


class Worker:
    """Drives the runs of one workspace until it is told to stop."""

    def __init__(self, resources: Resources, *, concurrency: int = 4) -> None:
        self._resources = resources
        self._concurrency = concurrency
        self._owner = owner_name()
        self._driving: dict[str, asyncio.Task[None]] = {}
        self._drives: dict[str, Drive] = {}
        self._later: dict[str, Message] = {}
        """Hints to runs that were still being driven here; they are followed right after that."""
        self._away: dict[str, float] = {}
        """Runs that are not tried before a time."""
        self._wrong: dict[str, set[type[Exception]]] = {}
        """What has gone wrong since it last went well, by what was tried."""
        self._heart = OwnThread("heart")
        self._freed = asyncio.Event()
        """Set when there may be room again."""
        self._stopping = asyncio.Event()

    @property
    def driving(self) -> int:
        """How many runs it drives, or tries to claim, at the moment."""
        return len(self._driving)

    def stop(self) -> None:
        """Claim nothing more, bring each run to the end of its step, and give it back.

        What does not come to the end of its step within the seconds of the settings is given back
        as it stands: its step is done anew by whoever has it next, from what was recorded.
        """
        self._stopping.set()
        self._freed.set()
        for drive in self._drives.values():
            drive.drain()

    async def work(self) -> None:
        """Work until `stop`.

        Raises:
            InvalidInput: the model cannot be opened, for want of a key perhaps.
        """
        await asyncio.to_thread(self._resources.ready)
        pool = ThreadPoolExecutor(max_workers=4 * self._concurrency + 4)
        asyncio.get_running_loop().set_default_executor(pool)
        others = [asyncio.create_task(each) for each in (self._beat(), self._sweep())]
        try:
            await self._follow_hints()
            await self._drain()
        finally:
            for each in others:
                each.cancel()
            await self._give_back()
            await asyncio.gather(*others, return_exceptions=True)
            with suppress(AffidavitError):  # who is heard of no more is forgotten anyway
                await self._heart.do(self._sign_off)
            await self._heart.close()

    async def _drain(self) -> None:
        if self._driving:
            seconds = self._resources.settings.drain_seconds
            await asyncio.wait(self._driving.values(), timeout=seconds)

    async def _give_back(self) -> None:
        left = list(self._driving.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _follow_hints(self) -> None:
        """Take what hints name, as long as there is room, until the worker is told to stop."""
        queue = self._resources.workspace.queue
        while await self._has_room():
            answered = False
            with self._going_on("No hint could be received; sweeps find what is due."):
                room = self._concurrency - len(self._driving)
                most = max(1, min(room, RECEIVED_MOST))
                for hint in await asyncio.to_thread(queue.receive, wait=HINT_SECONDS, limit=most):
                    self._take(hint.body, hint)
                answered = True
            if not answered:
                await self._sleep(SWEEP_SECONDS)

    async def _sweep(self) -> None:
        """Take what is due, whether or not a hint has come."""
        while await self._has_room():
            with self._going_on("What is due could not be read; trying again."):
                for run_id in await asyncio.to_thread(self._due):
                    self._take(run_id)
            # At its own time, so that many workers do not look all at once.
            await self._sleep(SWEEP_SECONDS * random.uniform(0.7, 1.0))

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Outlive whatever a block raises: what a worker does by the clock is never given up.

        Each kind of error is logged once until the block goes well again.
        """
        wrong = self._wrong.setdefault(what, set())
        try:
            yield
        except Exception as error:
            if type(error) not in wrong:
                logger.warning(what, exc_info=True)
            wrong.add(type(error))
        else:
            wrong.clear()

    async def _has_room(self) -> bool:
        """Wait until there is room for a run; return False when the worker is to stop."""
        while len(self._driving) >= self._concurrency and not self._stopping.is_set():
            self._freed.clear()
            await self._freed.wait()
        return not self._stopping.is_set()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _due(self) -> list[str]:
        """Return runs to try: some that are due and not away, in an order of this worker's own."""
        now = time.time()
        self._away = {run_id: until for run_id, until in self._away.items() if until > now}
        wanted = 4 * (self._concurrency - len(self._driving))
        found: list[str] = []
        for run_id in self._resources.runs.due(now, limit=SCANNED_MOST):
            if run_id not in self._away and run_id not in self._driving:
                found.append(run_id)
            if len(found) >= wanted:
                break
        random.shuffle(found)
        return found

    def _take(self, run_id: str, hint: Message | None = None) -> None:
        if run_id in self._driving:
            if hint:
                self._later[run_id] = hint
        elif not self._stopping.is_set() and len(self._driving) < self._concurrency:
            self._driving[run_id] = asyncio.create_task(self._drive(run_id, hint))
        # A hint that is not deleted comes again, and the sweep finds the run anyway.

    async def _drive(self, run_id: str, hint: Message | None) -> None:
        try:
            owned = await asyncio.to_thread(self._claim, run_id, hint)
            drive = self._drives[run_id] = Drive(self._resources, owned)
            if self._stopping.is_set():
                drive.drain()
            await drive.go()
        except Leased as leased:
            self._away[run_id] = leased.until
        except (OtherVersion, NotFound) as reason:
            self._away[run_id] = time.time() + AWAY_SECONDS
            logger.warning("%s", reason)
        except Conflict as reason:
            # It waits for a person or for its turn, or it is over: nothing is lost.
            level = logging.WARNING if isinstance(reason, LeaseLost) else logging.DEBUG
            logger.log(level, "%s", reason)
        except Unavailable as error:
            self._away[run_id] = time.time() + max(UNAVAILABLE_SECONDS, error.after)
            logger.warning("Run %s was left, and will be found again: %s", run_id, error)
        except Exception:
            # Whosever error it is (a record of a newer version, say), it will not pass soon.
            self._away[run_id] = time.time() + AWAY_SECONDS
            logger.exception("Run %s was left; it will be found again.", run_id)
        finally:
            self._driving.pop(run_id, None)
            self._drives.pop(run_id, None)
            self._freed.set()
            if later := self._later.pop(run_id, None):
                self._take(run_id, later)

    def _claim(self, run_id: str, hint: Message | None) -> Ownership:
        try:
            return take(self._resources, run_id, self._owner)
        finally:
            if hint:  # only after the claim was tried
                with suppress(AffidavitError):
                    self._resources.workspace.queue.delete(hint)

    async def _beat(self) -> None:
        """Say that this worker is there, for whoever looks."""
        for beat in itertools.count():
            item = Item(
                WORKERS, self._owner, {}, expires_at=int(time.time()) + 3 * HEARTBEAT_SECONDS
            )
            with self._going_on("The heartbeat could not be written."):
                await self._heart.do(self._resources.workspace.tables.runs.put, item)
                if beat % BACKLOG_BEATS == 0:
                    await self._heart.do(measure_backlog, self._resources)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _sign_off(self) -> None:
        self._resources.workspace.tables.runs.delete(WORKERS, self._owner)


def measure_backlog(resources: Resources) -> None:
    """Record for how long the oldest run has been due, and how many of the newest ask a person."""
    now = time.time()
    runs, telemetry = resources.workspace.tables.runs, resources.workspace.telemetry
    oldest = next(iter(runs.query(DUE, limit=1)), None)
    due = int(oldest.sk.partition("/")[0]) / 1000 if oldest else now
    newest = runs.query(RUNS, reverse=True, limit=NEWEST_RUNS)
    waiting = sum(item.body["status"] == "interrupted" for item in newest)
    telemetry.metric("queue_age_seconds", max(0.0, now - due), unit="Seconds")
    telemetry.metric("approvals_waiting", waiting)


def workers_alive(resources: Resources) -> Iterable[str]:
    """Return the workers that have been heard of lately."""
    return [item.sk for item in resources.workspace.tables.runs.query(WORKERS)]
