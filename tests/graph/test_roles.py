"""The four roles' policies against the calls that the product makes in each part.

Every call is allowed to whoever makes it, none outside the installation is, and a policy holds no
action that no call needs. What only a real account asks for stands in `ONLY_REAL`, with the reason.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from graph import Orchestrator
from graph.installation import health
from graph.settings import Settings
from storage.aws.names import Names
from storage.aws.template import resources
from storage.ports import BUCKETS, LOG_GROUPS, TABLES, Item
from tests.aws import ACCOUNT, REGION, Aws, start
from tests.graph.conftest import LEASE
from tests.iam import Need, Recorder, allows, uses
from tests.installing import Installation, quiet

PARTS = ("worker", "ui", "auditor", "setup")
BUSY = ("pending", "running")
QUESTION = "On what notice may the Tenant terminate the lease early?"
MEMO = "Write a memo on the notice for early termination of the lease and publish it."
UNBOUND = {
    "cloudwatch:GetMetricStatistics": "AWS knows no resource for it",
    "logs:DescribeLogGroups": "it lists by prefix, and AWS asks for all groups",
}
ONLY_REAL = {
    "worker": {
        "s3:GetObjectRetention": "a real bucket asks for it where HEAD shows the lock",
    },
    "ui": {},
    "auditor": {},
    "setup": {
        "cloudformation:DeleteChangeSet": "of a change set that turned out to change nothing",
        "cloudformation:DeleteStack": "clears away a stack that was rolled back",
        "cloudformation:DescribeStackEvents": "tells how far it is, and why it failed",
    },
}
"""Actions that no call on the tests' server needs, and what a real account needs them for."""


@pytest.fixture(scope="module")
def aws_server() -> Iterator[Aws]:
    """A server of its own, as what is set up here would be in the way of other tests."""
    with start() as server:
        yield server


