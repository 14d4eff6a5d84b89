"""OpenAI's chat completions on loopback: strict about what it gets, and answered by any model.

A request is checked as the live service would check it: against openai's own types, the rules of
strict schemas, and the order of messages. What is wrong is answered with a 400 and kept in
`problems`. Answers come from a LangChain model (the offline one, unless told otherwise) and leave
as openai's own types. Faults are scripted: `server.fails(limited(), agent="analyst")`.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, convert_to_messages
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from nodes.offline import OfflineModel
from tests.openai_rules import problems_of

KEY: Final = "sk-test-4f9a1c7e2b8d6035"
MODEL: Final = "gpt-4o"
SERVED: Final = "gpt-4o-2024-08-06"
PIECE: Final = 40
"""Characters in a chunk of a stream."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """How a request goes wrong. What is left at its default goes well."""

    status: int = 200
    error: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent instead of an answer."""
    cut: str = ""
    """`ended`: the stream ends early, in good form; `dropped`: so does the connection."""
    told: Json = field(default_factory=dict)
    """An error that comes within the stream."""
    hangs: float = 0.0
    """Seconds without a word, but for signs of life, after half of a stream."""
    finish: str = ""
    """Half the answer, and this `finish_reason`."""
    reply: AIMessage | None = None
    """Said instead of what the model says."""


def failing(status: int, code: str = "", text: str = "No.", **headers: str) -> Fault:
    error = {"message": text, "type": "error", "param": None, "code": code or None}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status=status, error=error, headers=names)


def limited(**headers: str) -> Fault:
    return failing(429, "rate_limit_exceeded", "Slow down.", **(headers or {"retry_after": "0"}))


def broken() -> Fault:
    return failing(500, text="The server had an error.", retry_after="0")


def refusing(text: str) -> Fault:
    return Fault(reply=AIMessage("", additional_kwargs={"refusal": text}))


@dataclass
class OpenAIServer:
    """The service: where it is, what it was asked, and what it is to do wrong."""

    url: str = ""
    model: BaseChatModel = field(default_factory=OfflineModel)
    requests: list[Json] = field(default_factory=list)
    """The bodies of all requests, in order, those that failed among them."""
    answered: list[str] = field(default_factory=list)
    """The agents that were given a whole answer, in order."""
    usage: list[Json] = field(default_factory=list)
    """What each whole answer was said to cost."""
    problems: list[str] = field(default_factory=list)
    """What was wrong with requests that should have been right."""
    faults: list[tuple[Fault, str]] = field(default_factory=list)

    def fails(self, *faults: Fault, agent: str = "", times: int = 1) -> None:
        """Let the next requests fail, or those of one agent."""
        self.faults += [(fault, agent) for _ in range(times) for fault in faults]

    def mends(self) -> None:
        """Let nothing fail any more."""
        self.faults.clear()

    @property
    def asked(self) -> list[str]:
        """The agents that asked, in order."""
        return [agent_of(body) for body in self.requests]

    def _fault(self, body: Json) -> Fault:
        for n, (fault, agent) in enumerate(self.faults):
            if agent in ("", agent_of(body)):
                del self.faults[n]
                return fault
        return Fault()

    def answer(self, body: Json, key: str) -> tuple[Fault, Json]:
        """Return how a request goes wrong, and what it is answered."""
        self.requests.append(body)
        fault = self._fault(body)
        if fault.status != 200:
            return fault, {}
        if key != f"Bearer {KEY}":
            said = f"Incorrect API key provided: {key.removeprefix('Bearer ')}."
            return failing(401, "invalid_api_key", said), {}
        if wrong := problems_of(body):
            self.problems += wrong
            return failing(400, "invalid_request", "; ".join(wrong)), {}
        if body["model"] not in (MODEL, SERVED):
            said = f"The model `{body['model']}` does not exist or you do not have access to it."
            return failing(404, "model_not_found", said), {}
        message = fault.reply or self._ask(body)
        return fault, completion(body, message, fault.finish)

    def _ask(self, body: Json) -> AIMessage:
        choice = body.get("tool_choice")
        named = choice["function"]["name"] if isinstance(choice, dict) else choice
        tools = {"tools": body["tools"]} if body.get("tools") else {}
        messages = convert_to_messages(body["messages"])
        result = self.model._generate(messages, tool_choice=named, **tools)
        message = result.generations[0].message
        assert isinstance(message, AIMessage)
        return message


def agent_of(body: Json) -> str:
    """Return the agent that asks, by the JSON of the first message of the user."""
    said = next((m["content"] for m in body["messages"] if m["role"] == "user"), "{}")
    try:
        return str(json.loads(said).get("agent", ""))
    except ValueError:
        return ""


