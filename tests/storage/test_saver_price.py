"""What the checkpointer writes and reads: only what changed, however long the thread is."""

import operator
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import START, MessagesState, StateGraph

from storage.checkpointer import CheckpointSaver
from storage.workspace import Workspace
from tests.storage.counted import Count, CountedBlobs, CountedTable

AT: Any = {"configurable": {"thread_id": "t"}}
WORDS = Path(__file__).parents[2].joinpath("LICENSE").read_text().split()


def text(chance: random.Random, size: int) -> str:
    said = ""
    while len(said) < size:
        said += f"{chance.choice(WORDS)} {chance.randrange(1000) if chance.random() < 0.1 else ''}"
    return said[:size]


class Stage:
    """A saver that is counted."""

    def __init__(self, workspace: Workspace) -> None:
        self.count = Count()
        self.table: Any = CountedTable(workspace.tables.checkpoints, self.count)
        self.blobs: Any = CountedBlobs(workspace.buckets.state, self.count)

    def saver(self, **options: Any) -> CheckpointSaver:
        """Return a saver with nothing in memory."""
        self.count.clear()
        return CheckpointSaver(self.table, self.blobs, **options)


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    return Stage(workspace)


def chat(saver: Any, chance: random.Random) -> Any:
    def say(_: Any) -> Any:
        return {"messages": [AIMessage(text(chance, 600))]}

    return (
        StateGraph(MessagesState).add_node(say).add_edge(START, "say").compile(checkpointer=saver)
    )


def talk(graph: Any, chance: random.Random, turns: int, **options: Any) -> None:
    for _ in range(turns):
        graph.invoke({"messages": [HumanMessage(text(chance, 200))]}, AT, **options)


class TestAThreadOfMessages:
    def test_a_turn_costs_the_same_at_every_length(self, stage: Stage) -> None:
        chance = random.Random(1)
        graph = chat(stage.saver(), chance)
        talk(graph, chance, 10)
        for _ in range(2):
            stage.count.clear()
            talk(graph, chance, 30)
            assert stage.count.units <= 30 * 6
            assert stage.count.writes <= 30 * 5.5
            assert stage.count.reads <= 30

    def test_so_does_one_that_is_kept_at_its_end_only(self, stage: Stage) -> None:
        chance = random.Random(1)
        graph = chat(stage.saver(), chance)
        talk(graph, chance, 20, durability="exit")
        stage.count.clear()
        talk(graph, chance, 20, durability="exit")
        assert stage.count.units <= 2 * 20

    def test_the_latest_is_read_in_three_calls_cold_and_in_one_warm(self, stage: Stage) -> None:
        chance = random.Random(1)
        graph = chat(stage.saver(), chance)
        talk(graph, chance, 40)
        warm = graph.get_state(AT)
        cold = stage.saver()
        assert cold.get_tuple(AT).checkpoint["channel_values"] == warm.values  # type: ignore[union-attr]
        assert stage.count.reads <= 3
        stage.count.clear()
        cold.get_tuple(AT)
        assert stage.count.reads == 1

    def test_its_history_reads_each_segment_once(self, stage: Stage) -> None:
        chance = random.Random(1)
        live = chat(stage.saver(), chance)
        talk(live, chance, 60)
        lengths = [len(s.values.get("messages", ())) for s in live.get_state_history(AT)]

        read = list(chat(stage.saver(), chance).get_state_history(AT))
        assert [len(state.values.get("messages", ())) for state in read] == lengths
        assert set(stage.count.read_segments.values()) == {1}
        assert stage.count.reads < 20

    def test_a_filter_reads_no_values_of_what_does_not_match(self, stage: Stage) -> None:
        chance = random.Random(1)
        talk(chat(stage.saver(), chance), chance, 20)
        saver = stage.saver()
        assert list(saver.list(AT, filter={"step": 1_000})) == []
        assert not stage.count.read_segments
        assert len(list(saver.list(AT, filter={"step": 0}))) == 1

    def test_threads_and_runs_are_found_by_one_item_each(self, stage: Stage) -> None:
        chance = random.Random(1)
        saver = stage.saver()
        graph = chat(saver, chance)
        for thread in ("a", "b"):
            for _ in range(3):
                at: Any = {"configurable": {"thread_id": thread, "run_id": f"run of {thread}"}}
                graph.invoke({"messages": [HumanMessage("hi")]}, at)
        assert len(list(stage.table.query("threads"))) == 2
        assert len(list(stage.table.query("run/run%20of%20a"))) == 1
        saver.delete_for_runs(["run of a"])
        assert {f.config["configurable"]["thread_id"] for f in saver.list(None)} == {"b"}


class Docs(TypedDict):
    docs: list[str]
    by_name: dict[str, str]
    n: int


