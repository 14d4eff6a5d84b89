"""The child process of `tools.sandbox`: reads one file after the other, within its limits.

It gives up what a reader has no need of before it touches a byte: memory beyond a limit, files,
the terminal. It must never outlive its parent. What it says is framed on standard output: a
length, then JSON; the parent takes nothing of it for granted.
"""

import contextlib
import ctypes
import gc
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO, Final

from storage.records import Record

HEADER: Final = struct.Struct("!III")
"""Of a request: the lengths of the name, of the password and of the file, in bytes."""
LENGTH: Final = struct.Struct("!Q")
"""Of an answer: its length in bytes."""
READY: Final = b'"ready"'
"""The first answer, to no request: the readers are there."""

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 64


def serve(
    read: Callable[[bytes, str, str], Record], *, parent: int, seconds: float, memory: int
) -> None:
    """Answer requests until standard input ends. `memory` is in bytes, for the whole process."""
    _die_with(parent)
    requests, answers = _streams()
    _limit(memory)
    gc.freeze()  # what was imported stays: no garbage is to be looked for in it, file after file
    _answer(answers, READY)
    while header := requests.read(HEADER.size):
        if len(header) < HEADER.size:
            return
        name, secret, size = HEADER.unpack(header)
        title, password = requests.read(name), requests.read(secret)
        data = requests.read(size)
        if len(data) < size:
            return
        _limit_time(seconds)
        found = read(data, *(each.decode("utf-8", "replace") for each in (title, password)))
        _answer(answers, found.model_dump_json().encode())


def _answer(answers: BinaryIO, data: bytes) -> None:
    answers.write(LENGTH.pack(len(data)))
    answers.write(data)
    answers.flush()


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Where requests come from and answers go; what readers print goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
    return open(requests, "rb"), open(answers, "wb")  # noqa: PTH123 - for as long as it runs


def _die_with(parent: int) -> None:
    """End when the parent does, even where native code never looks up from its work.

    The signal comes when the parent's thread ends that started this process, so that thread has to
    last. Elsewhere than on Linux the end of standard input and the limit on time have to do.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:
        return
    limits = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_AS, memory),
    ]
    for limit, most in limits:
        with contextlib.suppress(OSError, ValueError):  # macOS knows no limit on address space
            resource.setrlimit(limit, (most, most))


def _limit_time(seconds: float) -> None:
    """Allow as much processor time from now on: it holds when nobody is left to watch the clock."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 2
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (most, hard))
