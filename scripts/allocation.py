"""Gives memory that was freed back to the system, where the C library is GNU's (malloc(3)).

It keeps a heap for each of many threads, and in them what was freed, for later. Whoever goes
through a thousand files in threads that come and go then seems to need more and more. Elsewhere
nothing is done.
"""

import ctypes
from contextlib import suppress
from typing import Final

_TRIM_THRESHOLD: Final = (-1, 1 << 20)
_MMAP_THRESHOLD: Final = (-3, 256 << 10)
"""From so many bytes on a buffer is the system's own, and goes back when it is freed."""
_ARENA_MAX: Final = (-8, 2)
"""Heaps that threads share. Names and numbers are those of mallopt(3)."""


def hold_little() -> None:
    """Have this process keep few heaps, and of large buffers nothing, from now on."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in (_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX):
            mallopt(option, value)


def give_back() -> None:
    """Give back what is free in the midst of heaps; it takes some milliseconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
