"""What 1,000 to 100 million runs a month cost on AWS, and what gives out first.

    PYTHONPATH=. python scripts/cost_model.py [--memos 0.5] [--documents 100] [--workers N] [--json]

What a question and a memo use is measured (`scripts.metering`), multiplied by a number of runs and
by AWS's prices, and held against AWS's limits. So the keys that run hot are found by measuring, and
not by reading the code.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from scripts.metering import (
    ITEM_BYTES,
    LOG_BYTES,
    METRICS,
    OBJECT_BYTES,
    READS,
    S3_GETS,
    S3_PUTS,
    SQS,
    WRITES,
    Load,
    Measured,
    added,
    measure,
    of_unit,
)

VOLUMES: Final = tuple(10**power for power in range(3, 9))
"""Runs a month."""
MONTH_SECONDS: Final = 730 * 3600
"""AWS's month has 730 hours."""
PEAK: Final = 10.0
"""How much faster runs come at the busiest than on the average of a month."""
RUNS_PER_WORKER: Final = 3.0
"""Runs a second that a worker keeps up with: each takes a good 0.3 s of the one core that its
process can use (measured on these two runs, without the meter), however many wait for the model."""
_GB: Final = 2**30


class Price(NamedTuple):
    """Dollars for one of a unit; what is kept is paid for again each month."""

    service: str
    unit: str
    dollars: float
    kept: bool = False


PRICES: Final = (
    # AWS price list, us-east-1, on demand, without free tiers and discounts.
    Price("DynamoDB writes", WRITES, 0.625e-6),
    Price("DynamoDB reads", READS, 0.125e-6),
    Price("DynamoDB storage", ITEM_BYTES, 0.25 / _GB, kept=True),
    Price("DynamoDB point-in-time recovery", ITEM_BYTES, 0.20 / _GB, kept=True),
    Price("S3 requests", S3_PUTS, 0.005e-3),
    Price("S3 requests", S3_GETS, 0.0004e-3),
    Price("S3 storage", OBJECT_BYTES, 0.023 / _GB, kept=True),
    Price("SQS requests", SQS, 0.40e-6),
    Price("CloudWatch logs", LOG_BYTES, 0.50 / _GB),
    Price("CloudWatch metrics", METRICS, 0.01e-3),
)
IDLE: Final = "Workers: sweeps, polls, heartbeats"
TOKENS: Final = "Model tokens (offline: none)"

LIMITS: Final[dict[str, dict[str, int]]] = {
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
    # A hot partition is split by sort key, but where keys rise with time all still go to one part.
    "key": {WRITES: 1_000, READS: 3_000},
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
    "table": {WRITES: 40_000, READS: 40_000},
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
    "prefix": {S3_PUTS: 3_500, S3_GETS: 5_500},
}
"""What AWS allows in a second; of a table by default, and more for the asking."""
WORKSPACE: Final = "a workspace"
ACCOUNT: Final = "all workspaces"
NOTES: Final = f"""\
Prices: AWS price list, us-east-1, on demand, without free tiers and discounts. Measured against
moto, not on a live account. Not in it: model tokens (offline there are none), the machines that
workers run on, traffic, alarms, custom metrics ($0.30 each a month), stored logs, what a process
reads once, leases renewed (a read and a write for each 5 s of a run), retries, and people who watch
runs. Metrics are sent by time, so their requests vary; where runs are many, several share one.

A month has 730 hours; its peak is {PEAK:.0f} times its mean. There is one worker for each
{RUNS_PER_WORKER:.0f} runs a second at the peak, all month long, unless --workers says how many.
What runs leave is kept, and storage is that of all months kept. In bold: what all runs of a
workspace share. SQS standard queues have no practical limit; S3 splits a prefix that stays busy."""


@dataclass(frozen=True)
class Plan:
    """What is assumed: the share of memos, documents in the workspace, workers, months kept."""

    memos: float = 0.5
    documents: int = 100
    workers: int = 0
    """0: as many as the runs at the peak take."""
    months: int = 12

    def fleet(self, rate: float) -> int:
        """Return how many workers there are for so many runs a second."""
        return self.workers or max(1, math.ceil(rate / RUNS_PER_WORKER))

    def run(self, measured: Measured) -> Load:
        """Return what a run uses on the average."""
        return added((1 - self.memos, measured.question), (self.memos, measured.memo))