def test_what_is_large_and_does_not_change_is_written_once(stage: Stage) -> None:
    chance = random.Random(2)
    docs = [str(n) + chance.randbytes(25_000).hex() for n in range(20)]
    builder = StateGraph(Docs).add_node("step", lambda state: {"n": state["n"] + 1})
    graph: Any = builder.add_edge(START, "step").compile(checkpointer=stage.saver())
    graph.invoke({"docs": docs, "by_name": {d[:9]: d for d in docs}, "n": 0}, AT)
    for _ in range(16):
        graph.invoke({"n": 1}, AT)
    graph.invoke({"docs": docs[::-1], "n": 1}, AT)

    assert len(stage.count.written_segments) == 20
    assert set(stage.count.written_segments.values()) == {1}
    cold = StateGraph(Docs).add_node("step", lambda state: state).add_edge(START, "step")
    found = cold.compile(checkpointer=stage.saver()).get_state(AT)
    assert found.values == {"docs": docs[::-1], "by_name": {d[:9]: d for d in docs}, "n": 2}


def _one_is_replaced(messages: list[AnyMessage]) -> list[AnyMessage]:
    return [HumanMessage("replaced", id=messages[len(messages) // 2].id)]


def _one_is_removed(messages: list[AnyMessage]) -> list[AnyMessage]:
    return [RemoveMessage(id=str(messages[3].id))]


def _the_start_is_trimmed(messages: list[AnyMessage]) -> list[AnyMessage]:
    return [RemoveMessage(id=str(message.id)) for message in messages[:10]]


def _one_is_changed_in_place(messages: list[AnyMessage]) -> list[AnyMessage]:
    messages[7].additional_kwargs["seen"] = True
    return [messages[7]]


@pytest.mark.parametrize(
    "edit",
    [_one_is_replaced, _one_is_removed, _the_start_is_trimmed, _one_is_changed_in_place],
)
def test_of_an_edited_list_only_what_changed_is_written(
    stage: Stage, edit: Callable[[list[AnyMessage]], list[AnyMessage]]
) -> None:
    chance = random.Random(3)
    saver = stage.saver()
    graph = chat(saver, chance)
    talk(graph, chance, 60)
    stage.count.clear()
    graph.update_state(AT, {"messages": edit(graph.get_state(AT).values["messages"])})
    assert stage.count.units <= 3
    live = graph.get_state(AT).values
    assert chat(stage.saver(), chance).get_state(AT).values == live


def test_a_fork_writes_what_is_its_own(stage: Stage) -> None:
    chance = random.Random(4)
    graph = chat(stage.saver(), chance)
    talk(graph, chance, 40)
    states = list(graph.get_state_history(AT))
    old = next(s for s in states if s.metadata["step"] == 40)
    stage.count.clear()
    graph.invoke({"messages": [HumanMessage("another way")]}, old.config)
    assert stage.count.written < 12_000
    found = chat(stage.saver(), chance).get_state(AT).values["messages"]
    assert [m.content for m in found[:-2]] == [m.content for m in old.values["messages"]]
    assert found[-2].content == "another way"


class Log(TypedDict):
    log: Annotated[list[str], DeltaChannel(lambda old, new: [*old, *(x for w in new for x in w)])]
    total: Annotated[int, operator.add]


def six_writers(saver: Any) -> Any:
    builder = StateGraph(Log)
    for n in range(6):
        builder.add_node(
            f"w{n}", lambda s, n=n: {"log": [f"{n} after {len(s['log'])}"], "total": 1}
        )
        builder.add_edge(START, f"w{n}")
    return builder.compile(checkpointer=saver)


class TestDeltaChannels:
    def test_many_writers_and_many_runs_read_back_as_they_were(self, stage: Stage) -> None:
        graph = six_writers(stage.saver())
        live: Any = {}
        for n in range(50):
            live = graph.invoke({"log": [f"run {n}"]}, AT)
        assert live["total"] == 300
        for saver in (graph.checkpointer, stage.saver()):
            stage.count.clear()
            assert six_writers(saver).get_state(AT).values == live
            assert stage.count.reads <= 2

    @pytest.mark.parametrize("what", ["prune", "copy", "delete_for_runs"])
    def test_no_upkeep_cuts_a_chain(self, stage: Stage, what: str) -> None:
        saver = stage.saver()
        graph = six_writers(saver)
        for n in range(5):
            at: Any = {"configurable": {"thread_id": "t", "run_id": f"r-{n}"}}
            live = graph.invoke({"log": [f"run {n}"]}, at)
        at = AT
        match what:
            case "prune":
                saver.prune(["t"])
            case "copy":
                saver.copy_thread("t", "other")
                at = {"configurable": {"thread_id": "other"}}
            case _:
                saver.delete_for_runs(["r-1", "r-2"])
        assert six_writers(stage.saver()).get_state(at).values == live
        again = graph.invoke({"log": ["more"]}, at)
        assert again["log"][: len(live["log"])] == live["log"]


class TestSizes:
    def test_large_values_many_writes_and_large_states(self, stage: Stage) -> None:
        chance = random.Random(5)
        saver = stage.saver()

        class Wide(TypedDict):
            parts: Annotated[list[bytes], operator.add]
            one: bytes

        builder = StateGraph(Wide)
        for n in range(30):
            builder.add_node(
                f"w{n}", lambda _, n=n: {"parts": [random.Random(n).randbytes(100_000)]}
            )
            builder.add_edge(START, f"w{n}")
        graph: Any = builder.compile(checkpointer=saver)
        one = chance.randbytes(1_000_000)
        live = graph.invoke(
            {"parts": [chance.randbytes(1_000_000) for _ in range(17)], "one": one}, AT
        )
        assert sum(map(len, live["parts"])) == 20_000_000
        assert builder.compile(checkpointer=stage.saver()).get_state(AT).values == live
        saver.delete_thread("t")
        assert list(stage.blobs.list()) == []

    def test_a_thread_of_five_megabytes(self, stage: Stage) -> None:
        chance = random.Random(6)
        graph: Any = chat(stage.saver(), chance)
        long = [HumanMessage(text(chance, 1_000)) for _ in range(5_000)]
        graph.update_state(AT, {"messages": long})
        stage.count.clear()
        talk(graph, chance, 1)
        assert stage.count.units <= 20
        found = chat(stage.saver(), chance).get_state(AT).values["messages"]
        assert [m.content for m in found[:-2]] == [m.content for m in long]


def test_more_may_be_read_than_is_kept_in_memory(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.saver_memory.CACHE_BYTES", 2_000)
    chance = random.Random(10)
    graph = chat(stage.saver(), chance)
    talk(graph, chance, 30)
    graph.update_state(AT, {"messages": [HumanMessage(chance.randbytes(20_000).hex())]})
    live = graph.get_state(AT).values
    assert chat(stage.saver(), chance).get_state(AT).values == live
    assert len(live["messages"]) == 61


class Xor(CipherProtocol):
    """Not for secrets; never twice the same, as a cipher with a nonce."""

    def __init__(self) -> None:
        self.nonce = random.Random(7)

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        key = self.nonce.randrange(1, 256)
        return "xor", bytes([key, *(b ^ key for b in plaintext)])

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "xor"
        return bytes(b ^ ciphertext[0] for b in ciphertext[1:])


class TestSerializers:
    def test_what_is_encrypted_and_unchanged_is_not_written_again(self, stage: Stage) -> None:
        chance = random.Random(8)
        serde = EncryptedSerializer(Xor())
        builder = StateGraph(Docs).add_node("step", lambda state: {"n": state["n"] + 1})
        graph: Any = builder.add_edge(START, "step").compile(checkpointer=stage.saver(serde=serde))
        docs = ["secret " + text(chance, 9_000) for _ in range(5)]
        for n in range(3):
            graph.invoke({"docs": docs, "n": n}, AT)
        assert set(stage.count.written_segments.values()) == {1}
        rows = [*stage.table.query("thread/t")]
        assert b"secret" not in b"".join(cast(bytes, row.body["b"]) for row in rows)
        found = builder.compile(checkpointer=stage.saver(serde=serde)).get_state(AT)
        assert found.values["docs"] == docs
        with pytest.raises(ValueError, match="encrypted"):
            stage.saver().get_tuple(AT)

    def test_types_that_are_allowed_are_kept_and_others_are_not_made(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pickle.loads", lambda *_: pytest.fail("something is unpickled"))
        chance = random.Random(9)
        talk(chat(stage.saver(), chance), chance, 1)
        found = stage.saver().with_allowlist([]).get_tuple(AT)
        assert found
        kinds = [type(m) for m in found.checkpoint["channel_values"]["messages"]]
        assert kinds == [HumanMessage, AIMessage]


def test_savers_of_one_table_may_be_used_from_many_threads(stage: Stage) -> None:
    """Each its thread of conversation, over one saver and its memory."""
    saver = stage.saver()
    wrong: list[Any] = []

    def converse(name: str) -> None:
        chance = random.Random(name)
        at: Any = {"configurable": {"thread_id": name}}
        graph = chat(saver, chance)
        for n in range(12):
            graph.invoke({"messages": [HumanMessage(f"{name} {n}")]}, at)
        said = [m.content for m in graph.get_state(at).values["messages"][::2]]
        wrong.extend([] if said == [f"{name} {n}" for n in range(12)] else [said])

    threads = [threading.Thread(target=converse, args=(f"t{n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


def test_lists_of_anything_are_told_apart(stage: Stage) -> None:
    """Values that are equal in Python and are not the same."""

    class Values(TypedDict):
        values: Annotated[Sequence[Any], lambda _, new: new]

    graph: Any = (
        StateGraph(Values)
        .add_node("n", lambda _: {})
        .add_edge(START, "n")
        .compile(checkpointer=stage.saver())
    )
    for values in ([1, 2], [True, 2], [1.0, 2], [{"a": 0.0}], [{"a": -0.0}], ["1"], [b"1"]):
        graph.update_state(AT, {"values": values})
        found = stage.saver().get_tuple(AT)
        assert found
        assert repr(found.checkpoint["channel_values"]["values"]) == repr(values)
