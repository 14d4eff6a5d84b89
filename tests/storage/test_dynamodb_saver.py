"""The checkpointer on DynamoDB and S3, used alone: by any LangGraph program."""

import asyncio
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate

from storage.aws.clients import Clients
from storage.checkpointer import DynamoDBSaver
from storage.errors import InvalidInput, NotFound
from tests.aws import Aws
from tests.faults import Faults, refuses

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "dynamodb_saver.md"


@pytest.fixture
def clients(aws: Aws) -> Iterator[Clients]:
    made = aws.clients()
    yield made
    made.close()


def saver_on(clients: Clients, name: str) -> DynamoDBSaver:
    return DynamoDBSaver(
        name, dynamodb_client=clients.dynamodb, s3_client=clients.s3, s3_bucket=f"{name}-objects"
    )


def test_official_conformance(clients: Clients, aws: Aws) -> None:
    saver_on(clients, "conformance").setup()

    @checkpointer_test(name="DynamoDBSaver")
    async def make() -> AsyncIterator[BaseCheckpointSaver[int]]:
        aws.forget()
        yield saver_on(clients, "conformance")

    report = asyncio.run(validate(make))

    assert report.passed_all(), report.to_dict()
    assert len(report.results) == 8
    assert all(result.detected and result.passed for result in report.results.values())


def test_setup_can_be_repeated_and_keeps_what_is_there(clients: Clients) -> None:
    saver = saver_on(clients, "repeated")
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    saver.setup()
    at = saver.put(config, empty_checkpoint(), {"source": "input", "step": -1}, {})
    saver.setup()

    assert saver.get_tuple(at)
    table = clients.dynamodb.describe_table(TableName="repeated")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    found = clients.dynamodb.describe_time_to_live(TableName="repeated")
    assert found["TimeToLiveDescription"]["AttributeName"] == "expires_at"


def test_a_value_too_large_for_an_item_goes_to_the_bucket(clients: Clients) -> None:
    saver = saver_on(clients, "large")
    saver.setup()
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"small": "s", "large": random.Random(1).randbytes(1_000_000)}
    checkpoint["channel_versions"] = {"small": 1, "large": 1}
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    at = saver.put(config, checkpoint, {}, checkpoint["channel_versions"])

    found = saver.get_tuple(at)
    assert found
    assert found.checkpoint["channel_values"] == checkpoint["channel_values"]
    (stored,) = clients.s3.list_objects_v2(Bucket="large-objects")["Contents"]
    assert stored["Size"] >= 1_000_000
    saver.delete_thread("t")
    assert clients.s3.list_objects_v2(Bucket="large-objects")["KeyCount"] == 0


def test_without_a_table_it_says_what_is_missing(clients: Clients) -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(NotFound, match="table missing"):
        saver_on(clients, "missing").get_tuple(config)


def test_a_bucket_of_another_account_is_not_used(aws: Aws) -> None:
    with Faults(aws.endpoint) as faults:
        clients = aws.clients(endpoint=faults.endpoint)
        faults.on("PUT", refuses("BucketAlreadyExists", 409))
        with pytest.raises(InvalidInput, match="another account"):
            saver_on(clients, "taken").setup()
        clients.close()


def test_the_example_of_the_documentation_runs(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", EXAMPLE.read_text(), re.DOTALL)
    for _ in range(2):
        exec(compile(example, EXAMPLE.name, "exec"), {})  # noqa: S102 - it is ours
    assert capsys.readouterr().out.splitlines() == ["4 messages", "8 messages"]


def test_importing_it_does_not_load_boto3() -> None:
    program = (
        "import sys; from storage.checkpointer import DynamoDBSaver; "
        "sys.exit('botocore' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