class Where(NamedTuple):
    """A key, a table or a prefix on which many runs wear: a table has no key."""

    kind: str
    place: str
    key: str
    shared_by: str


@dataclass(frozen=True)
class Spot:
    """How much is used of something with a limit, by each run, and by a worker each second."""

    where: Where
    per_run: Mapping[str, float]
    per_worker: Mapping[str, float]

    def gives_out(self, plan: Plan) -> tuple[float, str]:
        """Return at how many runs a second a limit is reached, and of which unit."""
        return min((self._rate(unit, plan), unit) for unit in LIMITS[self.where.kind])

    def _rate(self, unit: str, plan: Plan) -> float:
        run, idle = self.per_run.get(unit, 0.0), self.per_worker.get(unit, 0.0)
        if not plan.workers:  # then each further run brings its part of a worker
            run, idle = run + idle / RUNS_PER_WORKER, 0.0
        left = max(0.0, LIMITS[self.where.kind][unit] - plan.workers * idle)
        if not left:  # the workers alone use it up
            return 0.0
        return left / run if run else math.inf


@dataclass(frozen=True)
class Verdict:
    """Whether one workspace carries so many runs a month, and what gives out first if it grows."""

    runs: int
    peak: float
    """Runs a second."""
    workers: int
    first: Spot
    share: float
    """Of what its limits allow in one workspace, the part that the peak takes."""
    workspaces: float
    """Over how many the runs must be spread; infinite: so many workers leave nothing for runs."""
    quotas: Mapping[str, float]
    """How much of its default quota each table needs that has too little, however they spread."""

    @property
    def carried(self) -> bool:
        """Whether one workspace carries the peak, with AWS's default quotas."""
        return self.workspaces == 1 and not self.quotas

    @property
    def said(self) -> str:
        """What it takes, in words."""
        if self.carried:
            return f"yes: the peak is {self.share:.2%} of what it carries"
        if math.isinf(self.workspaces):
            return "no: so many workers leave nothing for runs"
        spread = [f"spread over {self.workspaces} workspaces"] if self.workspaces > 1 else []
        raised = [f"raise the quota of {t} to {n:.1f} times" for t, n in self.quotas.items()]
        return f"no: {', '.join(spread + raised)}"


def dollars(measured: Measured, plan: Plan, runs: int) -> dict[str, float]:
    """Return what a month with so many runs costs, by service, the last of the months kept."""
    found: dict[str, float] = defaultdict(float)
    run, idle = plan.run(measured), 0.0
    workers = plan.fleet(PEAK * runs / MONTH_SECONDS)
    for service, unit, price, kept in PRICES:
        found[service] += of_unit(run, unit) * runs * price * (plan.months if kept else 1)
        idle += of_unit(measured.idle, unit) * workers * MONTH_SECONDS * price
    return {**found, IDLE: idle, TOKENS: 0.0}


def shared_by(pk: str) -> str:
    """Return whose runs share a partition key, by its shape; empty: it is one run's or thread's."""
    if "{run}" in pk or "{thread}" in pk:
        return ""
    return f"one {pk.partition('{')[2].rstrip('}')}" if "{" in pk else WORKSPACE


def spots(measured: Measured, plan: Plan) -> list[Spot]:
    """Return what many runs wear on, what gives out first first."""
    run, idle = _by_spot(plan.run(measured)), _by_spot(measured.idle)
    found = [Spot(where, run.get(where, {}), idle.get(where, {})) for where in {**run, **idle}]
    return sorted(found, key=lambda spot: (spot.gives_out(plan), spot.where))


