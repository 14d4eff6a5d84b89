"""A thread for what must be written in time, however long nodes and tools keep the others.

Whatever blocks runs in the threads of the event loop, and there are only so many of them. A lease
that waited for one of those to come free would run out, and its run be done over elsewhere.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OwnThread:
    """One thread, which does what it is given one after the other.

    What a cancelled task has left under way comes to its end before anything else begins.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def close(self) -> None:
        """Wait for what is under way, and take nothing more."""
        await self.do(lambda: None)
        self._pool.shutdown(wait=False)
