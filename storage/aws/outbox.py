"""Sends what is put in from a thread of its own, so that whoever puts it in never waits or fails.

It holds a bounded amount: when the service is down, slow or throttles, the oldest is dropped and
counted. No thread runs before the first entry; after a fork the child starts with an empty box, as
what was in it is its parent's to send.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from storage.errors import AffidavitError, NotAllowed, Unavailable

MOST_ENTRIES: Final = 20_000
MOST_BYTES: Final = 16 * 1024 * 1024
GATHER_SECONDS: Final = 0.5
"""How long entries are gathered before they are sent together."""
BACK_OFF_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """Something to send. Only entries of one lane go together; `size` in bytes."""

    lane: str
    size: int
    content: T


@dataclass(frozen=True, slots=True)
class Batch:
    """How much may be sent at once."""

    entries: int
    bytes: int


class Outbox(Generic[T]):
    """A bounded buffer, and the thread that empties it by `send(lane, contents)`."""

    def __init__(self, what: str, send: Callable[[str, list[T]], None], batch: Batch) -> None:
        """Start nothing yet; `what` is the entries' name in the log."""
        self._what = what
        self._send = send
        self._batch = batch
        self._empty()

    def _empty(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[Entry[T]] = deque()
        self._bytes = 0
        self._sending: list[Entry[T]] = []
        self._thread: threading.Thread | None = None
        self._hurry = self._closed = False
        self.dropped = 0
        """How many entries were not sent, and will not be."""

    def put(self, lane: str, size: int, content: T) -> None:
        """Add an entry; it is sent soon, or dropped if the service does not take it."""
        if self._process != os.getpid():  # a fork: the lock and the thread are the parent's
            self._empty()
        with self._changed:
            if self._closed:
                self.dropped += 1
                return
            self._waiting.append(Entry(lane, size, content))
            self._bytes += size
            self._shed()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name=f"outbox-{self._what}", daemon=True
                )
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is sent, but no longer; return whether it is."""
        if self._process != os.getpid():
            return True
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._waiting or self._sending), seconds)

    def close(self, seconds: float) -> None:
        """Send what is left, for so long at most; what then remains is dropped."""
        if self.flush(seconds) or self._process != os.getpid():
            left = 0
        else:
            left = len(self._waiting) + len(self._sending)
            logger.warning("%d %s were not sent before the end.", left, self._what)
        with self._changed:
            self.dropped += left
            self._waiting.clear()
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        failures = 0
        while batch := self._next():
            try:
                self._send(batch[0].lane, [entry.content for entry in batch])
            except (Unavailable, NotAllowed) as error:
                failures += 1
                self._keep(batch, failures, error)
            except Exception as error:  # noqa: BLE001 - nothing may end this thread
                level = logging.WARNING if isinstance(error, AffidavitError) else logging.ERROR
                logger.log(level, "%d %s were dropped: %s", len(batch), self._what, error)
                self._done(len(batch))
            else:
                if failures:
                    logger.warning("The %s are sent again.", self._what)
                failures = 0
                self._done(0)

    def _next(self) -> list[Entry[T]]:
        """Wait for entries and take those of the oldest one's lane; none once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(lambda: self._hurry or self._closed, GATHER_SECONDS)
            if self._closed:
                return []
            taken: list[Entry[T]] = []
            left: deque[Entry[T]] = deque()
            size = 0
            for entry in self._waiting:
                fits = len(taken) < self._batch.entries and size + entry.size <= self._batch.bytes
                if entry.lane == self._waiting[0].lane and fits:
                    taken.append(entry)
                    size += entry.size
                else:
                    left.append(entry)
            self._waiting, self._sending = left, taken
            self._bytes -= size
            return taken

    def _done(self, dropped: int) -> None:
        with self._changed:
            self.dropped += 0 if self._closed else dropped
            self._sending = []
            self._hurry = self._hurry and bool(self._waiting)
            self._changed.notify_all()

    def _keep(self, batch: list[Entry[T]], failures: int, error: AffidavitError) -> None:
        """Put a batch back, and wait before it is tried again."""
        if failures == 1:
            logger.warning("The %s cannot be sent for now: %s", self._what, error)
        pause = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS)) - 1]
        with self._changed:
            self._sending = []
            if self._closed:
                return
            self._waiting.extendleft(reversed(batch))
            self._bytes += sum(entry.size for entry in batch)
            self._shed()
            self._changed.wait_for(lambda: self._closed, pause)

    def _shed(self) -> None:
        """Drop the oldest until the box is within its bounds."""
        while len(self._waiting) > MOST_ENTRIES or self._bytes > MOST_BYTES:
            self._bytes -= self._waiting.popleft().size
            self.dropped += 1
