"""A call of the storage fails, before or after it was done: the old state or the new, no half."""

import random
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from langgraph.checkpoint.base import create_checkpoint, empty_checkpoint

from storage.checkpointer import CheckpointSaver
from storage.segments import SEGMENTS
from storage.workspace import Workspace
from tests.storage.counted import Count, CountedBlobs, CountedTable, Cut

LARGE = [f"{n}" * 9_000 for n in range(6)]
HUGE = [random.Random(n).randbytes(400_000) for n in range(2)]


def at(checkpoint_id: str = "", thread: str = "t", ns: str = "") -> Any:
    named = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns} | named}


IDS = [f"1f1e8000-0000-6000-8000-{n:012d}" for n in range(100)]


def put(saver: CheckpointSaver, n: int, values: dict[str, Any], thread: str = "t") -> None:
    checkpoint: Any = create_checkpoint(empty_checkpoint(), None, n) | {"id": IDS[n], "ts": "now"}
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, n + 1)
    metadata: Any = {"source": "loop", "step": n, "run_id": f"r-{n // 3}"}
    saver.put(
        at(IDS[n - 1] if n else "", thread), checkpoint, metadata, checkpoint["channel_versions"]
    )


def values(n: int) -> dict[str, Any]:
    """What the n-th checkpoint holds: a list that grows, documents, and something huge."""
    grown = [f"element {k} of the list that grows" * 3 for k in range(20 * n)]
    return {"grown": grown, "docs": LARGE[: n % 5 + 1], "huge": HUGE[n % 2], "n": n}


def history(saver: CheckpointSaver, thread: str = "t") -> list[Any]:
    return [
        (f.config, f.checkpoint, f.metadata, f.pending_writes)
        for f in saver.list(at(thread=thread))
    ]


class Scene:
    """A thread of seven checkpoints with writes, in a workspace of its own."""

    def __init__(self, workspace: Workspace) -> None:
        self.count = Count()
        self.table: Any = CountedTable(workspace.tables.checkpoints, self.count)
        self.blobs: Any = CountedBlobs(workspace.buckets.state, self.count)
        saver = self.saver()
        for n in range(7):
            put(saver, n, values(n))
            saver.put_writes(at(IDS[n]), [("docs", LARGE[:n]), ("n", n)], "task")

    def saver(self) -> CheckpointSaver:
        return CheckpointSaver(self.table, self.blobs)

    def segments(self) -> set[str]:
        """The names of all segments in the table and in the bucket."""
        rows = [row for t in ("t", "copy") for row in self.table.query(f"thread/{t}")]
        named = {f"{row.pk}/{row.sk}" for row in rows if row.sk.startswith(SEGMENTS)}
        return named | {info.key for info in self.blobs.list()}

    def entries(self) -> set[tuple[str, str]]:
        """The items by which threads and runs are found, and what is left of a deletion."""
        rows = [row for n in range(3) for row in self.table.query(f"run/r-{n}")]
        rows += self.table.query("threads")
        rows += [row for row in self.table.query("thread/t") if row.sk == "d"]
        return {(row.pk, row.sk) for row in rows}


def cut_at(n: int, when: str, scene: Scene) -> None:
    """Lose the n-th call from now on, or its answer; whoever made it dies of that."""
    calls = count()

    def fault(name: str, moment: str) -> None:
        if (moment == "before" and next(calls) == n and when == "before") or (
            moment == "after" and when == "after" and calls.__reduce__()[1][0] == n + 1
        ):
            scene.count.fault = lambda *_: None
            raise Cut(f"{moment} {name}")

    scene.count.fault = fault


def put_more(saver: CheckpointSaver) -> None:
    put(saver, 7, values(7))


def put_again(saver: CheckpointSaver) -> None:
    put(saver, 3, {"n": "put again"})


def write_more(saver: CheckpointSaver) -> None:
    saver.put_writes(at(IDS[6]), [("docs", LARGE), ("huge", HUGE)], "task-2")


def prune(saver: CheckpointSaver) -> None:
    saver.prune(["t"])


def copy(saver: CheckpointSaver) -> None:
    saver.copy_thread("t", "copy")


def delete(saver: CheckpointSaver) -> None:
    saver.delete_thread("t")


def delete_for_runs(saver: CheckpointSaver) -> None:
    saver.delete_for_runs(["r-1"])


@pytest.mark.parametrize("most", [100, 4], ids=["in one transaction", "in several"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "act", [put_more, put_again, write_more, prune, copy, delete, delete_for_runs]
)
def test_a_call_is_lost(
    workspace: Workspace,
    backend: Any,
    act: Callable[[CheckpointSaver], None],
    when: str,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("storage.limits.MAX_ACTIONS", most)
    monkeypatch.setattr("storage.checkpoint_upkeep.MAX_ACTIONS", most)
    undisturbed = Scene(backend.workspace("undisturbed"))
    before = history(undisturbed.saver())
    act(undisturbed.saver())
    after = history(undisturbed.saver())
    copied = history(undisturbed.saver(), "copy")
    undisturbed.saver().sweep(["t", "copy"])
    kept = undisturbed.segments()

    for n in count():
        scene = Scene(backend.workspace(f"w-{n}"))
        cut_at(n, when, scene)
        try:
            act(scene.saver())
        except Cut:
            pass
        else:
            break  # there are no more calls
        found = history(scene.saver())
        assert all(state in [*before, *after] for state in found), "half a checkpoint"
        assert found[:1] in (before[:1], after[:1]), "neither the old state nor the new"
        if act in (put_more, put_again, write_more, copy) or most == 100:
            assert found in (before, after)
        half = history(scene.saver(), "copy")
        assert half[:1] in ([], copied[:1])
        assert half in ([], copied) or most < 100

        act(scene.saver())  # whoever called it, calls it again
        assert history(scene.saver()) == after
        assert history(scene.saver(), "copy") == copied
        assert scene.entries() == undisturbed.entries()
        if act is delete:
            assert not [*scene.table.query("thread/t")]
        scene.saver().sweep(["t", "copy"])
        assert scene.segments() == kept
    assert n > 1
