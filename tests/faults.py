"""A proxy before a service that goes wrong when it is told to.

    with Faults(aws.endpoint) as faults:
        faults.on("PutItem", loses_the_answer)

lets the next `PutItem` be carried out and its answer vanish; what comes after passes. A fault is a
function of the request and of what passes it on; it returns the answer, or None to hang up.
Operations have DynamoDB's names; those of S3, which has none on the wire, are "PUT", "GET" and so
on.
"""

import http.client
import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SLOW_SECONDS = 0.8
"""How long `never_answers` keeps a client waiting: give it less patience."""


@dataclass(frozen=True)
class Request:
    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Pass = Callable[[Request], Answer]
Fault = Callable[[Request, Pass], Answer | None]


def passes(request: Request, on: Pass) -> Answer | None:
    return on(request)


def hangs_up(request: Request, on: Pass) -> Answer | None:
    """The connection breaks before anything was done."""
    return None


def loses_the_answer(request: Request, on: Pass) -> Answer | None:
    """It is done, and then the connection breaks."""
    on(request)
    return None


def never_answers(request: Request, on: Pass) -> Answer | None:
    """It is done, and the answer comes too late."""
    on(request)
    time.sleep(SLOW_SECONDS)
    return None


def fails_after(request: Request, on: Pass) -> Answer | None:
    """It is done, and the service says that it failed."""
    on(request)
    return _error(request, "InternalServerError", 500)


def breaks_off(request: Request, on: Pass) -> Answer | None:
    """The answer ends in the middle."""
    answer = on(request)
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def refuses(code: str, status: int = 400, **more: Any) -> Fault:
    """Return a fault: nothing is done, and this is why."""

    def fault(request: Request, on: Pass) -> Answer | None:
        return _error(request, code, status, **more)

    return fault


def leaves_unprocessed(request: Request, on: Pass) -> Answer | None:
    """Of a batch, only the first is done."""
    ((table, asked),) = json.loads(request.body)["RequestItems"].items()
    if request.operation == "BatchWriteItem":
        first, rest, name = asked[:1], asked[1:], "UnprocessedItems"
    else:
        first = {**asked, "Keys": asked["Keys"][:1]}
        rest, name = {**asked, "Keys": asked["Keys"][1:]}, "UnprocessedKeys"
    body = json.dumps({"RequestItems": {table: first}}).encode()
    answer = on(replace(request, body=body))
    whole = {**json.loads(answer.body), name: {table: rest}}
    return Answer(200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(whole).encode())


def _error(request: Request, code: str, status: int, **more: Any) -> Answer:
    if request.operation == request.method:
        body = f"<Error><Code>{code}</Code><Message>…</Message></Error>".encode()
        return Answer(status, {"Content-Type": "application/xml"}, body)
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "…", **more}).encode()
    return Answer(status, {"Content-Type": "application/x-amz-json-1.0"}, body)


class Faults:
    """The proxy. `calls` lists the operations that arrived, in order."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.removeprefix("http://")
        self._planned: dict[str, deque[Fault]] = defaultdict(deque)
        self._always: Callable[[Request], Fault] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._answer))
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.calls: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def on(self, operation: str, *faults: Fault) -> None:
        """Plan what the next calls of an operation meet, one fault for each."""
        self._planned[operation].extend(faults)

    def choose(self, chooser: Callable[[Request], Fault]) -> None:
        """Let a function choose for each call that nothing is planned for."""
        self._always = chooser

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: Request) -> Answer | None:
        self.calls.append(request.operation)
        planned = self._planned[request.operation]
        if planned:
            return planned.popleft()(request, self._pass)
        fault = self._always(request) if self._always else passes
        return fault(request, self._pass)

    def _pass(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._upstream)
        headers = {**request.headers, "Content-Length": str(len(request.body))}
        connection.request(request.method, request.path, request.body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer


def _handler(answer: Callable[[Request], Answer | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # says 100 Continue, for which boto3 waits

        def _serve(self) -> None:
            target = self.headers.get("X-Amz-Target", "")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            operation = target.rpartition(".")[2] or self.command
            request = Request(operation, self.command, self.path, dict(self.headers), body)
            self.close_connection = True
            with suppress(ConnectionError):  # the client has lost its patience
                self._send(answer(request))

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

        def _send(self, given: Answer | None) -> None:
            if given is None:
                # No farewell: what remains is thrown away, and the client sees a reset.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
            self.send_response_only(given.status)
            headers = {
                "Content-Length": str(len(given.body)),
                **given.headers,
                "Connection": "close",
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(given.body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
