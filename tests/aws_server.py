"""An AWS of one's own: moto behind real HTTP, in a process of its own.

    python tests/aws_server.py

prints the port it listens on, on 127.0.0.1, and ends when its standard input is closed, so when
whoever started it is gone, however that came about.

moto loses updates under threads and tears transactions. So bodies are read by as many threads as
there are connections, so that one half-sent request holds up nobody, and then requests are
dispatched one at a time. `POST /forget` deletes what is stored and keeps what it is stored in.
"""

import io
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.dynamodb.models import dynamodb_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import sqs_backends
from werkzeug.serving import WSGIRequestHandler, make_server

FORGET = "/forget"


class OneAtATime:
    """A WSGI application that reads a body whole, and then waits for its turn."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "")
        size = -1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        with self._turn:
            if environ["PATH_INFO"] == FORGET:
                forget()
                start_response("204 No Content", [])
                return []
            return list(self._application(environ, start_response))


class Quiet(WSGIRequestHandler):
    """A handler that says nothing about requests."""

    def log_request(self, *args: Any) -> None:
        pass


def forget() -> None:
    """Delete items, objects, messages, events and metrics; keep tables, buckets and the rest."""
    for table in _all(dynamodb_backends, "tables"):
        table.items.clear()
    for bucket in _all(s3_backends, "buckets"):
        for key in list(bucket.keys):
            bucket.keys.pop(key)  # closes its file too
    for queue in _all(sqs_backends, "queues"):
        queue._messages, queue._pending_messages = [], set()
    for group in _all(logs_backends, "groups"):
        group.streams.clear()
    for account in cloudwatch_backends.values():
        for backend in account.values():
            backend.metric_data.clear()


def _all(backends: Any, kept: str) -> list[Any]:
    return [
        resource
        for account in backends.values()
        for backend in account.values()
        for resource in getattr(backend, kept).values()
    ]


def main() -> None:
    """Serve until standard input ends."""
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
