"""Children that read files, lent to one test after the other: to start one outlasts most tests.

That desks start children of their own, and end them, is seen in `tests/tools/test_sandbox.py`,
`tests/tools/test_library.py`, and wherever a command runs in a process of its own.
"""

from functools import cache

from storage.errors import Unavailable
from tools.sandbox import R, Sandbox


@cache
def lasting() -> Sandbox:
    """Return the sandbox of this process, whose children outlive each desk."""
    return Sandbox()


class Lent(Sandbox):
    """A sandbox as a desk has it, but for its children, which are those of all desks."""

    def _ask(self, data: bytes, title: bytes, kind: type[R], password: str) -> R:
        if self._closed:
            raise Unavailable("The sandbox for reading files is closed.")
        return lasting()._ask(data, title, kind, password)
