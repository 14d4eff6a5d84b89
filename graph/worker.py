"""A worker: finds runs that are due, claims them, and drives them, several at once.

A hint from the queue only says where to look first; the sweep over the due list finds everything,
so that a lost hint costs seconds and nothing else. The claim alone decides who drives a run.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from graph.drive import Drive
from graph.resources import Resources
from storage.errors import AffidavitError, Conflict, LeaseLost, NotFound, Unavailable
from storage.leases import claim
from storage.ports import Item
from storage.run_layout import DUE, RUNS

SWEEP_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10
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
        self._driving: dict[str, tuple[asyncio.Task[None], list[Drive]]] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing more, bring each run to the end of its step, and give it back."""
        self._stopping.set()
        for _, drives in self._driving.values():
            for drive in drives:
                drive.drain()

    async def work(self) -> None:
        """Work until `stop`.

        Raises:
            InvalidInput: the model cannot be opened, for want of a key perhaps.
        """
        await asyncio.to_thread(self._resources.ready)
        pool = ThreadPoolExecutor(max_workers=4 * self._concurrency + 4)
        asyncio.get_running_loop().set_default_executor(pool)
        beat = asyncio.create_task(self._beat())
        try:
            while not self._stopping.is_set():
                await self._look()
        finally:
            beat.cancel()
            left = [task for task, _ in self._driving.values()]
            await asyncio.gather(beat, *left, return_exceptions=True)
            await asyncio.to_thread(self._sign_off)

    async def _look(self) -> None:
        """Wait for a hint or for the next sweep, and claim what is due."""
        queue = self._resources.workspace.queue
        try:
            hints = await asyncio.to_thread(queue.receive, wait=SWEEP_SECONDS)
            due = await asyncio.to_thread(lambda: list(self._resources.runs.due(time.time())))
            for run_id in dict.fromkeys([*(hint.body for hint in hints), *due]):
                await self._take(run_id)
            for hint in hints:  # only after the claim was tried
                await asyncio.to_thread(queue.delete, hint)
        except Unavailable:
            logger.warning("The storage does not answer; trying again.", exc_info=True)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _take(self, run_id: str) -> None:
        if run_id in self._driving or self._stopping.is_set():
            return
        while len(self._driving) >= self._concurrency:
            await asyncio.wait(
                [task for task, _ in self._driving.values()],
                return_when=asyncio.FIRST_COMPLETED,
            )
            await asyncio.sleep(0)
        drives: list[Drive] = []
        task = asyncio.create_task(self._drive(run_id, drives))
        self._driving[run_id] = (task, drives)

    async def _drive(self, run_id: str, drives: list[Drive]) -> None:
        resources = self._resources
        try:
            owned = await asyncio.to_thread(
                claim,
                resources.runs,
                resources.workspace.tables.checkpoints,
                run_id,
                owner=self._owner,
                seconds=resources.settings.lease_seconds,
            )
            drives.append(Drive(resources, owned))
            await drives[0].go()
        except (Conflict, NotFound) as reason:
            # Someone else has it, it waits for a person, or it is over: nothing is lost.
            level = logging.WARNING if isinstance(reason, LeaseLost) else logging.DEBUG
            logger.log(level, "%s", reason)
        except AffidavitError:
            logger.exception("Run %s was left; it will be found again.", run_id)
        finally:
            del self._driving[run_id]

    async def _beat(self) -> None:
        """Say that this worker is there, for whoever looks."""
        while True:
            item = Item(
                WORKERS, self._owner, {}, expires_at=int(time.time()) + 3 * HEARTBEAT_SECONDS
            )
            try:
                await asyncio.to_thread(self._resources.workspace.tables.runs.put, item)
                await asyncio.to_thread(measure_backlog, self._resources)
            except AffidavitError:
                logger.warning("The heartbeat could not be written.", exc_info=True)
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
