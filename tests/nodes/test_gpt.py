"""The client for GPT-4o alone: strict forms, whole streams, waits; and the rules it is held to."""

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, SecretStr

from nodes.analyst import MOST_BYTES, analyst
from nodes.gpt import GPT, open_gpt
from nodes.models import Recorded, fill, messages_for, usage_of
from nodes.state import DraftReply, MemoReply, PlanReply, ReviewReply
from storage.errors import ModelError, Unavailable
from storage.recordings import Recordings
from storage.records import Passage
from storage.workspace import Workspace
from tests.openai_rules import problems_of, schema_problems
from tests.openai_server import (
    KEY,
    Fault,
    OpenAIServer,
    broken,
    failing,
    limited,
    refusing,
    serving,
)
from tests.scripted import Scripted, calls

from .conftest import MakeContext, Notes, on_record, runtime, state

ASKED = messages_for("supervisor", {"question": "On what notice may the tenant terminate?"})


@pytest.fixture
def service() -> Iterator[OpenAIServer]:
    with serving() as server:
        yield server


def gpt(service: OpenAIServer, **changes: Any) -> GPT:
    options = {"key": SecretStr(KEY), "base_url": service.url, "timeout": 5.0, "retries": 1}
    return open_gpt("gpt-4o", **{**options, **changes})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been waited, in seconds."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("nodes.gpt.asyncio", SimpleNamespace(sleep=sleep))
    return slept


class TestForms:
    @pytest.mark.parametrize("form", [PlanReply, DraftReply, ReviewReply, MemoReply])
    def test_a_form_is_bound_so_that_strict_mode_takes_it(
        self, service: OpenAIServer, form: type[BaseModel]
    ) -> None:
        bound: Any = gpt(service).bind_tools([form], tool_choice=form.__name__)
        (tool,) = bound.kwargs["tools"]
        assert tool["function"]["strict"] is True
        assert [*schema_problems(tool["function"]["parameters"])] == []
        assert bound.kwargs["parallel_tool_calls"] is False

    def test_what_langchain_makes_of_a_form_is_not_enough(self) -> None:
        made = convert_to_openai_tool(ReviewReply, strict=True)["function"]["parameters"]
        assert any("'default' is not permitted" in each for each in schema_problems(made))

    def test_a_field_may_be_called_as_a_keyword(self, service: OpenAIServer) -> None:
        class Odd(BaseModel):
            default: str
            title: int = 3

        bound: Any = gpt(service).bind_tools([Odd])
        parameters = bound.kwargs["tools"][0]["function"]["parameters"]
        assert sorted(parameters["properties"]) == ["default", "title"]
        assert "default" not in parameters["properties"]["title"]

    def test_a_form_is_filled_in(self, service: OpenAIServer) -> None:
        plan = asyncio.run(fill(gpt(service), PlanReply, ASKED))
        assert plan.agents == ["librarian", "analyst"]
        assert service.problems == []


class TestWaiting:
    @pytest.mark.parametrize(
        ("headers", "waited"),
        [
            ({"retry_after": "7"}, 7.0),
            ({"retry_after_ms": "250"}, 0.25),
            ({"retry_after": "-3"}, 0.0),
            ({"retry_after": "soon"}, pytest.approx(0.44, abs=0.07)),
        ],
    )
    def test_as_long_as_the_service_asks(
        self, service: OpenAIServer, waits: list[float], headers: dict[str, str], waited: float
    ) -> None:
        service.fails(limited(**headers))
        asyncio.run(fill(gpt(service), PlanReply, ASKED))
        assert waits == [waited]

    def test_longer_each_time_if_it_does_not_say(
        self, service: OpenAIServer, waits: list[float]
    ) -> None:
        service.fails(failing(500), times=9)
        with pytest.raises(Unavailable, match=r"\(500\)"):
            asyncio.run(fill(gpt(service, retries=6), PlanReply, ASKED))
        longest = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
        assert all(0.75 * m <= w <= m for w, m in zip(waits, longest, strict=True))

    @pytest.mark.parametrize(
        ("asked", "after"), [("90", 90.0), ("inf", 3600.0), ("99999999", 3600.0)]
    )
    def test_not_for_longer_than_a_minute(
        self, service: OpenAIServer, waits: list[float], asked: str, after: float
    ) -> None:
        service.fails(limited(retry_after=asked))
        with pytest.raises(Unavailable) as caught:
            asyncio.run(fill(gpt(service), PlanReply, ASKED))
        assert caught.value.after == after
        assert waits == []

    def test_not_at_all_where_it_is_of_no_use(
        self, service: OpenAIServer, waits: list[float]
    ) -> None:
        service.fails(failing(500, x_should_retry="false"))
        with pytest.raises(Unavailable):
            asyncio.run(fill(gpt(service), PlanReply, ASKED))
        assert len(service.requests) == 1


