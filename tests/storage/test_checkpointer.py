"""The checkpointer: the official conformance suite, and what that suite leaves out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain, count
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import (
    ERROR,
    INTERRUPT,
    RESUME,
    BaseCheckpointSaver,
    create_checkpoint,
    empty_checkpoint,
)
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt

from storage.backend import Backend
from storage.checkpoint_layout import _Order
from storage.checkpointer import CheckpointSaver
from storage.workspace import Workspace
from tests.storage.counted import Count, CountedTable, Cut
from tests.storage.synchronous import Synchronous


@pytest.fixture
def saver(workspace: Workspace) -> CheckpointSaver:
    return CheckpointSaver(workspace.tables.checkpoints, workspace.buckets.state)


@pytest.mark.parametrize("way", ["asynchronous", "synchronous"])
def test_official_conformance(backend: Backend, way: str) -> None:
    numbers = count()

    @checkpointer_test(name="CheckpointSaver")
    async def make() -> AsyncIterator[BaseCheckpointSaver[Any]]:
        ports = backend.workspace(f"w-{next(numbers)}")
        saver = CheckpointSaver(ports.tables.checkpoints, ports.buckets.state)
        yield saver if way == "asynchronous" else Synchronous(saver)

    report = asyncio.run(validate(make))

    assert report.passed_all(), report.to_dict()
    assert len(report.results) == 8
    assert all(result.detected and result.passed for result in report.results.values())


def config(thread: str = "t", checkpoint: str | None = None, ns: str = "") -> Any:
    place: dict[str, Any] = {"thread_id": thread, "checkpoint_ns": ns}
    return {"configurable": place | ({"checkpoint_id": checkpoint} if checkpoint else {})}


def put(
    saver: BaseCheckpointSaver[Any],
    at: Any,
    values: dict[str, Any],
    versions: dict[str, Any],
    new: dict[str, Any] | None = None,
    **metadata: Any,
) -> Any:
    checkpoint = create_checkpoint(empty_checkpoint(), None, 1)
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = versions
    return saver.put(
        at, checkpoint, {"source": "loop", "step": 1, **metadata}, versions if new is None else new
    )


class TestPut:
    def test_unchanged_channels_are_taken_over_from_the_parent(
        self, saver: CheckpointSaver
    ) -> None:
        first = put(saver, config(), {"a": 1, "b": "x" * 9000}, {"a": 1, "b": 1})
        second = put(saver, first, {"a": 2, "b": "not looked at"}, {"a": 2, "b": 1}, {"a": 2})

        found = saver.get_tuple(second)
        assert found
        assert found.checkpoint["channel_values"] == {"a": 2, "b": "x" * 9000}
        assert found.parent_config == first

    def test_a_new_version_without_a_value_is_empty(self, saver: CheckpointSaver) -> None:
        first = put(saver, config(), {"a": 1, "b": 2}, {"a": 1, "b": 1})
        second = put(saver, first, {"a": 1}, {"a": 1, "b": 2}, {"b": 2})

        found = saver.get_tuple(second)
        assert found
        assert found.checkpoint["channel_values"] == {"a": 1}

    def test_branches_that_reach_the_same_version_keep_their_values(
        self, saver: CheckpointSaver
    ) -> None:
        root = put(saver, config(), {"a": "root"}, {"a": 1})
        left = put(saver, root, {"a": "left"}, {"a": 2})
        right = put(saver, root, {"a": "right"}, {"a": 2})

        for at, value in ((left, "left"), (right, "right"), (root, "root")):
            found = saver.get_tuple(at)
            assert found
            assert found.checkpoint["channel_values"] == {"a": value}

    def test_one_that_is_put_again_changes_no_other(self, saver: CheckpointSaver) -> None:
        docs = ["a document " * 50] * 3
        first = put(saver, config(), {"docs": docs}, {"docs": 1})
        second = put(saver, first, {"docs": docs, "n": 1}, {"docs": 1, "n": 1}, {"n": 1})
        again: Any = empty_checkpoint() | {"id": first["configurable"]["checkpoint_id"]}
        again |= {"channel_values": {"docs": ["another"]}, "channel_versions": {"docs": 1}}
        saver.put(config(), again, {}, {"docs": 1})
        third = put(saver, second, {"docs": docs, "n": 2}, {"docs": 1, "n": 2}, {"n": 2})

        assert saver.get_tuple(first).checkpoint["channel_values"] == {"docs": ["another"]}  # type: ignore[union-attr]
        for n, at in enumerate((second, third), start=1):
            found = saver.get_tuple(at)
            assert found
            assert found.checkpoint["channel_values"] == {"docs": docs, "n": n}

    @pytest.mark.parametrize("size", [10, 5_000, 350_000, 1_200_000])
    def test_values_of_any_size(self, saver: CheckpointSaver, size: int) -> None:
        at = put(saver, config(), {"a": "x" * size}, {"a": 1})
        saver.put_writes(at, [("a", "y" * size)], "task")

        found = saver.get_tuple(at)
        assert found
        assert found.checkpoint["channel_values"]["a"] == "x" * size
        assert found.pending_writes == [("task", "a", "y" * size)]

    def test_any_number_of_channels(self, saver: CheckpointSaver) -> None:
        values = {f"c{n}": f"{n}" * 1000 for n in range(300)}
        first = put(saver, config(), values, dict.fromkeys(values, 1))
        second = put(saver, first, values, dict.fromkeys(values, 1), {})
        saver.put_writes(second, list(values.items()), "task")

        found = saver.get_tuple(second)
        assert found
        assert found.checkpoint["channel_values"] == values
        assert {channel: value for _, channel, value in found.pending_writes or ()} == values

    def test_metadata_has_the_run_and_not_the_place(self, saver: CheckpointSaver) -> None:
        at = config()
        at["configurable"]["run_id"] = "r-1"
        at["metadata"] = {"who": "me\0"}
        found = saver.get_tuple(put(saver, at, {}, {}))

        assert found
        assert found.metadata == {"source": "loop", "step": 1, "run_id": "r-1", "who": "me"}  # type: ignore[comparison-overlap]

    @pytest.mark.parametrize("thread", ["a/b", "ü" * 300, "", " ", "%2F", "x/../y", "\n"])
    def test_a_thread_id_may_hold_anything(self, saver: CheckpointSaver, thread: str) -> None:
        put(saver, config("other"), {"a": 0}, {"a": 1})
        put(saver, config(thread), {"a": 1}, {"a": 1})

        found = saver.get_tuple(config(thread))
        assert found
        assert found.checkpoint["channel_values"] == {"a": 1}
        assert {t.config["configurable"]["thread_id"] for t in saver.list(None)} == {
            "other",
            thread,
        }
        saver.delete_thread(thread)
        assert saver.get_tuple(config(thread)) is None
        assert saver.get_tuple(config("other"))


@pytest.mark.parametrize("size", [1, 400])
@pytest.mark.parametrize("key", [lambda n: (n, n), lambda n: n])
def test_the_keys_of_a_mapping_keep_their_types(
    saver: CheckpointSaver, key: Callable[[int], Any], size: int
) -> None:
    grid = {key(n): f"what stands in {n}" * size for n in range(30)}
    at = put(saver, config(), {"grid": grid}, {"grid": 1})
    found = saver.get_tuple(at)
    assert found
    assert found.checkpoint["channel_values"]["grid"] == grid
    types = [type(name) for name in found.checkpoint["channel_values"]["grid"]]
    assert types == [type(name) for name in grid]


def test_a_checkpoint_put_upon_itself_is_what_was_put(saver: CheckpointSaver) -> None:
    docs = ["a document " * 50] * 3
    at = put(saver, config(), {"docs": docs}, {"docs": 1})
    again: Any = empty_checkpoint() | {"id": at["configurable"]["checkpoint_id"]}
    again |= {"channel_values": {"docs": docs}, "channel_versions": {"docs": 1}}
    saver.put(at, again, {}, {})
    found = saver.get_tuple(at)
    assert found
    assert found.checkpoint["channel_values"] == {"docs": docs}


DOCS = [f"document {n} " * 40 for n in range(6)]
LARGE = "large " * 2000


def latest(saver: CheckpointSaver) -> dict[str, Any]:
    """Return the values of the latest checkpoint of the thread."""
    found = saver.get_tuple(config())
    assert found
    return found.checkpoint["channel_values"]


def gone_on(saver: CheckpointSaver, at: Any, values: Any, versions: dict[str, Any]) -> None:
    """Put so many checkpoints that one query does not bring the first along with the latest."""
    for n in range(12):
        new = versions if n == 0 else {}
        at = put(saver, at, values, versions, new, run_id="later")


class TestAnotherProcess:
    """Works on a thread in between, with a memory of its own."""

    @pytest.fixture
    def other(self, workspace: Workspace) -> CheckpointSaver:
        return CheckpointSaver(workspace.tables.checkpoints, workspace.buckets.state)

    def test_may_prune_a_thread(self, saver: CheckpointSaver, other: CheckpointSaver) -> None:
        docs = [f"document {n} " * 40 for n in range(6)]
        at = put(saver, config(), {"docs": docs, "list": docs}, {"docs": 1, "list": 1})
        for n in range(3):
            values = {"docs": docs, "list": [*docs, *map(str, range(n))]}
            at = put(saver, at, values, {"docs": 1, "list": n + 2}, {"list": n + 2})
        other.prune(["t"])
        assert saver.get_tuple(config())
        values = {"docs": docs, "list": [*docs, "more"]}
        put(saver, at, values, {"docs": 1, "list": 9}, {"list": 9})

        for each in (saver, other):
            found = each.get_tuple(config())
            assert found
            assert found.checkpoint["channel_values"] == values

    def test_may_delete_a_thread_that_begins_again(
        self, saver: CheckpointSaver, other: CheckpointSaver
    ) -> None:
        for _ in range(2):
            put(saver, config(), {"a": 1}, {"a": 1}, run_id="r")
            assert len(list(saver.list(None))) == 1
            other.delete_for_runs(["r"])
            assert not list(saver.list(None))

    def test_may_delete_what_an_older_checkpoint_refers_to(
        self, saver: CheckpointSaver, other: CheckpointSaver
    ) -> None:
        first = put(saver, config(), {"docs": DOCS}, {"docs": 1}, run_id="first")
        fork = put(saver, first, {"docs": DOCS}, {"docs": 1}, {}, run_id="second")
        gone_on(saver, fork, {"docs": ["others"]}, {"docs": 2})
        other.delete_for_runs(["first"])
        assert saver.get_tuple(config())
        gone_on(saver, fork, {"docs": DOCS}, {"docs": 1})

        for each in (saver, other):
            assert latest(each) == {"docs": DOCS}

    def test_may_put_a_checkpoint_again(
        self, saver: CheckpointSaver, other: CheckpointSaver
    ) -> None:
        at = put(saver, config(), {"docs": DOCS}, {"docs": 1})
        assert latest(other) == {"docs": DOCS}
        again: Any = empty_checkpoint() | {"id": at["configurable"]["checkpoint_id"]}
        again |= {"channel_values": {"docs": DOCS[:3]}, "channel_versions": {"docs": 2}}
        saver.put(config(), again, {}, {"docs": 2})
        gone_on(saver, at, {"docs": DOCS[:3]}, {"docs": 2})

        assert latest(other) == {"docs": DOCS[:3]}

    def test_may_write_a_checkpoint_anew_because_it_deletes_another(
        self, saver: CheckpointSaver, other: CheckpointSaver
    ) -> None:
        first = put(saver, config(), {"docs": DOCS}, {"docs": 1}, run_id="first")
        at = put(saver, first, {"docs": DOCS}, {"docs": 1}, {}, run_id="second")
        assert latest(other) == {"docs": DOCS}
        saver.delete_for_runs(["first"])
        longer = [*DOCS, "one more"]
        gone_on(saver, at, {"docs": longer}, {"docs": 2})

        assert latest(other) == {"docs": longer}

    def test_may_put_a_checkpoint_of_the_same_id_when_the_thread_is_gone(
        self, saver: CheckpointSaver, other: CheckpointSaver
    ) -> None:
        at = put(saver, config(), {"docs": DOCS}, {"docs": 1})
        other.delete_thread("t")
        again: Any = empty_checkpoint() | {"id": at["configurable"]["checkpoint_id"]}
        again |= {"channel_values": {"docs": DOCS[::-1]}, "channel_versions": {"docs": 1}}
        other.put(config(), again, {}, {"docs": 1})
        assert latest(saver) == {"docs": DOCS[::-1]}
        gone_on(saver, at, {"docs": DOCS[::-1], "a": 1}, {"docs": 1, "a": 2})

        for each in (saver, other):
            assert latest(each) == {"docs": DOCS[::-1], "a": 1}

    def test_may_copy_a_thread_again(self, saver: CheckpointSaver, other: CheckpointSaver) -> None:
        put(saver, config("source"), {"docs": DOCS}, {"docs": 1})
        saver.copy_thread("source", "t")
        found = saver.get_tuple(config())
        assert found
        saver.put_writes(found.config, [("answer", LARGE)], "task")
        other.delete_thread("t")
        other.copy_thread("source", "t")
        assert latest(saver) == {"docs": DOCS}
        answered = {"docs": DOCS, "answer": LARGE}
        put(saver, found.config, answered, {"docs": 1, "answer": 2}, {"answer": 2})

        for each in (saver, other):
            assert latest(each) == answered

    def test_may_sweep_what_a_call_has_left_that_is_made_again(
        self, workspace: Workspace, other: CheckpointSaver
    ) -> None:
        counted = Count()
        table: Any = CountedTable(workspace.tables.checkpoints, counted)
        saver = CheckpointSaver(table, workspace.buckets.state)
        at = put(saver, config(), {"a": 1}, {"a": 1})

        def fail(name: str, when: str) -> None:
            if (name, when) == ("put", "before"):
                raise Cut

        counted.fault = fail
        with pytest.raises(Cut):
            saver.put_writes(at, [("a", "large " * 2000)], "task")
        counted.fault = lambda *_: None
        other.sweep(["t"])
        saver.put_writes(at, [("a", "large " * 2000)], "task")
        found = other.get_tuple(at)
        assert found
        assert found.pending_writes == [("task", "a", "large " * 2000)]

    def test_writes_stand_in_the_order_in_which_they_were_made(self) -> None:
        mine, others = _Order(), _Order()
        numbers = []
        for order in (mine, others, mine, mine, others):
            numbers.append(order.next())
            time.sleep(0.001)
        assert numbers == sorted(set(numbers))


def test_a_thread_whose_first_checkpoint_was_cut_off_expires(workspace: Workspace) -> None:
    counted = Count()
    table: Any = CountedTable(workspace.tables.checkpoints, counted)
    saver = CheckpointSaver(table, workspace.buckets.state)

    def fail(name: str, when: str) -> None:
        if (name, when) == ("put", "before"):
            raise Cut

    counted.fault = fail
    with pytest.raises(Cut):
        put(saver, config(), {"a": "large " * 2000}, {"a": 1})
    counted.fault = lambda *_: None
    assert saver.expire(60) == []
    assert saver.expire(-2) == ["t"]
    assert not [*table.query("thread/t"), *table.query("threads")]


class TestPutWrites:
    def test_a_task_counts_once_by_whatever_path_it_comes(self, saver: CheckpointSaver) -> None:
        at = put(saver, config(), {"a": 1}, {"a": 1})
        saver.put_writes(at, [("a", "first")], "task", "path")
        saver.put_writes(at, [("a", "second")], "task", "another")
        assert saver.get_tuple(at).pending_writes == [("task", "a", "first")]  # type: ignore[union-attr]

    def test_of_regular_writes_the_first_stands_of_special_ones_the_last(
        self, saver: CheckpointSaver
    ) -> None:
        at = put(saver, config(), {}, {})
        saver.put_writes(at, [("a", 1), (INTERRUPT, "first")], "task")
        saver.put_writes(at, [("a", 2), ("b", 3), (INTERRUPT, "last"), (RESUME, "r")], "task")

        found = saver.get_tuple(at)
        assert found
        assert found.pending_writes == [
            ("task", RESUME, "r"),
            ("task", INTERRUPT, "last"),
            ("task", "a", 1),
            ("task", "b", 3),
        ]

    def test_they_come_back_in_the_order_of_live_execution(self, saver: CheckpointSaver) -> None:
        at = put(saver, config(), {}, {})
        saver.put_writes(at, [("c", "third")], "id-a", task_path="~2")
        saver.put_writes(at, [("c", "second"), ("d", "then")], "id-z", task_path="~1")
        saver.put_writes(at, [("c", "first")], "id-m")

        found = saver.get_tuple(at)
        assert found
        assert [value for _, _, value in found.pending_writes or ()] == [
            "first",
            "second",
            "then",
            "third",
        ]

    def test_an_error_does_not_displace_a_write(self, saver: CheckpointSaver) -> None:
        at = put(saver, config(), {}, {})
        saver.put_writes(at, [(ERROR, "boom")], "task")
        saver.put_writes(at, [("a", 1)], "task")

        found = saver.get_tuple(at)
        assert found
        assert found.pending_writes == [("task", ERROR, "boom"), ("task", "a", 1)]


class TestList:
    def test_over_threads_and_namespaces(self, saver: CheckpointSaver) -> None:
        ids = [
            put(saver, config(t, ns=ns), {}, {}, step=n)["configurable"]["checkpoint_id"]
            for n, (t, ns) in enumerate([("t", ""), ("t", "child"), ("u", ""), ("t", "")])
        ]

        def listed(*args: Any, **options: Any) -> list[int]:
            return [ids.index(t.checkpoint["id"]) for t in saver.list(*args, **options)]

        assert sorted(listed(None)) == [0, 1, 2, 3]
        assert listed({"configurable": {"thread_id": "t"}}) == [3, 1, 0]
        assert listed(config("t")) == [3, 0]
        assert listed(config("t", ns="child")) == [1]
        assert listed(config("t"), before=config("t", ids[3])) == [0]
        assert listed(config("t"), limit=1) == [3]
        assert listed(config("t"), filter={"step": 0}, limit=1) == [0]
        assert listed(config("t", ids[0])) == [0]
        assert listed(None, filter={"step": 2}) == [2]
        assert listed(config("t"), limit=0) == []


class TestUpkeep:
    def test_delete_thread_leaves_nothing(
        self, saver: CheckpointSaver, workspace: Workspace
    ) -> None:
        at = config("t")
        at["configurable"]["run_id"] = "r-1"
        at = put(saver, at, {"a": "x" * 400_000, "b": "y" * 9_000}, {"a": 1, "b": 1})
        saver.put_writes(at, [("a", "z" * 500_000)], "task")

        saver.delete_thread("t")

        table, blobs = workspace.tables.checkpoints, workspace.buckets.state
        assert list(saver.list(None)) == []
        for pk in ("threads", "run/r-1", "thread/t"):
            assert list(table.query(pk)) == []
        assert list(blobs.list()) == []

    def test_prune_keeps_the_values_of_what_it_keeps(self, saver: CheckpointSaver) -> None:
        first = put(saver, config(), {"a": "x" * 9000, "b": "old" * 9000}, {"a": 1, "b": 1})
        last = put(saver, first, {"a": 0, "b": "new"}, {"a": 1, "b": 2}, {"b": 2})

        saver.prune(["t"])

        (left,) = saver.list(config())
        assert left.config == last
        assert left.checkpoint["channel_values"] == {"a": "x" * 9000, "b": "new"}

    def test_deleting_a_run_keeps_what_others_took_over(self, saver: CheckpointSaver) -> None:
        at = config()
        at["configurable"]["run_id"] = "r-1"
        first = put(saver, at, {"a": "x" * 9000}, {"a": 1})
        first["configurable"]["run_id"] = "r-2"
        put(saver, first, {"b": 2}, {"a": 1, "b": 1}, {"b": 1})

        saver.delete_for_runs(["r-1"])

        (left,) = saver.list(config())
        assert left.checkpoint["channel_values"] == {"a": "x" * 9000, "b": 2}

    def test_a_copy_stands_alone(self, saver: CheckpointSaver) -> None:
        at = put(saver, config("t"), {"a": "x" * 400_000}, {"a": 1})
        saver.put_writes(at, [("a", "y" * 9000)], "task")

        saver.copy_thread("t", "copy")
        saver.delete_thread("t")

        found = saver.get_tuple(config("copy"))
        assert found
        assert found.checkpoint["channel_values"] == {"a": "x" * 400_000}
        assert found.pending_writes == [("task", "a", "y" * 9000)]


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], DeltaChannel(lambda old, new: [*old, *chain(*new)])]


def _chat() -> StateGraph[Chat]:
    def ask(state: Chat) -> dict[str, Any]:
        said = interrupt({"heard": state["messages"][-1].content})
        return {"messages": [AIMessage(said)], "log": [f"said {said}"]}

    def note(state: Chat) -> dict[str, Any]:
        return {"log": [f"{len(state['messages'])} messages"]}

    graph = StateGraph(Chat).add_node("ask", ask).add_node("note", note)
    return graph.add_edge(START, "note").add_edge("note", "ask").add_edge("ask", END)


@pytest.fixture(params=["ours", "reference"])
def any_saver(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Any]:
    if request.param == "reference":
        yield InMemorySaver()
    else:
        ports = backend.workspace("default")
        yield CheckpointSaver(ports.tables.checkpoints, ports.buckets.state)


def test_a_conversation_with_interrupts_and_a_delta_channel(any_saver: Any) -> None:
    """A real graph over several turns: the reference and ours hold the same at each step."""
    graph = _chat().compile(checkpointer=any_saver)
    at = {"configurable": {"thread_id": "chat"}}
    for turn in range(3):
        graph.invoke({"messages": [HumanMessage(f"question {turn}")]}, at)  # type: ignore[call-overload]
        (asked,) = graph.get_state(at).interrupts  # type: ignore[arg-type]
        assert asked.value == {"heard": f"question {turn}"}
        graph.invoke(Command(resume={asked.id: f"answer {turn}"}), at)  # type: ignore[call-overload]

    values = graph.get_state(at).values  # type: ignore[arg-type]
    assert [message.content for message in values["messages"]] == [
        "question 0",
        "answer 0",
        "question 1",
        "answer 1",
        "question 2",
        "answer 2",
    ]
    assert values["log"] == [
        entry for turn in range(3) for entry in (f"{2 * turn + 1} messages", f"said answer {turn}")
    ]
    history = list(graph.get_state_history(at))  # type: ignore[arg-type]
    assert [len(state.values.get("messages", ())) for state in history] == [
        *(6, 5, 5, 4),
        *(4, 3, 3, 2),
        *(2, 1, 1, 0),
    ]
    any_saver.prune(["chat"]) if isinstance(any_saver, CheckpointSaver) else None
    assert graph.get_state(at).values["log"] == values["log"]  # type: ignore[arg-type]
