"""The ground of the AWS back end: names, clients, errors, and the server that tests it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from storage.aws.clients import Clients
from storage.aws.errors import may_have_been_done, translate
from storage.aws.names import MAX_PREFIX, Names
from storage.errors import (
    AffidavitError,
    ConditionFailed,
    InvalidInput,
    NotAllowed,
    NotFound,
    TooLarge,
    Unavailable,
)
from storage.ports import BUCKETS, TABLES
from tests.aws import ACCOUNT, REGION, Aws


class TestNames:
    def test_they_begin_with_the_prefix(self) -> None:
        names = Names("affidavit", ACCOUNT, REGION)

        assert names.table("runs") == "affidavit-runs"
        assert names.bucket("state") == "affidavit-state-123456789012"
        assert names.log_group("writer") == "affidavit-writer"

    def test_the_longest_prefix_makes_names_that_fit(self) -> None:
        names = Names("p" * MAX_PREFIX, ACCOUNT, REGION)

        assert max(len(names.bucket(bucket)) for bucket in BUCKETS) == 63

    @pytest.mark.parametrize("prefix", ["", "A", "a_b", "-a", "a-", "a.b", "x" * 38, "xn--a"])
    def test_a_prefix_that_no_bucket_could_have_is_refused(self, prefix: str) -> None:
        with pytest.raises(InvalidInput, match="prefix"):
            Names(prefix, ACCOUNT, REGION)

    def test_an_account_and_a_region_are_checked(self) -> None:
        with pytest.raises(InvalidInput, match="12 digits"):
            Names("a", "1234", REGION)
        with pytest.raises(InvalidInput, match="eu-central-1"):
            Names("a", ACCOUNT, "Frankfurt")
        with pytest.raises(InvalidInput, match="analyst"):
            Names("a", ACCOUNT, REGION).log_group("nobody")


class TestClients:
    def test_they_find_their_place_in_the_environment(self, aws: Aws) -> None:
        clients = Clients()

        assert clients.region == REGION
        assert clients.sts.get_caller_identity()["Account"] == ACCOUNT
        assert clients.sts is clients.sts
        found = clients.dynamodb.list_tables()["TableNames"]
        assert {aws.names.table(table) for table in TABLES} <= set(found)
        clients.close()

    def test_without_credentials_it_says_what_to_set(
        self, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(InvalidInput, match="AWS_PROFILE"):
            Clients().s3  # noqa: B018 - asking for it makes it

    def test_half_of_the_credentials_are_none(
        self, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(InvalidInput, match="AWS_SECRET_ACCESS_KEY"):
            Clients().s3  # noqa: B018

    def test_without_a_region_it_says_what_to_set(
        self, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(InvalidInput, match="AWS_DEFAULT_REGION"):
            Clients().s3  # noqa: B018

    def test_an_unknown_profile_is_named(self, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(InvalidInput, match="nobody"):
            Clients().s3  # noqa: B018


def answer(code: str, status: int = 400, retries: int = 0, **more: object) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RetryAttempts": retries}
    response = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": metadata, **more}
    return ClientError(response, "PutItem")  # type: ignore[arg-type]


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "status", "ours", "says"),
        [
            ("ConditionalCheckFailedException", 400, ConditionFailed, "does not hold"),
            ("PreconditionFailed", 412, ConditionFailed, "does not hold"),
            ("TransactionConflictException", 400, Unavailable, "changed by others"),
            ("ProvisionedThroughputExceededException", 400, Unavailable, "Try again"),
            ("SlowDown", 503, Unavailable, "Try again"),
            ("InternalServerError", 500, Unavailable, "Try again"),
            ("ResourceNotFoundException", 400, NotFound, "affidavit setup"),
            ("NoSuchBucket", 404, NotFound, "affidavit setup"),
            ("AccessDeniedException", 400, NotAllowed, "PutItem on the table t"),
            ("ExpiredTokenException", 400, NotAllowed, "log in again"),
            ("UnrecognizedClientException", 400, NotAllowed, "credentials"),
            ("EntityTooLarge", 400, TooLarge, "that much"),
            ("ValidationException", 400, InvalidInput, "ValidationException"),
        ],
    )
    def test_an_answer_becomes_an_error_that_says_what_to_do(
        self, code: str, status: int, ours: type[AffidavitError], says: str
    ) -> None:
        error = translate(answer(code, status), "the table t")

        assert type(error) is ours
        assert says in str(error)

    def test_a_cancelled_transaction_names_the_positions(self) -> None:
        reasons = [{"Code": code} for code in ("None", "ConditionalCheckFailed", "None")]
        error = translate(
            answer("TransactionCanceledException", CancellationReasons=reasons), "the table t"
        )

        assert isinstance(error, ConditionFailed)
        assert error.failed == (1,)

    @pytest.mark.parametrize(
        "error",
        [
            EndpointConnectionError(endpoint_url="x"),
            ConnectTimeoutError(endpoint_url="x"),
            ReadTimeoutError(endpoint_url="x"),
        ],
    )
    def test_a_service_that_is_not_reached_may_be_later(self, error: BotoCoreError) -> None:
        assert isinstance(translate(error, "the table t"), Unavailable)

    def test_a_lost_answer_says_nothing_about_the_write(self) -> None:
        assert may_have_been_done(ReadTimeoutError(endpoint_url="x"))
        assert may_have_been_done(answer("InternalServerError", 500))
        assert may_have_been_done(answer("ConditionalCheckFailedException", retries=1))
        assert not may_have_been_done(answer("ConditionalCheckFailedException"))


def test_the_server_ends_when_whoever_started_it_is_killed() -> None:
    program = (
        "from tests.aws import start\nwith start() as aws: print(aws.process, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        server = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    for _ in range(200):
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"The server {server} is still there.")
