"""What adding many files frees goes back to the system."""

import platform
import subprocess
import sys

import pytest

from scripts.allocation import give_back, hold_little

_HEAPS = """
import ctypes, threading
from scripts import allocation
{first}
libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
all_have_some = threading.Barrier(13)
def thread():
    libc.malloc(1000)
    all_have_some.wait()
for _ in range(12):
    threading.Thread(target=thread).start()
all_have_some.wait()
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another library has other heaps")
def test_many_threads_share_few_heaps() -> None:
    assert _heaps("allocation.hold_little()") == 2
    assert _heaps("") > 4


def _heaps(first: str) -> int:
    program = _HEAPS.format(first=first)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return ran.stdout.count(b"<heap nr=")


def test_where_the_library_is_another_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    hold_little()
    give_back()