class Drafts(AsyncCallbackHandler):
    """Sees the drafts, and how many responses were on the record when each came."""

    def __init__(self, recordings: Recordings) -> None:
        self.recordings = recordings
        self.seen: list[int] = []

    async def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.seen.append(len(on_record(self.recordings)))


class TestStreams:
    @pytest.fixture
    def recordings(self, workspace: Workspace) -> Recordings:
        return Recordings(workspace.tables.runs, workspace.buckets.state, "r-1")

    def recorded(self, service: OpenAIServer, recordings: Recordings) -> Recorded:
        return Recorded(inner=gpt(service), recordings=recordings, journal=Notes())

    def test_drafts_go_to_callbacks_and_the_whole_is_recorded_before_it_is_used(
        self, service: OpenAIServer, recordings: Recordings
    ) -> None:
        service.fails(Fault(reply=AIMessage("word " * 50)))
        drafts = Drafts(recordings)

        async def chunks() -> list[tuple[str, int]]:
            stream = self.recorded(service, recordings).astream(ASKED, {"callbacks": [drafts]})
            return [(str(chunk.text), len(on_record(recordings))) async for chunk in stream]

        given = [chunk for chunk in asyncio.run(chunks()) if chunk[0]]
        assert given == [("word " * 50, 1)]
        assert len(drafts.seen) > 5
        assert set(drafts.seen[:-1]) == {0}

    def test_langgraph_shows_drafts_in_its_stream_mode_for_messages(
        self, service: OpenAIServer, recordings: Recordings
    ) -> None:
        model = self.recorded(service, recordings)

        async def node(given: MessagesState) -> dict[str, Any]:
            return {"messages": [await model.ainvoke(given["messages"])]}

        async def drafts() -> list[str]:
            graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
            stream = graph.compile().astream({"messages": ASKED}, stream_mode="messages")
            return [chunk.text async for chunk, _ in stream if chunk.text]

        service.fails(Fault(reply=AIMessage("word " * 50)))
        shown = asyncio.run(drafts())
        assert len(shown) > 5
        assert "".join(shown) == "word " * 50

    def test_a_stream_has_its_tokens(self, service: OpenAIServer) -> None:
        message = asyncio.run(gpt(service).ainvoke(ASKED))
        assert usage_of(message).input_tokens == service.usage[0]["prompt_tokens"]
        assert usage_of(message).cached_tokens > 0

    def test_a_cut_stream_is_an_error_also_to_who_streams(self, service: OpenAIServer) -> None:
        async def drain() -> None:
            async for _ in gpt(service).astream(ASKED):
                pass

        service.fails(Fault(reply=AIMessage("word " * 50), cut="ended"))
        with pytest.raises(ModelError, match="no whole response"):
            asyncio.run(drain())
        service.fails(broken())
        with pytest.raises(Unavailable):
            asyncio.run(drain())

    @pytest.mark.parametrize("fault", [refusing("No."), Fault(finish="length")])
    def test_a_reply_that_cannot_be_used_was_paid_for_and_is_recorded(
        self, service: OpenAIServer, recordings: Recordings, fault: Fault
    ) -> None:
        service.fails(fault)
        for _ in range(2):  # a crash between them
            with pytest.raises(ModelError):
                asyncio.run(fill(self.recorded(service, recordings), PlanReply, ASKED))
        assert len(service.requests) == 1
        assert len(on_record(recordings)) == 1


