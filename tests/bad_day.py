"""A CloudWatch on a bad day: it refuses, turns every request away, or never answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFUSES = "http://127.0.0.1:9"


class BadDay(BaseHTTPRequestHandler):
    """Turns every request away, after a wait."""

    wait = 0.0
    over = threading.Event()

    def do_POST(self) -> None:
        """Throttle."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.over.wait(self.wait)
        body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def bad_day(wait: float) -> Iterator[str]:
    """Serve a CloudWatch that throttles every request after so many seconds."""
    over = threading.Event()
    handler = type("Handler", (BadDay,), {"wait": wait, "over": over})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        serving.join()
