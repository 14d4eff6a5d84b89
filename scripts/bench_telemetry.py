"""What a CloudWatch that is down, slow or throttling costs a run: 20 pairs of runs each, in turn.

Each pair is the same question to the same desk, once with CloudWatch well (a moto server on this
machine) and once on a bad day (an endpoint that refuses, hangs, or throttles every request). All
the rest is kept on this machine, and the model takes no time, so that nothing hides the price. The
ratio is the median of the pairs' ratios of the bad run's time to the good one's.
"""

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from graph import Orchestrator
from graph.settings import Settings
from storage.aws.clients import Clients
from storage.aws.cloudwatch import CloudWatchTelemetry
from tests.aws import Aws, start
from tests.bad_day import REFUSES, bad_day

PAIRS = 20
WARM_UPS = 2
QUESTION = "On what notice may the Tenant terminate the lease early?"
LEASE = "The Tenant may terminate this lease early on ninety days' written notice."


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