@pytest.fixture(scope="module")
def recorder(aws_server: Aws, tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """Play every part once, and listen."""
    recorder = Recorder(Names("affidavit", ACCOUNT, REGION))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws_server.environment().items():
            patch.setenv(name, value)
        aws_server.forget()
        recorder.install(patch)
        play(recorder, _settings(tmp_path_factory.mktemp("roles")), aws_server, patch)
    return recorder


def _settings(home: Path) -> Settings:
    return Settings(
        backend="aws",
        aws_account_id=ACCOUNT,
        _env_file=None,  # type: ignore[call-arg]
        home=home / "home",
        signing_key=home / "keys" / "signing.key",
        model="offline",
        lease_seconds=5,
    )


@cache
def policy(part: str) -> Any:
    names = Names("affidavit", ACCOUNT, REGION)
    (found,) = (r for r in resources(names, {}) if r.name == f"affidavit-{part}")
    return found.properties["PolicyDocument"]


@pytest.mark.parametrize("part", PARTS)
class TestARole:
    def test_may_make_every_call_of_its_part(self, recorder: Recorder, part: str) -> None:
        assert recorder.calls[part]
        refused = {need for need in recorder.calls[part] if not allows(policy(part), need)}
        assert not refused

    @pytest.mark.parametrize(
        ("ours", "anothers"),
        [
            ("affidavit", "acme"),
            (ACCOUNT, "210987654321"),
            (f":{REGION}:", ":us-east-1:"),
        ],
    )
    def test_may_make_none_of_them_elsewhere(
        self, recorder: Recorder, part: str, ours: str, anothers: str
    ) -> None:
        tried = 0
        for need in recorder.calls[part]:
            elsewhere = Need(need.action, *(_replaced(field, ours, anothers) for field in need[1:]))
            if elsewhere != need and need.action not in UNBOUND:
                assert not allows(policy(part), elsewhere), elsewhere
                tried += 1
        assert tried

    def test_may_do_nothing_that_no_call_needs(self, recorder: Recorder, part: str) -> None:
        given = {action for s in policy(part)["Statement"] for action in s["Action"]}
        used = {action for need in recorder.calls[part] for action in uses(policy(part), need)}
        assert given - used == ONLY_REAL[part].keys()

    def test_has_no_wildcard_where_a_resource_can_be_named(
        self, recorder: Recorder, part: str
    ) -> None:
        for statement in policy(part)["Statement"]:
            assert not any("*" in action for action in statement["Action"])
            if statement["Resource"] == "*":
                bound = "Condition" in statement
                assert bound or set(statement["Action"]) <= UNBOUND.keys()

    def test_fits_what_iam_allows_a_policy(self, recorder: Recorder, part: str) -> None:
        """6,144 characters, white space aside, with the longest prefix."""
        names = Names("p" * 37, ACCOUNT, "ap-southeast-3")
        (found,) = (r for r in resources(names, {}) if r.name == f"{names.prefix}-{part}")
        assert len(_compact(found.properties["PolicyDocument"])) <= 6144


def test_only_the_worker_deletes_objects_and_publishes() -> None:
    deliverable = Need("s3:PutObject", f"arn:aws:s3:::affidavit-deliverables-{ACCOUNT}/w/k")
    assert allows(policy("worker"), deliverable)
    for part in ("ui", "auditor", "setup"):
        assert not allows(policy(part), deliverable)
        assert not allows(policy(part), replace_action(deliverable, "s3:DeleteObject"))


def test_the_auditor_writes_nothing() -> None:
    for statement in policy("auditor")["Statement"]:
        for action in statement["Action"]:
            assert action.partition(":")[2].startswith(("Get", "List", "Query", "BatchGet"))


def test_nobody_may_go_around_a_lock_or_take_off_a_protection() -> None:
    for part in PARTS:
        given = {action for s in policy(part)["Statement"] for action in s["Action"]}
        assert not given & {
            *("s3:BypassGovernanceRetention", "s3:DeleteBucket"),
            *("dynamodb:DeleteTable", "logs:DeleteLogGroup", "iam:AttachRolePolicy"),
        }


def test_only_the_worker_erases_and_only_documents() -> None:
    for part in PARTS:
        for bucket in BUCKETS:
            version = Need("s3:DeleteObjectVersion", f"arn:aws:s3:::affidavit-{bucket}-{ACCOUNT}/k")
            erases = (part, bucket) == ("worker", "documents")
            assert allows(policy(part), version) == erases


def test_the_set_up_cannot_widen_its_own_policy() -> None:
    own = f"arn:aws:iam::{ACCOUNT}:policy/affidavit-setup"
    assert allows(policy("setup"), Need("iam:GetPolicy", own))
    for action in ("iam:CreatePolicyVersion", "iam:CreatePolicy", "iam:SetDefaultPolicyVersion"):
        assert not allows(policy("setup"), Need(action, own))


def replace_action(need: Need, action: str) -> Need:
    return need._replace(action=action)


def _replaced(field: Any, ours: str, anothers: str) -> Any:
    if isinstance(field, tuple):
        return tuple(part.replace(ours, anothers) for part in field)
    return field.replace(ours, anothers)


def _compact(document: Any) -> str:
    return "".join(json.dumps(document).split())


# The parts.


def play(recorder: Recorder, settings: Settings, aws: Aws, patch: pytest.MonkeyPatch) -> None:
    """Play all parts, one after the other, on one installation."""
    with recorder.playing("ui"), Orchestrator.open(settings=settings) as desk:
        runs = ask(desk)
    with recorder.playing("worker"), Orchestrator.open(settings=settings) as desk:
        work(desk, runs)
    with recorder.playing("ui"), Orchestrator.open(settings=settings) as desk:
        decide(desk, runs)
    with recorder.playing("worker"), Orchestrator.open(settings=settings) as desk:
        work(desk, runs)
        use_the_operations(desk)
        examine(settings, patch)
    with recorder.playing("auditor"), Orchestrator.open(settings=settings) as desk:
        audit(desk)
    operate(recorder, aws)


def ask(desk: Orchestrator) -> list[str]:
    document = desk.documents.add(LEASE.encode(), name="lease.txt")
    desk.documents.index()
    desk.documents.page(document.id, 1)
    desk.runs.cancel(desk.runs.submit("Never mind.", thread="t-never").id)
    runs = [desk.runs.submit(text, thread=f"t-{text[:2]}").id for text in (QUESTION, MEMO)]
    desk.documents.list()
    desk.runs.list()
    desk.runs.workers()
    return runs


def decide(desk: Orchestrator, runs: list[str]) -> None:
    (waiting,) = [run for run_id in runs if (run := desk.runs.get(run_id)).interrupts]
    desk.runs.resume(waiting.id, {waiting.interrupts[0].id: {"type": "approve"}})
    for run_id in runs:
        list(desk.runs.events(run_id, follow=False))
        desk.runs.history(desk.runs.get(run_id).thread_id)
        desk.feedback.add(run_id, "up", "As it should be.")
        desk.feedback.list(run_id)
        desk.audit.verify(run_id)
    read_a_long_thread(desk)


def read_a_long_thread(desk: Orchestrator) -> None:
    """Read as a history does whose lists were cut into segments."""
    desk.resources.workspace.tables.checkpoints.batch_get([("no thread", "no segment")])


def work(desk: Orchestrator, runs: list[str]) -> None:
    """Run a worker until nothing is left to do for it."""

    async def go() -> None:
        worker = desk.worker()
        at_work = asyncio.create_task(worker.work())
        deadline = time.monotonic() + 60
        while await asyncio.to_thread(lambda: any(desk.runs.get(r).status in BUSY for r in runs)):
            assert time.monotonic() < deadline, "it took too long"
            await asyncio.sleep(0.05)
        worker.stop()
        await at_work

    asyncio.run(go())
    assert not any(desk.runs.get(run).status == "error" for run in runs)


def use_the_operations(desk: Orchestrator) -> None:
    """Use the ports as the custodian's tools, maintenance and erasure do, on every resource."""
    workspace, now = desk.resources.workspace, time.time()
    for name in TABLES:
        table = getattr(workspace.tables, name)
        table.batch_write(puts=[Item("item/roles", "a")])
        table.batch_get([("item/roles", "a")])
        table.batch_write(deletes=[("item/roles", "a")])
    for name in BUCKETS:
        blobs = getattr(workspace.buckets, name)
        blobs.put("item/roles", b"bytes")
        list(blobs.list("item/"))
        blobs.delete("item/roles")
    workspace.buckets.documents.put("item/erased", b"bytes")
    workspace.buckets.documents.erase("item/erased")
    workspace.buckets.deliverables.put("item/kept", b"bytes")
    workspace.buckets.deliverables.retain("item/kept", now + 3600)
    for group in LOG_GROUPS:
        workspace.telemetry.log(group, {"event": "roles"})
        workspace.telemetry.logs(group, start=now - 60, end=now + 60)
    workspace.telemetry.statistics("runs_success", start=now - 60, end=now + 60, period=60)
    another = desk.resources._opened.backend.workspace("another")
    another.queue.send("for somebody else")
    workspace.queue.receive()


def examine(settings: Settings, patch: pytest.MonkeyPatch) -> None:
    """Run the doctor, as it would run beside a worker."""
    patch.setenv("AFFIDAVIT_BACKEND", "aws")
    patch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", ACCOUNT)
    patch.setenv("AFFIDAVIT_MODEL", "offline")
    assert [check for check in health() if not check.ok] == []


def audit(desk: Orchestrator) -> None:
    for entry in desk.runs.list():
        run = desk.runs.get(entry["run_id"])
        list(desk.runs.events(run.id, follow=False))
        desk.runs.history(run.thread_id)
        assert desk.audit.verify(run.id).ok
        desk.feedback.list(run.id)
    for document in desk.documents.list():
        desk.documents.page(document.id, 1)
    desk.documents.search(QUESTION)
    read_a_long_thread(desk)


def operate(recorder: Recorder, aws: Aws) -> None:
    """Set up, and again after much was changed by hand. Its names become the installation's."""
    with recorder.playing("setup"):
        installation = Installation(aws)
    installation.set_up()
    by_hand = aws.clients()
    unmake(installation, by_hand)
    installation.set_up()
    url = by_hand.sqs.get_queue_url(QueueName=installation.names.queue)["QueueUrl"]
    by_hand.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    installation.set_up()
    assert installation.infrastructure.plan(quiet).empty
    by_hand.close()
    installation.clients.close()
    calls = recorder.calls["setup"]
    recorder.calls["setup"] = {
        need._replace(resource=need.resource.replace(installation.prefix, "affidavit"))
        for need in calls
    }


def unmake(installation: Installation, clients: Any) -> None:
    """Remove one of each, and loosen a policy, as a person in a hurry might."""
    names = installation.names
    clients.dynamodb.update_table(TableName=names.table("runs"), DeletionProtectionEnabled=False)
    clients.dynamodb.delete_table(TableName=names.table("runs"))
    clients.s3.delete_bucket(Bucket=names.bucket("state"))
    clients.s3.delete_bucket_encryption(Bucket=names.bucket("documents"))
    clients.logs.delete_log_group(logGroupName=names.log_group("writer"))
    clients.cloudwatch.delete_dashboards(DashboardNames=[names.prefix])
    url = clients.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
    clients.sqs.delete_queue(QueueUrl=url)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{names.prefix}-"
    clients.iam.delete_policy(PolicyArn=f"{arn}auditor")
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
    for _ in range(4):
        clients.iam.create_policy_version(
            PolicyArn=f"{arn}ui", PolicyDocument=document, SetAsDefault=True
        )