PARTS = [
    *("choices", "delta", "content", "role", "tool_calls", "index", "id", "function", "name"),
    *("arguments", "usage", "prompt_tokens", "completion_tokens", "model", "error"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(PARTS), inner),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def lasting() -> Iterator[tuple[OpenAIServer, GPT]]:
    with serving() as server:
        yield server, gpt(server, retries=0)


@given(where=st.sampled_from(PARTS), odd=JSON, cut=st.booleans())
@settings(deadline=None, max_examples=60)
def test_whatever_the_service_sends_is_a_message_or_an_error_of_ours(
    lasting: tuple[OpenAIServer, GPT], where: str, odd: Any, cut: bool
) -> None:
    server, model = lasting
    server.mends()
    server.fails(Fault(body=events(where, odd, cut)))
    try:
        message = asyncio.run(model.ainvoke(ASKED))
    except (ModelError, Unavailable):
        return
    assert isinstance(message, AIMessage)
    assert not cut
    usage_of(message)


def events(where: str, odd: Any, cut: bool) -> bytes:
    """A stream in good form but for one part of it, which is odd."""
    call = {"index": 0, "id": "a", "function": {"name": "F", "arguments": "{}"}}
    delta: dict[str, Any] = {"role": "assistant", "content": "x", "tool_calls": [call]}
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None}
    usage: dict[str, Any] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    first = {"id": "x", "model": "gpt-4o", "choices": [choice], "usage": None}
    last = {"id": "x", "model": "gpt-4o", "choices": [], "usage": usage}
    for part in (first, last, choice, delta, usage, call, call["function"]):
        if where in part:
            part[where] = odd  # type: ignore[index]
    end = {**first, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    sent = [first, last] if cut else [first, end, last]
    if where == "error":
        sent.insert(0, {"error": odd})
    return b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in sent)


def test_a_model_that_reasons_is_given_no_temperature(service: OpenAIServer) -> None:
    options: Any = {"key": SecretStr(KEY), "base_url": service.url, "timeout": 1, "retries": 0}
    assert open_gpt("gpt-4o", **options).temperature == 0
    assert open_gpt("o3-mini", **options).temperature is None


def test_an_analyst_is_given_no_more_than_a_model_reads_at_once(context: MakeContext) -> None:
    given: list[int] = []

    def script(agent: str, form: str, payload: dict[str, Any]) -> Any:
        given.append(len(payload["passages"]))
        return {"claims": []}

    about: Any = {"document_id": "d", "document": "d", "sha256": "s", "page": 1}
    passage = Passage(**about, start=0, end=1000, text="條" * 1000)
    asyncio.run(analyst(state(passages=[passage] * 500), runtime(context(script))))
    assert given == [MOST_BYTES // 3000]


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "?"}


def form(schema: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {"type": "object", "additionalProperties": False, **schema}
    whole.setdefault("required", [*whole.get("properties", {})])
    tool = {"type": "function", "function": {"name": "F", "strict": True, "parameters": whole}}
    return {"tools": [tool], "parallel_tool_calls": False, **changes}


class TestRules:
    """That the service on loopback refuses what the live one would; or it would prove nothing."""

    @pytest.mark.parametrize(
        ("wrong", "why"),
        [
            ({"temprature": 1}, "temprature"),
            ({"temperature": "0"}, "temperature"),
            ({"messages": [{"role": "user"}]}, "content"),
            ({"messages": [{**USER, "nme": "x"}]}, "nme"),
            ({"messages": [{**USER, "name": "a b"}]}, "no name"),
            ({"messages": [{"role": "tool", "content": "", "tool_call_id": "a"}]}, "answers no"),
            ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "nothing answers"),
            ({"messages": [{"role": "assistant", "tool_calls": [CALL]}, USER]}, "comes before"),
            ({"messages": [{**USER, "content": "x" * 600_000}]}, "context"),
            (form({}, tool_choice={"type": "function", "function": {"name": "G"}}), "no tool"),
            (form({}, parallel_tool_calls=True), "parallel"),
            (form({"additionalProperties": True}), "additionalProperties"),
            (form({"properties": {"a": {"type": "string"}}, "required": []}), "required"),
            (form({"properties": {"a": {"type": "string", "default": ""}}}), "default"),
            (form({"properties": {"a": {"type": "string", "minLength": 1}}}), "minLength"),
            (form({"properties": {"a": {"type": "string", "format": "uri"}}}), "format"),
            (form({"properties": {"a": {}}}), "no type"),
            (form({"properties": {"a": {"type": "array"}}}), "items"),
            (form({"properties": {"a": {"$ref": "#/$defs/B"}}}), "nowhere"),
            (form({"properties": {"a": {"anyOf": [{"type": "object"}]}}}), "additionalProperties"),
        ],
    )
    def test_a_wrong_request_is_refused(self, wrong: dict[str, Any], why: str) -> None:
        right: dict[str, Any] = {"model": "gpt-4o", "messages": [USER]}
        assert problems_of(right) == []
        assert why in "; ".join(problems_of({**right, **wrong}))


def test_a_scripted_model_is_bound_without_what_only_openai_knows() -> None:
    """Forms are bound plainly to any other model."""
    model = Scripted(script=lambda *_: calls(("PlanReply", {"question": "Q", "agents": []})))
    assert "strict" not in str(model.bind_tools([PlanReply]).kwargs["tools"])
