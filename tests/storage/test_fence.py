"""A worker that lost its lease can still write, and changes nothing."""

import uuid
from typing import Any

import pytest
from langgraph.checkpoint.base import CheckpointTuple, create_checkpoint, empty_checkpoint

from storage import fence
from storage.checkpoint_layout import partition
from storage.errors import ConditionFailed, LeaseLost, Unavailable
from storage.fence import FencedSaver, open_fence, record_fence
from storage.limits import MAX_SK_BYTES
from storage.ports import Item
from storage.workspace import Workspace

THREAD = "t"


def config(checkpoint: str | None = None, ns: str = "") -> Any:
    place: dict[str, Any] = {"thread_id": THREAD, "checkpoint_ns": ns}
    return {"configurable": place | ({"checkpoint_id": checkpoint} if checkpoint else {})}


def put(saver: FencedSaver, at: Any, value: str) -> Any:
    checkpoint = create_checkpoint(empty_checkpoint(), None, 1)
    checkpoint["channel_values"] = {"a": value}
    checkpoint["channel_versions"] = {"a": checkpoint["id"]}
    return saver.put(at, checkpoint, {"step": 1}, {"a": checkpoint["id"]})


def claim(workspace: Workspace, epoch: int) -> FencedSaver:
    """Become the owner of the thread, as a worker does."""
    table = workspace.tables.checkpoints
    table.transact([open_fence(THREAD, epoch)])
    fences = record_fence(table, THREAD, epoch)
    return FencedSaver(table, workspace.buckets.state, epoch=epoch, fences=fences)


def latest(saver: FencedSaver, ns: str = "") -> CheckpointTuple:
    found = saver.get_tuple(config(ns=ns))
    assert found
    return found


def values(saver: FencedSaver) -> list[str]:
    return [t.checkpoint["channel_values"]["a"] for t in saver.list(config())]


@pytest.fixture
def reader(workspace: Workspace) -> FencedSaver:
    return FencedSaver(workspace.tables.checkpoints, workspace.buckets.state)


def test_an_owner_goes_on_from_what_the_last_one_left(
    workspace: Workspace, reader: FencedSaver
) -> None:
    old = claim(workspace, 1)
    first = put(old, config(), "first")
    old.put_writes(first, [("a", "done")], "task-1")

    new = claim(workspace, 2)
    assert latest(new).config == first
    assert latest(new).pending_writes == [("task-1", "a", "done")]
    put(new, first, "second")

    assert values(new) == values(reader) == ["second", "first"]


def test_a_late_checkpoint_never_becomes_the_state(
    workspace: Workspace, reader: FencedSaver
) -> None:
    old = claim(workspace, 1)
    first = put(old, config(), "first")
    new = claim(workspace, 2)
    late = put(old, first, "late, before the new owner has written")
    assert latest(new).config == latest(reader).config == first

    second = put(new, first, "second")
    later = put(old, late, "late, after it")

    assert latest(new).config == latest(reader).config == second
    assert values(new) == values(reader) == ["second", "first"]
    assert new.get_tuple(late) is None
    assert reader.get_tuple(later) is None
    newest = claim(workspace, 3)
    assert values(newest) == ["second", "first"]


def test_late_writes_never_become_the_state(workspace: Workspace, reader: FencedSaver) -> None:
    old = claim(workspace, 1)
    first = put(old, config(), "first")
    old.put_writes(first, [("a", "in time")], "task-1")
    new = claim(workspace, 2)
    old.put_writes(first, [("a", "late")], "task-2")
    old.put_writes(first, [("a", "late too")], "task-1")
    new.put_writes(first, [("a", "again")], "task-2")

    expected = [("task-1", "a", "in time"), ("task-2", "a", "again")]
    assert latest(new).pending_writes == latest(reader).pending_writes == expected
    # Nor do they for the one after, who finds them all in the table.
    assert latest(claim(workspace, 3)).pending_writes == expected


