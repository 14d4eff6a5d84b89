"""A whole run while DynamoDB and S3 fail at random: as if nothing had happened."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from graph import Orchestrator
from graph.settings import Settings
from storage.records import Run
from tests.aws import ACCOUNT, Aws
from tests.faults import (
    Fault,
    Faults,
    Request,
    fails_after,
    hangs_up,
    loses_the_answer,
    passes,
    refuses,
)

from .conftest import LEASE

MEMO = "Write a memo on the notice for early termination of the lease and publish it."
THROTTLED = {
    "PUT": refuses("SlowDown", 503),
    "GET": refuses("SlowDown", 503),
    "PutItem": refuses("TransactionConflictException"),
}
ONE_IN = 6


def at_random(seed: int) -> Callable[[Request], Fault]:
    """Return what lets one call in six fail, in any way but for good."""
    chance = random.Random(seed)

    def choose(request: Request) -> Fault:
        if chance.randrange(ONE_IN) or request.operation == "HEAD":
            return passes
        throttled = THROTTLED.get(request.operation, refuses("ThrottlingException"))
        return chance.choice([hangs_up, loses_the_answer, fails_after, throttled])

    return choose


def publish_a_memo(home: Path) -> tuple[Run, list[str], list[tuple[str, int]]]:
    """Add, ask, approve; return the run, the kinds of its events, and what was published."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        backend="aws",
        aws_account_id=ACCOUNT,
        home=home,
        signing_key=home / "signing.key",
        model="offline",
    )
    with Orchestrator.open(settings=settings) as desk:
        desk.documents.add(LEASE.encode(), name="lease.txt")
        asked = desk.invoke(MEMO)
        desk.runs.resume(asked.id, {asked.interrupts[0].id: {"type": "approve"}})
        run = desk.drive(asked.id)
        assert desk.audit.verify(run.id).ok
        kinds = [linked.event.kind for linked in desk.runs.events(run.id)]
        return run, kinds, [(o.name, o.version) for o in desk.resources.objects.all()]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_under_faults_is_a_run(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0)
    plain, kinds, published = publish_a_memo(tmp_path / "plain")
    aws.forget()

    with Faults(aws.endpoint) as faults:
        faults.choose(at_random(seed))
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", faults.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", faults.endpoint)
        run, kinds_under_faults, published_under_faults = publish_a_memo(tmp_path / "faults")

    assert len(faults.calls) > 100
    assert (run.status, run.answer) == (plain.status, plain.answer)
    assert kinds_under_faults == kinds
    assert published_under_faults == published
