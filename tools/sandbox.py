"""Reads files in child processes, so that a hostile or broken one harms nobody.

A child has limits on memory and time, an empty environment and no terminal; a file that crashes or
stalls it ends `damaged`, and the next file gets another child. Nothing is taken from a child but a
well-formed answer. What a child does is in `tools.parsers.child`, what files become in
`tools.intake`.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, TypeVar

from pydantic import ValidationError

from storage.errors import Unavailable
from storage.records import Record
from tools.parsers.child import HEADER, LENGTH, READY
from tools.parsers.result import MAX_BYTES, Parsed

START_SECONDS: Final = 60
"""How long a child may take to start, on a machine that is busy."""
MAX_ANSWER: Final = 512 << 20
"""Bytes of an answer; the limits of `tools.parsers.result` keep honest ones well below."""
MAX_FILES: Final = 500
"""Files that one child reads before another takes over: whatever has leaked is given back."""

R = TypeVar("R", bound=Record)

_CLOSED = "The sandbox for reading files is closed."
_ROOT = str(Path(__file__).resolve().parent.parent)
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tools.parsers.child import serve
{read}
serve(read, parent=int(sys.argv[2]), seconds=float(sys.argv[3]), memory=int(sys.argv[4]))
"""
_READ = """
import tools.parsers.pdf
from tools.intake import take_in as read
"""


class Sandbox:
    """A small pool of warm children, each reading one file at a time. Safe to use from threads."""

    def __init__(
        self, *, processes: int | None = None, seconds: float = 60, memory: int = 1 << 30
    ) -> None:
        """Starts nothing yet.

        `seconds` is how long one file may take, `memory` how many bytes a child may map.
        """
        self.seconds = seconds
        self._memory = memory
        self._slots: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self.processes = processes or min(4, os.cpu_count() or 1)
        """Files that are read at once."""
        for _ in range(self.processes):
            self._slots.put(None)
        # A child dies with the thread that started it, so that is one which lasts.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")
        self._lock = threading.Lock()
        self._children: set[_Child] = set()
        self._closed = False

    def parse(self, data: bytes, name: str, password: str = "") -> Parsed:
        """What `tools.intake.take_in` makes of a file. Blocks; raises nothing for any file.

        A password goes through a pipe to the one child that reads the file, and no further.

        Raises `Unavailable` if no child can be started, or when the sandbox is closed.
        """
        if len(data) > MAX_BYTES:
            reason = f"It has {len(data) >> 20} MB; {MAX_BYTES >> 20} MB can be read. Split it."
            return Parsed(status="unsupported", reason=reason)
        title = name.encode("utf-8", "replace")[-4096:]
        try:
            return self._ask(data, title, Parsed, password)
        except Died as died:
            return _damaged(died, self.seconds)

    def _ask(self, data: bytes, title: bytes, kind: type[R], password: str) -> R:
        """What a child answers about a file. Raises `Died`, and `Unavailable` as `parse` does."""
        secret = password.encode("utf-8", "replace")
        child = self._slots.get()
        try:
            for _ in range(2):
                child = self._usable(child)
                fresh = child.files == 0
                try:
                    return child.ask(title, secret, data, kind)
                except Died as error:
                    died = error
                    self._end(child)
                    child = None
                if fresh or died.late:
                    break  # else an earlier file may have left something behind: try a new child
            if self._closed:
                raise Unavailable(_CLOSED)
            raise died
        except BaseException:  # an interrupt: the child is in the midst of an answer
            if child is not None:
                self._end(child)
                child = None
            raise
        finally:
            self._slots.put(child)

    def _usable(self, child: "_Child | None") -> "_Child":
        if child is not None:
            if child.files < MAX_FILES:
                return child
            self._end(child)
        try:
            return self._starter.submit(self._start).result()
        except RuntimeError as error:  # the starter takes nothing on after `close`
            raise Unavailable(_CLOSED) from error

    def _start(self) -> "_Child":
        with self._lock:
            if self._closed:
                raise Unavailable(_CLOSED)
            child = _Child(self._command(), self.seconds)
            self._children.add(child)
        try:
            child.greet()
        except Died as died:
            self._end(child)
            raise Unavailable(
                f"The process for reading files did not start (it ended with {died.code}). "
                "Check that the installation is complete."
            ) from died
        return child

    def _end(self, child: "_Child") -> None:
        child.end()
        with self._lock:
            self._children.discard(child)

    def _command(self) -> list[str]:
        """What a child is started with: it finds the code whatever directory it is in."""
        paths = [_ROOT, *(path for path in sys.path if Path(path).is_absolute())]
        numbers = [os.getpid(), self.seconds, self._memory]
        program = _PROGRAM.format(read=self._read())
        return [sys.executable, "-I", "-c", program, json.dumps(paths), *map(str, numbers)]

    def _read(self) -> str:
        """The statements that bind `read` in the child; imports happen once, not for each file.

        What takes long to import, and few files need, waits for the first of them.
        """
        return _READ

    def close(self) -> None:
        """End all children. What is being read then raises `Unavailable`."""
        with self._lock:
            self._closed = True
            children = list(self._children)
        for child in children:
            self._end(child)
        self._starter.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Died(Exception):
    """A child ended, or said what is no answer."""

    def __init__(self, code: int | None, *, late: bool) -> None:
        super().__init__(f"ended with {code}")
        self.code = code
        self.late = late


class _Child:
    """One child process and the conversation with it."""

    def __init__(self, command: list[str], seconds: float) -> None:
        self.files = 0
        self._seconds = seconds
        self._late = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
            cwd="/",
            start_new_session=True,  # what interrupts the parent is the parent's to handle
        )

    def greet(self) -> None:
        """Wait until it is ready. Raises `Died`."""
        if self._talk(b"", START_SECONDS) != READY:
            raise Died(None, late=False)

    def ask(self, title: bytes, secret: bytes, data: bytes, kind: type[R]) -> R:
        """Have it read a file. Raises `Died`; it is of no use any more then."""
        self.files += 1
        header = HEADER.pack(len(title), len(secret), len(data))
        answer = self._talk(header + title + secret + data, self._seconds)
        try:
            return kind.model_validate_json(answer)
        except ValidationError as error:
            raise Died(None, late=False) from error

    def end(self) -> None:
        """Kill it, and leave nothing of it behind."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was not yet sent has nobody to go to
                    stream.close()

    def _talk(self, request: bytes, seconds: float) -> bytes:
        """Send a request and wait for its answer; killing the child is what ends the wait."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Died(None, late=False)
        self._late = False  # the watch of an answer before may have gone off behind it
        watch = threading.Timer(seconds, self._stop)
        watch.daemon = True
        watch.start()
        try:
            stdin.write(request)
            stdin.flush()
            (length,) = LENGTH.unpack(_exactly(stdout, LENGTH.size))
            if length > MAX_ANSWER:
                raise EOFError
            return _exactly(stdout, length)
        except (EOFError, OSError, ValueError) as error:
            self._process.kill()
            code = self._process.wait()
            raise Died(code, late=self._late) from error
        finally:
            watch.cancel()

    def _stop(self) -> None:
        self._late = True
        self._process.kill()


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _damaged(died: Died, seconds: float) -> Parsed:
    if died.late:
        reason = f"Reading it took more than {seconds:g} seconds and was stopped."
    else:
        reason = "It makes the program that reads it crash."
    return Parsed(status="damaged", reason=f"{reason} Get another copy, or print it anew as PDF.")
