"""An AWS of one's own: moto behind real HTTP, in a process of its own.

    python tests/aws_server.py

prints the port it listens on, on 127.0.0.1, and ends when its standard input is closed, so when
whoever started it is gone, however that came about.

moto loses updates under threads and tears transactions. So bodies are read by as many threads as
there are connections, so that one half-sent request holds up nobody, and then requests are
dispatched one at a time. `POST /forget` deletes what is stored and keeps what it is stored in;
`POST /forget?P` only where P is in the name.

One thing that moto passes over is done here, because the set-up relies on it: S3 refuses whoever
names another owner of a bucket than it has. The rest is for the sake of time. For each action of a
transaction moto copies a whole table deeply, to be able to go back; items are replaced and never
changed, so that copying who has which item is enough. And for each request it finds out anew which
services, methods and names of members there are.
"""

import copy
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from moto import backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core import responses
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import sqs_backends
from werkzeug.serving import WSGIRequestHandler, make_server

FORGET = "/forget"
RECEIVE = "AmazonSQS.ReceiveMessage"


class OneAtATime:
    """A WSGI application that reads a body whole, and then waits for its turn."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "")
        size = -1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        if environ.get("HTTP_X_AMZ_TARGET") == RECEIVE:
            return self._receive(environ, json.loads(body), start_response)
        return self._dispatch(environ, body, start_response)

    def _dispatch(self, environ: dict[str, Any], body: bytes, start_response: Any) -> list[bytes]:
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        with self._turn:
            if environ["PATH_INFO"] == FORGET:
                forget(environ.get("QUERY_STRING", ""))
                start_response("204 No Content", [])
                return []
            if is_anothers(environ):
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]
            return list(self._application(environ, start_response))

    def _receive(
        self, environ: dict[str, Any], asked: dict[str, Any], start_response: Any
    ) -> list[bytes]:
        """Wait for a message as SQS does, turn by turn, so that others have theirs meanwhile."""
        deadline = time.monotonic() + asked.get("WaitTimeSeconds", 0)
        body = json.dumps({**asked, "WaitTimeSeconds": 0}).encode()
        while True:
            begun: list[tuple[str, Any]] = []
            answer = self._dispatch(dict(environ), body, partial(_begin, begun))
            if b"Messages" in b"".join(answer) or time.monotonic() >= deadline:
                start_response(*begun[0])
                return answer
            time.sleep(0.05)


def _begin(begun: list[tuple[str, Any]], status: str, headers: Any, _: Any = None) -> None:
    begun.append((status, headers))


class Quiet(WSGIRequestHandler):
    """A handler that keeps connections open, and says nothing about requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *args: Any) -> None:
        pass


def is_anothers(environ: dict[str, Any]) -> bool:
    """Tell whether a request names an owner of a bucket that is not its owner."""
    named = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    owners = s3_backends.bucket_accounts.get(environ["PATH_INFO"].split("/")[1])
    return bool(named and owners) and named not in owners


def forget(prefix: str) -> None:
    """Delete items, objects, messages, events and metrics; keep tables, buckets and the rest.

    With a prefix, only of what has it in its name; metrics have none.
    """
    for table in _all(dynamodb_backends, "tables", prefix):
        table.items.clear()
    for bucket in _all(s3_backends, "buckets", prefix):
        for key in list(bucket.keys):
            versions = bucket.keys.getlist(key)
            # Popping a key closes the files of its versions, and a mark of deletion has none.
            versions[:] = [version for version in versions if hasattr(version, "dispose")]
            bucket.keys.pop(key)
    for queue in _all(sqs_backends, "queues", prefix):
        queue._messages, queue._pending_messages = [], set()
    for group in _all(logs_backends, "groups", prefix):
        group.streams.clear()
    for account in cloudwatch_backends.values() if not prefix else ():
        for backend in account.values():
            backend.metric_data.clear()


def _all(backends: Any, kept: str, prefix: str) -> list[Any]:
    return [
        resource
        for account in backends.values()
        for backend in account.values()
        for resource in getattr(backend, kept).values()
        if prefix in resource.name
    ]


def as_it_is(table: Table, _: dict[int, Any]) -> Table:
    """Return a copy of a table that keeps the items which it has now."""
    kept = copy.copy(table)
    kept.items = copy.copy(table.items)
    for pk, rows in table.items.items():
        kept.items[pk] = copy.copy(rows)
    return kept


_names_anew = XFormedAttributePicker.get_possible_keys


def names_of_member(
    picker: XFormedAttributePicker, context: AttributePickerContext
) -> Iterable[str]:
    """Return under which names moto looks for a member; those of a dictionary are all alike."""
    if type(context.obj) is not dict or context.shape is None:
        return _names_anew(picker, context)
    known = vars(context.shape).setdefault("names_of_member", {})
    if context.key not in known:
        known[context.key] = [*dict.fromkeys(_names_anew(picker, context))]
    return known[context.key]  # type: ignore[no-any-return]


def make_haste() -> None:
    """Have moto do once what it does for each request, and copy no more than it needs."""
    Table.__deepcopy__ = as_it_is  # type: ignore[attr-defined]
    services = [*backends.list_of_moto_modules()]
    backends.list_of_moto_modules = lambda: services
    responses.method_names_from_class = cache(responses.method_names_from_class)
    XFormedAttributePicker.get_possible_keys = names_of_member  # type: ignore[method-assign]


def main() -> None:
    """Serve until standard input ends."""
    make_haste()
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