def test_of_a_wide_step_each_write_counts_that_came_in_time(
    workspace: Workspace, reader: FencedSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tasks have finished than an item could name."""
    monkeypatch.setattr(fence, "PART_ENTRIES", 3)
    old = claim(workspace, 1)
    first = put(old, config(), "first")
    nested = [put(old, config(ns=f"node:{n}"), f"nested {n}") for n in range(5)]
    for n in range(8):
        old.put_writes(first, [("a", n)], f"task-{n}")

    new = claim(workspace, 2)
    old.put_writes(first, [("a", "late")], "task-8")
    put(old, nested[4], "late")

    for saver in (new, reader, claim(workspace, 3)):
        found = latest(saver).pending_writes or []
        assert sorted(found) == [(f"task-{n}", "a", n) for n in range(8)]
        assert [latest(saver, f"node:{n}").config for n in range(5)] == nested
    reader.delete_thread(THREAD)
    assert list(workspace.tables.checkpoints.query(partition(THREAD))) == []


def test_what_a_fence_holds_fits_into_items(workspace: Workspace) -> None:
    """By the longest keys that there are."""
    table = workspace.tables.checkpoints
    writes = [f"{n:04d}".ljust(MAX_SK_BYTES, "x") for n in range(2 * fence.PART_ENTRIES)]
    heads = {sk[:1000]: str(uuid.uuid4()) for sk in writes}
    for body in fence._bodies(heads, writes):
        table.put(Item(partition(THREAD), "p/x", body))


def test_an_owner_that_died_before_it_recorded_its_fence_accepts_nothing(
    workspace: Workspace,
) -> None:
    old = claim(workspace, 1)
    first = put(old, config(), "first")
    workspace.tables.checkpoints.transact([open_fence(THREAD, 2)])
    second = put(old, first, "still in time: nobody has read yet")

    new = claim(workspace, 3)
    assert latest(new).config == second


def test_an_owner_that_stopped_before_its_fence_records_nothing_later(
    workspace: Workspace, reader: FencedSaver
) -> None:
    """It would record what a newer owner has written by then, and let old items pass by that."""
    first = claim(workspace, 1)
    kept = put(first, config(), "kept")
    table = workspace.tables.checkpoints
    table.transact([open_fence(THREAD, 2)])  # the owner of epoch 2 stops here

    third = claim(workspace, 3)
    put(first, kept, "late")
    new = put(third, kept, "new")
    with pytest.raises(LeaseLost):
        record_fence(table, THREAD, 2)  # it wakes up
    assert latest(reader).config == new
    assert values(reader) == ["new", "kept"]


def test_a_nested_graph_is_fenced_in_its_namespace(workspace: Workspace) -> None:
    old = claim(workspace, 1)
    root = put(old, config(), "root")
    nested = put(old, config(ns="node:task"), "nested")
    new = claim(workspace, 2)
    put(old, config(nested["configurable"]["checkpoint_id"], ns="node:task"), "late")
    assert latest(new, "node:task").config == nested

    put(new, root, "next")
    newest = claim(workspace, 3)
    assert latest(newest, "node:task").config == nested


def test_an_epoch_is_claimed_once(workspace: Workspace) -> None:
    claim(workspace, 1)
    with pytest.raises(ConditionFailed):
        claim(workspace, 1)


def test_history_before_a_copy_is_kept(workspace: Workspace, reader: FencedSaver) -> None:
    source = claim(workspace, 1)
    put(source, put(source, config(), "first"), "second")
    source.copy_thread(THREAD, "copy")

    table = workspace.tables.checkpoints
    table.transact([open_fence("copy", 1)])
    record_fence(table, "copy", 1)
    found = [
        t.checkpoint["channel_values"]["a"]
        for t in reader.list({"configurable": {"thread_id": "copy"}})
    ]
    assert found == ["second", "first"]


def test_a_clock_that_is_behind_costs_time_not_truth(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = claim(workspace, 1)
    first = put(old, config(), "first")
    slept: list[float] = []
    now = fence.time.time()
    monkeypatch.setattr(fence.time, "sleep", slept.append)
    monkeypatch.setattr(fence.time, "time", lambda: now - 20)
    claim(workspace, 2)
    assert 15 < slept[0] < 25

    monkeypatch.setattr(fence.time, "time", lambda: now - 3600)
    with pytest.raises(Unavailable, match="clock"):
        claim(workspace, 3)
    assert uuid.UUID(first["configurable"]["checkpoint_id"]).version == 6


def test_a_nested_checkpoint_that_comes_after_the_fence_is_not_read(workspace: Workspace) -> None:
    """Its namespace had no head when the fence was recorded."""
    old = claim(workspace, 1)
    put(old, config(), "root")
    new = claim(workspace, 2)
    put(old, config(ns="node:task"), "late")
    assert new.get_tuple(config(ns="node:task")) is None