def _by_spot(load: Load) -> dict[Where, dict[str, float]]:
    found: dict[Where, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for use, count in load.items():
        if use.unit in LIMITS["key"]:
            found[Where("table", use.place, "", ACCOUNT)][use.unit] += count
            if sharers := shared_by(use.key):
                found[Where("key", use.place, use.key, sharers)][use.unit] += count
        elif use.unit in LIMITS["prefix"]:
            found[Where("prefix", use.place, use.key, WORKSPACE)][use.unit] += count
    return found


def verdict(found: Iterable[Spot], plan: Plan, runs: int) -> Verdict:
    """Say whether one workspace carries so many runs a month."""
    peak = PEAK * runs / MONTH_SECONDS
    # What only runs about the same thing share is no limit of a workspace.
    limiting = [spot for spot in found if spot.where.shared_by in (WORKSPACE, ACCOUNT)]
    rates = {spot.where: spot.gives_out(plan)[0] for spot in limiting}
    needed = {where: peak / rate if rate else math.inf for where, rate in rates.items()}
    spread = max((n for w, n in needed.items() if w.shared_by == WORKSPACE), default=0.0)
    quotas = {w.place: n for w, n in needed.items() if w.shared_by == ACCOUNT and n > 1}
    workspaces = max(1, math.ceil(spread)) if math.isfinite(spread) else math.inf
    share = max(needed.values())
    return Verdict(runs, peak, plan.fleet(peak), limiting[0], share, workspaces, quotas)


def to_json(measured: Measured, plan: Plan) -> dict[str, Any]:
    """Return all that is printed, as one document."""
    found = spots(measured, plan)
    loads = {"question": measured.question, "memo": measured.memo, "idle_second": measured.idle}
    assumed = {"peak": PEAK, "month_seconds": MONTH_SECONDS, "runs_per_worker": RUNS_PER_WORKER}
    return {
        "assumed": {**asdict(plan), **assumed},
        "prices": [price._asdict() for price in PRICES],
        "uses": {
            name: [use._asdict() | {"count": n} for use, n in sorted(load.items()) if n]
            for name, load in loads.items()
        },
        "limits": [_limit_json(spot, plan) for spot in found],
        "volumes": [_volume_json(measured, plan, verdict(found, plan, runs)) for runs in VOLUMES],
    }


def _volume_json(measured: Measured, plan: Plan, each: Verdict) -> dict[str, Any]:
    return {
        "runs_per_month": each.runs,
        "runs_per_second": each.peak / PEAK,
        "peak_per_second": each.peak,
        "workers": each.workers,
        "dollars": dollars(measured, plan, each.runs),
        "one_workspace": each.carried,
        "workspaces": each.workspaces if math.isfinite(each.workspaces) else None,
        "quotas": each.quotas,
        "first": _limit_json(each.first, plan),
    }


def _limit_json(spot: Spot, plan: Plan) -> dict[str, Any]:
    rate, unit = spot.gives_out(plan)
    return {
        **spot.where._asdict(),
        "per_run": dict(spot.per_run),
        "per_worker_second": dict(spot.per_worker),
        "unit": unit,
        "runs_per_second": rate if math.isfinite(rate) else None,
        "runs_per_month": rate / PEAK * MONTH_SECONDS if math.isfinite(rate) else None,
    }


def print_uses(measured: Measured, console: Console) -> None:
    """Print what each kind of run uses, and an idle worker."""
    table = Table("", title="What is used, as measured", title_justify="left")
    for name in ("by a question", "by a memo", "by an idle worker, in an hour"):
        table.add_column(name, justify="right")
    for unit in dict.fromkeys(price.unit for price in PRICES):
        hour = 3600 * of_unit(measured.idle, unit)
        counts = of_unit(measured.question, unit), of_unit(measured.memo, unit), hour
        table.add_row(unit, *(f"{count:,.0f}" for count in counts))
    console.print(table)


def print_dollars(measured: Measured, plan: Plan, console: Console) -> None:
    """Print what each number of runs costs, by service."""
    title = f"Dollars a month, by runs a month; of {plan.months} months kept, the last"
    table = Table("", title=title, title_justify="left")
    costs = []
    for runs in VOLUMES:
        table.add_column(f"{runs:,}", justify="right")
        costs.append(dollars(measured, plan, runs))
    for service in costs[0]:
        table.add_row(service, *(f"{cost[service]:,.2f}" for cost in costs))
    table.add_section()
    table.add_row("All", *(f"{sum(cost.values()):,.2f}" for cost in costs), style="bold")
    thousand = (1000 * sum(c.values()) / runs for c, runs in zip(costs, VOLUMES, strict=True))
    table.add_row("For 1,000 runs", *(f"{each:,.2f}" for each in thousand))
    console.print(table)


def print_limits(found: Iterable[Spot], plan: Plan, console: Console) -> None:
    """Print what runs share, and at how many runs a limit is reached."""
    title = (
        f"What runs share, and when it gives out, the hottest first (peak: {PEAK:.0f} × the mean)"
    )
    table = Table("table or bucket", "key", "shared by", title=title, title_justify="left")
    for name in ("writes/run", "reads/run", "idle worker's reads/s", "at runs/s", "runs/month"):
        table.add_column(name, justify="right")
    table.add_column("by")
    for spot in found:
        kind, place, key, sharers = spot.where
        rate, unit = spot.gives_out(plan)
        writes, reads = LIMITS[kind]
        cells = spot.per_run.get(writes, 0), spot.per_run.get(reads, 0), spot.per_worker.get(reads)
        figures = [f"{each or 0:,.1f}" for each in (*cells, rate)]
        style = "bold" if sharers == WORKSPACE else None
        month = f"{rate / PEAK * MONTH_SECONDS:,.0f}"
        table.add_row(*_named(kind, place, key), sharers, *figures, month, unit, style=style)
    console.print(table)


def _named(kind: str, place: str, key: str) -> tuple[str, str]:
    """Return the place without what all names of the installation have, and what of it is meant."""
    names = {"table": "(default quota)", "prefix": f"{key}/"}
    return re.sub(r"^affidavit-|-\d{12}$", "", place), names.get(kind, key)


def print_verdicts(found: list[Spot], plan: Plan, console: Console) -> None:
    """Print whether one workspace carries each number of runs."""
    table = Table(title="Does one workspace carry it?", title_justify="left")
    for name in ("runs/month", "runs/s", "at the peak", "workers"):
        table.add_column(name, justify="right")
    for name in ("one workspace carries it?", "gives out first", "at runs/s", "by"):
        table.add_column(name)
    for runs in VOLUMES:
        each = verdict(found, plan, runs)
        (rate, unit), where = each.first.gives_out(plan), each.first.where
        first = " ".join(_named(where.kind, where.place, where.key))
        figures = f"{runs:,}", f"{each.peak / PEAK:,.4f}", f"{each.peak:,.3f}", str(each.workers)
        style = None if each.carried else "red"
        table.add_row(*figures, each.said, first, f"{rate:,.1f}", unit, style=style)
    console.print(table)


def main(
    memos: Annotated[
        float, typer.Option(min=0, max=1, help="The share of runs that publish a memo.")
    ] = Plan.memos,
    documents: Annotated[
        int, typer.Option(min=1, help="Documents in the workspace: each question reads the list.")
    ] = Plan.documents,
    workers: Annotated[
        int, typer.Option(min=0, help="Workers; 0: one for each 3 runs a second at the peak.")
    ] = Plan.workers,
    months: Annotated[
        int, typer.Option(min=1, help="For how many months what runs leave is kept and paid for.")
    ] = Plan.months,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """What 1,000 to 100 million runs a month cost on AWS, and what gives out first.

    Drives a question, and a memo with its approval and publication, against
    a stand-in for AWS on this machine; counts requests, units and bytes; and
    multiplies. It takes a quarter of a minute, and nothing leaves the machine.

    The limits: a partition key gives out at 1,000 write or 3,000 read units a
    second. A key that all runs of a workspace share is what to look for.
    """
    plan = Plan(memos, documents, workers, months)
    with Console(stderr=True).status("Measuring …"):
        measured = measure(documents)
    if as_json:
        print(json.dumps(to_json(measured, plan), indent=2))
        return
    console, found = Console(width=160, highlight=False), spots(measured, plan)
    print_uses(measured, console)
    print_dollars(measured, plan, console)
    print_limits(found, plan, console)
    print_verdicts(found, plan, console)
    console.print(NOTES)


if __name__ == "__main__":
    typer.run(main)