def completion(body: Json, message: AIMessage, finish: str) -> Json:
    """Return an answer as the live service gives it."""
    forced = isinstance(body.get("tool_choice"), dict)
    wanted = [(call["name"], json.dumps(call["args"])) for call in message.tool_calls]
    wanted += [(call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]
    calls = [
        {
            "id": f"call_{n:024d}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for n, (name, arguments) in enumerate(wanted)
    ]
    said: Json = {"role": "assistant", "content": message.text or None, "refusal": None}
    said |= message.additional_kwargs
    if calls:
        said["tool_calls"] = calls
    prompt, out = len(json.dumps(body["messages"])) // 4, len(json.dumps(said)) // 4
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": out,
        "total_tokens": prompt + out,
        "prompt_tokens_details": {"cached_tokens": prompt // 2, "audio_tokens": 0},
    }
    choice = {
        "index": 0,
        "message": said,
        "finish_reason": finish or ("tool_calls" if calls and not forced else "stop"),
        "logprobs": None,
    }
    whole = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": SERVED,
            "choices": [choice],
            "usage": usage,
        },
        strict=True,
    )
    return whole.model_dump(mode="json", exclude_unset=True)


def chunks(whole: Json, body: Json, *, half: bool) -> Iterator[Json]:
    """Yield an answer in the chunks of a stream; `half` of it, where it ends before its time."""
    choice = whole["choices"][0]
    deltas = [*_deltas(choice["message"])]
    kept = deltas[: (len(deltas) + 1) // 2] if half else deltas
    asked = (body.get("stream_options") or {}).get("include_usage")
    usage = {"usage": None} if asked else {}
    for delta in kept:
        yield _chunk(whole, [{"index": 0, "delta": delta, "finish_reason": None}], **usage)
    end = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield _chunk(whole, [end], **usage)
    if asked:
        yield _chunk(whole, [], usage=whole["usage"])


def _deltas(message: Json) -> Iterator[Json]:
    yield {"role": "assistant", "content": "" if message["content"] else None, "refusal": None}
    for name in ("content", "refusal"):
        yield from ({name: piece} for piece in _pieces(message[name] or ""))
    for n, call in enumerate(message.get("tool_calls", [])):
        function = call["function"]
        named = {"name": function["name"], "arguments": ""}
        yield {"tool_calls": [{**call, "index": n, "function": named}]}
        for piece in _pieces(function["arguments"]):
            yield {"tool_calls": [{"index": n, "function": {"arguments": piece}}]}


def _pieces(text: str) -> Sequence[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def _chunk(whole: Json, choices: list[Json], **usage: Any) -> Json:
    about = {name: whole[name] for name in ("id", "created", "model")}
    value = {**about, "object": "chat.completion.chunk", "choices": choices, **usage}
    chunk = ChatCompletionChunk.model_validate(value, strict=True)
    return chunk.model_dump(mode="json", exclude_unset=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._send(404, b'{"error": {"message": "No such route.", "code": null}}')
            return
        fault, whole = self.service.answer(body, self.headers.get("Authorization", ""))
        if fault.status != 200:
            sent = json.dumps({"error": fault.error}).encode()
            self._send(fault.status, sent, **fault.headers)
        elif fault.body is not None:
            self._send(200, fault.body)
        elif body.get("stream"):
            self._stream(fault, whole, body)
        else:
            self._done(body, whole)
            self._send(200, json.dumps(whole).encode())

    def _send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, fault: Fault, whole: Json, body: Json) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        every = [*chunks(whole, body, half=bool(fault.finish))]
        cut = fault.cut or fault.told or fault.hangs
        for chunk in every[: len(every) // 2] if cut else every:
            self._event(json.dumps(chunk))
        for _ in range(int(fault.hangs / 0.1)):  # as the live one keeps a connection alive
            time.sleep(0.1)
            self._line(": keep-alive")
        if fault.cut == "dropped" or fault.hangs:
            self.close_connection = True
            return
        if fault.told:
            self._event(json.dumps({"error": fault.told}))
        elif not fault.cut:
            self._done(body, whole)
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str) -> None:
        self._line(f"data: {data}")

    def _line(self, text: str) -> None:
        event = f"{text}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()

    def _done(self, body: Json, whole: Json) -> None:
        self.service.answered.append(agent_of(body))
        self.service.usage.append(whole["usage"])

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: OpenAIServer

    def handle_error(self, *args: Any) -> None:
        """Keep what went wrong here; that a client hung up is nothing wrong."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.service.problems.append(f"The server failed: {error!r}")


@contextmanager
def serving() -> Iterator[OpenAIServer]:
    """Serve on a free port of this machine, in a thread, until the block ends."""
    service = OpenAIServer()
    handler = type("Handler", (_Handler,), {"service": service})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.service = service
        service.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
