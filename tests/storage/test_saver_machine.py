"""The checkpointer against a plain model: whatever is put, edited, forked, pruned or restarted.

The model keeps deep copies in dictionaries. Where LangGraph's own `InMemorySaver` has the operation
it is asked too, so that the model is no opinion of ours.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import INTERRUPT, RESUME, create_checkpoint, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver

from storage import (
    channels,
    checkpoint_reading,
    checkpoint_upkeep,
    ropes,
    saver_memory,
    segments,
    trees,
)
from storage import limits as limits_of_ports
from storage.backend import Backend, open_aws, open_embedded
from storage.checkpointer import CheckpointSaver
from storage.ports import Blobs, Table
from tests.aws import Aws

THREADS = ["t", "ü/%\n😀"]
NAMESPACES = ["", "sub", "sub:1f0a"]
RUNS = ["r-1", "r-2"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LARGE = st.integers(0, 3).map(lambda n: f"{n}" * 5_000)
SCALAR = st.one_of(
    TEXT, LARGE, st.integers(-9, 9), st.booleans(), st.none(), st.floats(allow_nan=False)
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MESSAGE = st.builds(
    lambda kind, text, extra, n: kind(text, id=f"m{n}", additional_kwargs=extra),
    st.sampled_from([HumanMessage, AIMessage]),
    TEXT | LARGE,
    st.dictionaries(TEXT, st.integers(0, 1) | st.booleans() | st.lists(TEXT), max_size=2),
    st.integers(0, 9),
)
ELEMENT = MESSAGE | VALUE
EDITS = ("append", "extend", "insert", "replace", "remove", "trim", "reverse", "clear", "in place")


@dataclass
class Kept:
    """A checkpoint of the model."""

    id: str
    parent: str | None
    checkpoint: dict[str, Any]
    metadata: dict[str, Any]
    writes: dict[tuple[str, str, int], tuple[str, Any]] = field(default_factory=dict)

    @property
    def pending(self) -> list[tuple[str, str, Any]]:
        return [(at[1], *self.writes[at]) for at in sorted(self.writes)]


Model = dict[tuple[str, str], dict[str, Kept]]


def changed_in_place(element: Any, what: Any) -> None:
    """Change an element itself, if it can be."""
    if isinstance(element, HumanMessage | AIMessage):
        element.additional_kwargs["touched"] = what
    elif isinstance(element, dict):
        element["touched"] = what
    elif isinstance(element, list):
        element.append(what)


def edited(value: list[Any], how: str, at: int, what: Any) -> list[Any]:
    """Return a list as a reducer would leave it; "in place" changes an element itself."""
    at = at % len(value) if value else 0
    if how == "in place":
        changed_in_place(value[at] if value else None, what)
        return value
    return {
        "append": [*value, what],
        "extend": [*value, *[what] * 40],
        "insert": [*value[:at], what, *value[at:]],
        "replace": [*value[:at], what, *value[at + 1 :]],
        "remove": [*value[:at], *value[at + 1 :]],
        "trim": value[at:],
        "reverse": value[::-1],
        "clear": [],
    }[how]


class SaverMachine(RuleBasedStateMachine):
    """Drives the saver and the model with the same calls."""

    def __init__(self, table: Table, blobs: Blobs) -> None:
        super().__init__()
        self.table, self.blobs = table, blobs
        self.saver, self.other = CheckpointSaver(table, blobs), CheckpointSaver(table, blobs)
        self.peer = InMemorySaver()
        self.model: Model = {}
        self.apart: set[str] = set()  # threads on which something was done that the peer cannot do
        self.versions = 0
        self.live_values: dict[str, dict[str, Any]] = {}

    def place(self, thread: str, ns: str, checkpoint_id: str | None = None) -> Any:
        place = {"thread_id": thread, "checkpoint_ns": ns}
        return {"configurable": place | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}

    def chosen(self, data: st.DataObject) -> tuple[str, str, Kept]:
        thread, ns = data.draw(st.sampled_from(sorted(at for at in self.model if self.model[at])))
        line = self.model[thread, ns]
        # Mostly at the end of the line, as a graph does; sometimes a fork.
        ids = sorted(line)
        return thread, ns, line[data.draw(st.sampled_from([*ids, *[ids[-1]] * 8]))]

    def put(
        self, thread: str, ns: str, parent: Kept | None, changes: dict[str, Any], run: str
    ) -> None:
        checkpoint: Any = create_checkpoint(empty_checkpoint(), None, len(changes))
        old: dict[str, Any] = parent.checkpoint if parent else {}
        checkpoint["channel_versions"] = dict(old.get("channel_versions", {}))
        checkpoint["channel_values"] = dict(self.live(parent))
        for name, value in changes.items():
            self.versions += 1
            checkpoint["channel_versions"][name] = self.versions
            checkpoint["channel_values"].pop(name, None)
            if value is not ...:
                checkpoint["channel_values"][name] = value
        new = {name: checkpoint["channel_versions"][name] for name in changes}
        at = self.place(thread, ns, parent.id if parent else None)
        metadata: Any = {"source": "loop", "step": self.versions % 3, "run_id": run}
        self.saver.put(at, checkpoint, metadata, new)
        self.peer.put(at, copy.deepcopy(checkpoint), metadata, new)
        kept = Kept(
            checkpoint["id"], parent.id if parent else None, copy.deepcopy(checkpoint), metadata
        )
        self.live_values = {kept.id: checkpoint["channel_values"]}
        self.model.setdefault((thread, ns), {})[kept.id] = kept

    def live(self, parent: Kept | None) -> dict[str, Any]:
        """Return the values as a graph at work holds them: the very objects, if it goes on."""
        if parent is None:
            return {}
        stored: dict[str, Any] = copy.deepcopy(parent.checkpoint["channel_values"])
        return self.live_values.get(parent.id, stored)

    @rule(
        thread=st.sampled_from(THREADS),
        ns=st.sampled_from(NAMESPACES),
        values=st.dictionaries(st.sampled_from("abc"), VALUE | st.lists(ELEMENT), max_size=3),
        run=st.sampled_from(RUNS),
    )
    def begin(self, thread: str, ns: str, values: dict[str, Any], run: str) -> None:
        """As a graph does, and a nested one within a step of the graph around it."""
        self.saver.get_tuple(self.place(thread, ns))
        if ns:
            root = self.model.get((thread, ""), {})
            self.put(thread, "", root[max(root)] if root else None, {}, run)
        self.put(thread, ns, None, values, run)

    def some(self) -> bool:
        return any(self.model.values())

    def grown(self) -> bool:
        """Say whether there is something to lose: what is deleted at once shows nothing."""
        return any(len(line) > 3 for line in self.model.values())

    @precondition(some)
    @rule(
        data=st.data(),
        name=st.sampled_from("abc"),
        edits=st.lists(
            st.tuples(st.sampled_from(EDITS), st.integers(0, 60), ELEMENT), min_size=1, max_size=8
        ),
        run=st.sampled_from(RUNS),
    )
    def edit(self, data: Any, name: str, edits: list[tuple[str, int, Any]], run: str) -> None:
        for how, at, what in edits:
            thread, ns, parent = self.chosen(data)
            value = self.live(parent).get(name)
            value = value if isinstance(value, list) else []
            self.put(thread, ns, parent, {name: edited(value, how, at, what)}, run)

    @precondition(some)
    @rule(
        data=st.data(),
        values=st.dictionaries(st.sampled_from("abcd"), VALUE | st.just(...), max_size=3),
        run=st.sampled_from(RUNS),
    )
    def overwrite(self, data: Any, values: dict[str, Any], run: str) -> None:
        thread, ns, parent = self.chosen(data)
        self.put(thread, ns, parent, values, run)

    @precondition(some)
    @rule(
        data=st.data(),
        task=st.sampled_from(["task-1", "task-2"]),
        writes=st.lists(st.tuples(st.sampled_from("ab"), ELEMENT), max_size=3),
        special=st.sampled_from([None, INTERRUPT, RESUME]),
    )
    def write(
        self, data: Any, task: str, writes: list[tuple[str, Any]], special: str | None
    ) -> None:
        thread, ns, kept = self.chosen(data)
        at = self.place(thread, ns, kept.id)
        if special:
            writes = [(special, writes[0][1] if writes else 1)]
        path = {"task-1": "~2", "task-2": "~1"}[task]
        self.saver.put_writes(at, writes, task, path)
        self.peer.put_writes(at, copy.deepcopy(writes), task, path)
        for n, (channel, value) in enumerate(writes):
            index = {INTERRUPT: -3, RESUME: -4}.get(channel, n)
            if index < 0 or (path, task, index) not in kept.writes:
                kept.writes[path, task, index] = (channel, copy.deepcopy(value))

    @precondition(grown)
    @rule(data=st.data())
    def put_again(self, data: Any) -> None:
        """The same id with another value: what others took over from it stays."""
        thread, ns, kept = self.chosen(data)
        self.apart.add(thread)
        kept.checkpoint["channel_values"] = {"a": "put again"}
        kept.checkpoint["channel_versions"] = {"a": 1_000_000 + self.versions}
        self.live_values = {}
        at = self.place(thread, ns, kept.parent)
        checkpoint: Any = copy.deepcopy(kept.checkpoint)
        self.saver.put(at, checkpoint, kept.metadata, checkpoint["channel_versions"])  # type: ignore[arg-type]

    def by(self, another: bool) -> CheckpointSaver:
        """Return the saver of this process, or of another one."""
        return self.other if another else self.saver

    @precondition(grown)
    @rule(thread=st.sampled_from(THREADS), another=st.booleans())
    def delete_thread(self, thread: str, another: bool) -> None:
        self.by(another).delete_thread(thread)
        self.peer.delete_thread(thread)
        for at in [each for each in self.model if each[0] == thread]:
            del self.model[at]
        self.apart.discard(thread)

    @precondition(grown)
    @rule(run=st.sampled_from(RUNS), another=st.booleans())
    def delete_for_runs(self, run: str, another: bool) -> None:
        self.by(another).delete_for_runs([run])
        for at, line in self.model.items():
            gone = [i for i in line if line[i].metadata["run_id"] == run]
            for checkpoint_id in gone:
                self.apart.add(at[0])
                del line[checkpoint_id]

    @precondition(grown)
    @rule(thread=st.sampled_from(THREADS), another=st.booleans())
    def prune(self, thread: str, another: bool) -> None:
        self.by(another).prune([thread])
        for (of, _), line in self.model.items():
            if of == thread and line:
                self.apart.add(thread)
                for checkpoint_id in sorted(line)[:-1]:
                    del line[checkpoint_id]

    @precondition(grown)
    @rule(another=st.booleans())
    def copy_thread(self, another: bool) -> None:
        """The copy replaces what the other thread was, and goes its own way from there."""
        source, target = THREADS
        self.delete_thread(target, another)
        self.by(another).copy_thread(source, target)
        self.apart.add(target)
        for of, ns in [at for at in self.model if at[0] == source]:
            self.model[target, ns] = copy.deepcopy(self.model[of, ns])

    @precondition(grown)
    @rule()
    def restart(self) -> None:
        """Another process goes on, with nothing in memory."""
        self.saver = CheckpointSaver(self.table, self.blobs)
        self.live_values = {}

    @precondition(grown)
    @rule()
    def another_process(self) -> None:
        """Work goes on in another process, which remembers how it left the threads."""
        self.saver, self.other = self.other, self.saver
        self.live_values = {}

    @precondition(grown)
    @rule(another=st.booleans())
    def sweep(self, another: bool) -> None:
        self.by(another).sweep(THREADS)

    @rule()
    def nothing_expires_that_is_young(self) -> None:
        assert self.saver.expire(3600) == []

    @rule(
        cold=st.booleans(), limit=st.none() | st.integers(1, 5), step=st.none() | st.integers(0, 2)
    )
    def everything_is_listed(self, cold: bool, limit: int | None, step: int | None) -> None:
        saver = CheckpointSaver(self.table, self.blobs) if cold else self.saver
        wanted = {} if step is None else {"step": step}
        for (thread, ns), line in self.model.items():
            found = list(saver.list(self.place(thread, ns), filter=wanted, limit=limit))
            kept = [line[i] for i in sorted(line, reverse=True)]
            matching = [k for k in kept if step in (None, k.metadata["step"])][:limit]
            assert [f.config["configurable"]["checkpoint_id"] for f in found] == [
                k.id for k in matching
            ]
            for each, known in zip(found, matching, strict=True):
                self.same(each, known)
        everywhere = {(k.id, ns) for (_, ns), line in self.model.items() for k in line.values()}
        listed = list(saver.list(None))
        assert len(listed) == sum(map(len, self.model.values()))
        assert {(self.at(f, "checkpoint_id"), self.at(f, "checkpoint_ns")) for f in listed} == (
            everywhere
        )

    def at(self, found: Any, part: str) -> str:
        return str(found.config["configurable"][part])

    @invariant()
    def the_latest_is_what_was_put_last(self) -> None:
        for (thread, ns), line in self.model.items():
            found = self.saver.get_tuple(self.place(thread, ns))
            if not line:
                assert found is None
                continue
            assert found is not None
            self.same(found, line[max(line)])
            if thread not in self.apart:
                peer = self.peer.get_tuple(self.place(thread, ns))
                assert peer is not None
                self.same(peer, line[max(line)])

    def same(self, found: Any, kept: Kept) -> None:
        assert strict(found.checkpoint) == strict(kept.checkpoint)
        assert strict(found.metadata) == strict(kept.metadata)
        assert strict([tuple(write) for write in found.pending_writes]) == strict(kept.pending)
        parent = found.parent_config and found.parent_config["configurable"]["checkpoint_id"]
        assert parent == kept.parent

    def teardown(self) -> None:
        """Deleting threads, or their expiry, leaves nothing behind: no item and no object."""
        self.saver.delete_thread(THREADS[0])
        self.saver.expire(-3600)
        rows = [self.table.query(pk) for pk in ("threads", *(f"run/{run}" for run in RUNS))]
        assert [row for found in rows for row in found] == []
        assert list(self.blobs.list()) == []
        assert list(self.saver.list(None)) == []


def strict(value: Any) -> Any:
    """Return a value such that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {name: strict(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(strict, value)]
    if hasattr(value, "model_dump"):
        return type(value).__name__, strict(value.model_dump())
    return type(value).__name__, value


@contextmanager
def on(backend: Backend) -> Iterator[Callable[[], SaverMachine]]:
    counter = iter(range(1_000_000))

    def make() -> SaverMachine:
        workspace = backend.workspace(f"w{next(counter)}")
        return SaverMachine(workspace.tables.checkpoints, workspace.buckets.state)

    yield make


def play(backend: Backend, examples: int, steps: int) -> None:
    with on(backend) as make:
        run_machine(
            make,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],  # to shrink takes minutes; add it to look at a failure
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.fixture
def everything_is_cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring the ends of items, pages, segments and transactions within reach of short lines."""
    for module, limits in (
        (ropes, {"MOST_HOPS": 2, "LOOSE_BYTES": 200, "MOST_PIECES": 4, "FANOUT": 2}),
        (ropes, {"INLINE_BYTES": 32, "SEGMENT_BYTES": 300}),
        (trees, {"LARGE_BYTES": 64}),
        (segments, {"ITEM_BYTES": 600}),
        (channels, {"ITEM_BYTES": 600}),
        (checkpoint_reading, {"_ROWS_WARM": 2, "_ROWS_COLD": 3, "MOST_HOPS": 2}),
        (saver_memory, {"CACHE_BYTES": 4_000, "_KNOWN_ELEMENTS": 100}),
        (checkpoint_upkeep, {"MAX_ACTIONS": 6}),
        (limits_of_ports, {"MAX_ACTIONS": 6}),
    ):
        for name, value in limits.items():
            monkeypatch.setattr(module, name, value)


EXAMPLES = pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.slow)])


@EXAMPLES
def test_it_is_the_model_embedded(examples: int) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(open_embedded(Path(folder))) as backend:
        play(backend, examples, 50)


@EXAMPLES
@pytest.mark.usefixtures("everything_is_cut_small")
def test_it_is_the_model_where_everything_is_cut_small(examples: int) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(open_embedded(Path(folder))) as backend:
        play(backend, examples, 50)


@pytest.mark.parametrize("examples", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_it_is_the_model_on_aws(examples: int, aws: Aws) -> None:
    with closing(open_aws(aws.names.prefix, aws.names.account)) as backend:
        play(backend, examples, 50)
