"""Where a thread's checkpoints lie: one partition of the table, ordered by time.

    c/{checkpoint}/{namespace}                      a checkpoint, its metadata, and a reference to
                                                    the value of every channel
    w/{checkpoint}/{namespace}/{epoch}/{order}      the writes of one `put_writes`, never changed
    s/{sha256}                                      a value too large to stand inline
    f/{epoch}                                       a fence: what an owner found and accepted

Two directories find threads: `threads` lists all, `run/{run}` those that a run wrote to.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import get_checkpoint_id

from storage.errors import InvalidInput
from storage.keys import key, part
from storage.ports import Item, Key
from storage.segments import Ref

THREADS: Final = "threads"
CHECKPOINTS: Final = "c/"
WRITES: Final = "w/"

_order = itertools.count(time.time_ns())
"""Orders the writes of this process, and by the clock those of several."""


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace of a thread, and a checkpoint in it if one is named."""

    thread_id: str
    ns: str = ""
    checkpoint_id: str | None = None

    @property
    def pk(self) -> str:
        """The partition of the thread."""
        return partition(self.thread_id)

    def sk(self, checkpoint_id: str) -> str:
        """The sort key of a checkpoint of this namespace."""
        return f"{CHECKPOINTS}{key(checkpoint_id, self.ns)}"

    def writes(self, checkpoint_id: str) -> str:
        """The prefix of the writes of a checkpoint of this namespace."""
        return f"{WRITES}{key(checkpoint_id, self.ns)}/"

    def next_write(self, checkpoint_id: str, epoch: int, task_id: str) -> str:
        """A sort key of its own for one call of `put_writes`, behind those that came before."""
        # Two processes can draw the same number; the task tells their items apart.
        return self.writes(checkpoint_id) + key(epoch, next(_order), task_id)

    def config(self, checkpoint_id: str) -> RunnableConfig:
        """The configuration that names a checkpoint of this namespace."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": self.ns,
                "checkpoint_id": checkpoint_id,
            }
        }


def partition(thread_id: str) -> str:
    """Return the partition of a thread."""
    return key("thread", thread_id)


def before(checkpoint_id: str) -> str:
    """Return the sort key behind which, read backwards, older checkpoints follow."""
    return f"{CHECKPOINTS}{part(checkpoint_id)}/"


def directory_entries(thread_id: str, run_id: str) -> list[Key]:
    """Return the items by which a thread is found; no run, one entry."""
    pks = [THREADS, key("run", run_id)] if run_id else [THREADS]
    return [(pk, partition(thread_id)) for pk in pks]


def place_of(config: RunnableConfig) -> Place:
    """Return the place that a configuration names.

    Raises:
        InvalidInput: it names no thread.
    """
    configurable = config.get("configurable", {})
    if "thread_id" not in configurable:
        raise InvalidInput('A checkpointer needs {"configurable": {"thread_id": …}}.')
    return Place(
        str(configurable["thread_id"]),
        configurable.get("checkpoint_ns") or "",
        get_checkpoint_id(config),
    )


def id_of(item: Item) -> str:
    """Return the id of the checkpoint that an item holds, or that its writes belong to."""
    return cast(str, item.body["id"])


def ns_of(item: Item) -> str:
    """Return the namespace of a checkpoint or of writes."""
    return cast(str, item.body["ns"])


def refs_of(item: Item) -> Iterator[Ref]:
    """Yield the references that a checkpoint or writes hold."""
    if "channels" in item.body:
        yield from cast(dict[str, Ref], item.body["channels"]).values()
    else:
        yield from (ref for *_, ref in cast(list[tuple[int, str, Ref]], item.body["writes"]))
