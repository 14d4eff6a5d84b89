"""What a CloudWatch that is down, slow or throttling costs a run: 20 pairs of runs each, in turn.

Each pair is the same question to the same desk, once with CloudWatch well (a moto server on this
machine) and once on a bad day (an endpoint that refuses, hangs, or throttles every request). All
the rest is kept on this machine, and the model takes no time, so that nothing hides the price. The
ratio is the median of the pairs' ratios of the bad run's time to the good one's.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from graph import Orchestrator
from graph.settings import Settings
from storage.aws.clients import Clients
from storage.aws.cloudwatch import CloudWatchTelemetry
from tests.aws import Aws, start

PAIRS = 20
WARM_UPS = 2
QUESTION = "On what notice may the Tenant terminate the lease early?"
LEASE = "The Tenant may terminate this lease early on ninety days' written notice."
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
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()
    serving.join()


def main() -> None:
    """Measure, and print."""
    with start() as aws, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home / "home", signing_key=home / "key", model="offline")
        with Orchestrator.open(settings=settings) as desk:
            document = desk.documents.add(LEASE.encode(), name="lease.txt")
            with bad_day(0) as throttles, bad_day(3600) as hangs:
                for name, endpoint in (
                    ("refuses", REFUSES),
                    ("throttles", throttles),
                    ("hangs", hangs),
                ):
                    _compare(desk, document.id, aws, name, endpoint)


def _compare(desk: Orchestrator, document_id: str, aws: Aws, name: str, endpoint: str) -> None:
    clients = aws.clients(), aws.clients(endpoint=endpoint)
    well, bad = (_telemetry(each, aws) for each in clients)
    times: dict[CloudWatchTelemetry, list[float]] = {well: [], bad: []}
    for pair in range(PAIRS + WARM_UPS):
        for telemetry in (well, bad) if pair % 2 else (bad, well):
            desk.resources.workspace = replace(desk.resources.workspace, telemetry=telemetry)
            since = time.perf_counter()
            desk.invoke(QUESTION, documents=[document_id])
            if pair >= WARM_UPS:
                times[telemetry].append(time.perf_counter() - since)
    good, ill = statistics.median(times[well]), statistics.median(times[bad])
    pairs = zip(times[bad], times[well], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    for telemetry, each in zip((well, bad), clients, strict=True):
        telemetry.close()
        each.close()
    print(
        f"CloudWatch {name:9}  {ill * 1000:6.1f} ms a run, {good * 1000:6.1f} ms with it well, "
        f"ratio {ratio:.3f}, {bad.dropped} events and values dropped"
    )


def _telemetry(clients: Clients, aws: Aws) -> CloudWatchTelemetry:
    return CloudWatchTelemetry(clients, aws.names, "default")


if __name__ == "__main__":
    main()
