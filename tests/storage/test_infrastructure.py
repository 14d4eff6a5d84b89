"""The set-up of an AWS account: first, again, interrupted, after changes by hand, taken down."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from storage.aws.clients import Clients
from storage.aws.stack import Stack, StackFailed
from storage.errors import InvalidInput, NotAllowed
from storage.ports import BUCKETS, LOG_GROUPS, TABLES
from tests.aws import ACCOUNT, REGION, Aws, start
from tests.installing import Installation, Killed, on_each_call, quiet


@pytest.fixture(scope="module")
def aws_server() -> Iterator[Aws]:
    """A server of its own, as what is set up here would be in the way of other tests."""
    with start() as server:
        yield server


@pytest.fixture(scope="module")
def clients(aws_server: Aws) -> Iterator[Clients]:
    clients = aws_server.clients()
    yield clients
    clients.close()


@pytest.fixture
def installation(aws: Aws, clients: Clients) -> Installation:
    return Installation(aws, clients=clients)


@pytest.fixture
def standing(installation: Installation) -> Installation:
    installation.set_up()
    return installation


@pytest.fixture(scope="module")
def shared(aws_server: Aws, clients: Clients) -> Installation:
    installation = Installation(aws_server, clients=clients)
    installation.set_up()
    return installation


class TestSettingUp:
    def test_the_plan_of_an_empty_account_is_everything(self, installation: Installation) -> None:
        plan = installation.infrastructure.plan(quiet)
        assert plan.deploy
        assert not plan.lost
        assert [d.resource for d in plan.differences] == installation.resources()
        assert all(difference.missing for difference in plan.differences)

    def test_a_plan_changes_nothing(self, installation: Installation) -> None:
        first = installation.infrastructure.plan(quiet)
        assert installation.infrastructure.plan(quiet) == first

    def test_afterwards_everything_stands_as_the_template_says(
        self, installation: Installation
    ) -> None:
        after = installation.infrastructure.apply(installation.infrastructure.plan(quiet), quiet)
        assert after.empty, [str(difference) for difference in after.differences]
        assert after.status == "CREATE_COMPLETE"

    def test_there_are_four_buckets_six_tables_six_log_groups_one_queue_and_no_more(
        self, standing: Installation
    ) -> None:
        clients, names = standing.clients, standing.names
        buckets = [b["Name"] for b in clients.s3.list_buckets()["Buckets"]]
        tables = clients.dynamodb.list_tables()["TableNames"]
        groups = [g["logGroupName"] for g in clients.logs.describe_log_groups()["logGroups"]]
        queues = clients.sqs.list_queues(QueueNamePrefix=names.prefix)["QueueUrls"]
        assert _of(names.prefix, buckets) == sorted(map(names.bucket, BUCKETS))
        assert _of(names.prefix, tables) == sorted(map(names.table, TABLES))
        assert _of(names.prefix, groups) == sorted(map(names.log_group, LOG_GROUPS))
        assert [url.rpartition("/")[2] for url in queues] == [names.queue]

    def test_again_changes_nothing(self, standing: Installation) -> None:
        calls: list[str] = []
        clients = _fresh(standing)
        on_each_call(clients, lambda model, **_: calls.append(model.name))
        infrastructure = standing.of(clients)
        assert infrastructure.apply(infrastructure.plan(quiet), quiet).empty
        assert not [name for name in calls if not name.startswith(("Describe", "Get", "Head"))]

    @pytest.mark.parametrize("call", [0, 1, 2, 20])
    def test_killed_between_any_two_changes_it_goes_on_from_there(
        self, installation: Installation, call: int
    ) -> None:
        clients = _fresh(installation)
        changes = iter(range(10_000))

        def kill(model: Any, **_: Any) -> None:
            if not model.name.startswith(("Describe", "Get", "Head")) and next(changes) == call:
                raise Killed

        on_each_call(clients, kill)
        infrastructure = installation.of(clients)
        with pytest.raises(Killed):
            infrastructure.apply(infrastructure.plan(quiet), quiet)
        clients.close()
        installation.set_up()
        assert installation.infrastructure.plan(quiet).empty

    def test_two_prefixes_stand_side_by_side(self, aws: Aws, standing: Installation) -> None:
        other = Installation(aws)
        other.set_up()
        assert not standing.differences()
        assert not other.differences()
        other.infrastructure.take_down(quiet)
        other.infrastructure.delete_data(quiet)
        assert not standing.differences()

    def test_two_regions_stand_side_by_side_under_two_prefixes(
        self, aws: Aws, standing: Installation
    ) -> None:
        other = Installation(aws, region="eu-west-1")
        other.set_up()
        assert not other.differences()
        assert not standing.differences()

    def test_a_prefix_belongs_to_one_region(self, aws: Aws, standing: Installation) -> None:
        other = Installation(aws, region="eu-west-1", prefix=standing.prefix)
        with pytest.raises(NotAllowed, match=r"stands in eu-central-1.*AFFIDAVIT_PREFIX"):
            other.infrastructure.plan(quiet)


class TestRefusing:
    def test_another_account(self, installation: Installation) -> None:
        infrastructure = installation.of(installation.clients, account="210987654321")
        with pytest.raises(NotAllowed, match=rf"names the account 210987654321.*{ACCOUNT}.*moto"):
            infrastructure.plan(quiet)
        for change in (infrastructure.take_down, infrastructure.delete_data):
            with pytest.raises(NotAllowed, match="Nothing was changed"):
                change(quiet)

    def test_no_account(self, installation: Installation) -> None:
        infrastructure = installation.of(installation.clients, account="")
        with pytest.raises(InvalidInput, match=f"set AFFIDAVIT_AWS_ACCOUNT_ID={ACCOUNT}"):
            infrastructure.plan(quiet)

    def test_a_bucket_that_is_anothers(self, aws: Aws, installation: Installation) -> None:
        stranger = _of_another_account(aws, installation)
        stranger.s3.create_bucket(
            Bucket=installation.names.bucket("documents"),
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        with pytest.raises(NotAllowed, match=r"belongs to another account.*AFFIDAVIT_PREFIX"):
            installation.infrastructure.plan(quiet)
        stranger.close()

    def test_a_table_with_other_keys(self, installation: Installation) -> None:
        installation.clients.dynamodb.create_table(
            TableName=installation.names.table("runs"),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        plan = installation.infrastructure.plan(quiet)
        with pytest.raises(InvalidInput, match=r"keys of a table cannot be changed"):
            installation.infrastructure.apply(plan, quiet)


class TestChangesByHand:
    """Each is found, named, and set right, so that one installation does for all."""

    @pytest.fixture
    def standing(self, aws: Aws, shared: Installation) -> Installation:
        return shared

    def check(self, installation: Installation, *named: str) -> None:
        found = installation.differences()
        assert len(found) == 1
        assert all(words in found[0] for words in named), found
        installation.set_up()
        assert not installation.differences()

    def test_versioning_suspended(self, standing: Installation) -> None:
        bucket = standing.names.bucket("documents")
        standing.clients.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        )
        self.check(standing, bucket, "VersioningConfiguration", "Suspended", "Enabled")

    def test_a_bucket_opened_to_the_public(self, standing: Installation) -> None:
        bucket = standing.names.bucket("state")
        standing.clients.s3.delete_public_access_block(Bucket=bucket)
        self.check(standing, bucket, "PublicAccessBlockConfiguration", "not set")

    def test_an_encryption_taken_off(self, standing: Installation) -> None:
        bucket = standing.names.bucket("artifacts")
        standing.clients.s3.delete_bucket_encryption(Bucket=bucket)
        self.check(standing, bucket, "BucketEncryption")

    def test_an_ownership_given_back_to_writers(self, standing: Installation) -> None:
        bucket = standing.names.bucket("state")
        controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        standing.clients.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
        self.check(standing, bucket, "OwnershipControls", "ObjectWriter")

    def test_a_rule_that_would_delete_what_is_there(self, standing: Installation) -> None:
        bucket = standing.names.bucket("documents")
        lifecycle = standing.clients.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        rule = {
            "ID": "clean",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Expiration": {"Days": 1},
        }
        standing.clients.s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [*lifecycle, rule]}
        )
        self.check(standing, bucket, "LifecycleConfiguration")

    def test_a_bucket_policy_that_lets_others_in(self, standing: Installation) -> None:
        bucket = standing.names.bucket("deliverables")
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        standing.clients.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        self.check(standing, f"policy of bucket {bucket}", "PolicyDocument")

    def test_a_deletion_protection_taken_off(self, standing: Installation) -> None:
        table = standing.names.table("audit")
        standing.clients.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        self.check(standing, table, "DeletionProtectionEnabled is false")

    def test_a_point_in_time_recovery_taken_off(self, standing: Installation) -> None:
        table = standing.names.table("runs")
        standing.clients.dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
        )
        self.check(standing, table, "PointInTimeRecoverySpecification")

    def test_an_expiry_taken_off(self, standing: Installation) -> None:
        table = standing.names.table("memory")
        standing.clients.dynamodb.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": False},
        )
        self.check(standing, table, "TimeToLiveSpecification")

    def test_logs_kept_for_ever(self, standing: Installation) -> None:
        group = standing.names.log_group("writer")
        standing.clients.logs.delete_retention_policy(logGroupName=group)
        self.check(standing, group, "RetentionInDays is not set, should be 90")

    def test_another_visibility_of_messages(self, standing: Installation) -> None:
        url = standing.clients.sqs.get_queue_url(QueueName=standing.names.queue)["QueueUrl"]
        standing.clients.sqs.set_queue_attributes(
            QueueUrl=url, Attributes={"VisibilityTimeout": "900"}
        )
        self.check(standing, standing.names.queue, "VisibilityTimeout is 900, should be 60")

    def test_an_alarm_deleted(self, standing: Installation) -> None:
        alarm = f"{standing.prefix}-run-errors"
        standing.clients.cloudwatch.delete_alarms(AlarmNames=[alarm])
        self.check(standing, f"alarm {alarm} is missing")

    def test_a_dashboard_deleted(self, standing: Installation) -> None:
        standing.clients.cloudwatch.delete_dashboards(DashboardNames=[standing.prefix])
        self.check(standing, f"dashboard {standing.prefix} is missing")

    def test_a_policy_widened(self, standing: Installation) -> None:
        name = f"{standing.prefix}-ui"
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        for _ in range(4):  # the most that a policy may have are five versions
            standing.clients.iam.create_policy_version(
                PolicyArn=arn, PolicyDocument=document, SetAsDefault=True
            )
        self.check(standing, f"managed policy {name}", "PolicyDocument")

    def test_a_table_deleted_is_made_anew_and_called_lost(self, standing: Installation) -> None:
        table = standing.names.table("feedback")
        standing.clients.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        standing.clients.dynamodb.delete_table(TableName=table)
        assert [r.name for r in standing.infrastructure.plan(quiet).lost] == [table]
        self.check(standing, f"table {table} is missing")

    def test_every_bucket_deleted_is_made_anew_as_it_was(self, standing: Installation) -> None:
        for bucket in map(standing.names.bucket, BUCKETS):
            standing.clients.s3.delete_bucket(Bucket=bucket)
        assert len(standing.differences()) == 2 * len(BUCKETS)
        standing.set_up()
        assert not standing.differences()


class TestTakingDown:
    @pytest.fixture
    def standing(self, standing: Installation) -> Installation:
        """Without the policies of the buckets, which refuse the plain HTTP of the tests' server."""
        for bucket in map(standing.names.bucket, BUCKETS):
            standing.clients.s3.delete_bucket_policy(Bucket=bucket)
        return standing

    def test_data_stay_and_come_back_with_the_next_set_up(self, standing: Installation) -> None:
        names, clients = standing.names, standing.clients
        item = {"pk": {"S": "w/p"}, "sk": {"S": "s"}}
        clients.dynamodb.put_item(TableName=names.table("runs"), Item=item)
        clients.s3.put_object(Bucket=names.bucket("documents"), Key="w/k", Body=b"lease")
        kept = standing.infrastructure.take_down(quiet)
        assert {r.name for r in kept} >= {*map(names.table, TABLES), *map(names.bucket, BUCKETS)}
        plan = standing.infrastructure.plan(quiet)
        assert not plan.lost
        assert not [d for d in plan.differences if d.resource.holds_data]
        assert clients.dynamodb.get_item(TableName=names.table("runs"), Key=item)["Item"] == item
        body = clients.s3.get_object(Bucket=names.bucket("documents"), Key="w/k")["Body"]
        assert body.read() == b"lease"
        standing.set_up()
        assert not standing.differences()

    def test_told_twice_everything_goes_versions_and_unfinished_uploads_too(
        self, standing: Installation
    ) -> None:
        bucket, s3 = standing.names.bucket("documents"), standing.clients.s3
        for body in (b"first", b"second"):
            s3.put_object(Bucket=bucket, Key="k", Body=body)
        s3.delete_object(Bucket=bucket, Key="k")
        s3.create_multipart_upload(Bucket=bucket, Key="half")
        standing.infrastructure.take_down(quiet)
        assert standing.infrastructure.delete_data(quiet) == []
        plan = standing.infrastructure.plan(quiet)
        assert plan.status in ("", "DELETE_COMPLETE")
        assert all(difference.missing for difference in plan.differences)
        assert not plan.lost

    def test_what_a_lock_keeps_is_named_with_its_date(self, standing: Installation) -> None:
        bucket, s3 = standing.names.bucket("deliverables"), standing.clients.s3
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        for key, days in (("memo", 30), ("table", 10)):
            end = until - timedelta(days=30 - days)
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=b"published",
                ObjectLockMode="GOVERNANCE",
                ObjectLockRetainUntilDate=end,
            )
        s3.put_object(Bucket=bucket, Key="draft", Body=b"never published")
        standing.infrastructure.take_down(quiet)
        (kept,) = standing.infrastructure.delete_data(quiet)
        assert (kept.bucket, kept.objects, kept.until) == (bucket, 2, until)
        assert {o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {
            "memo",
            "table",
        }

    def test_killed_halfway_it_goes_on_from_there(self, standing: Installation) -> None:
        clients = _fresh(standing)

        def kill(model: Any, **_: Any) -> None:
            if model.name == "DeleteTable":
                raise Killed

        on_each_call(clients, kill)
        with pytest.raises(Killed):
            standing.of(clients).delete_data(quiet)
        standing.infrastructure.take_down(quiet)
        assert standing.infrastructure.delete_data(quiet) == []
        assert not standing.infrastructure.plan(quiet).lost


class TestTheStack:
    """What only CloudFormation itself does, by its documented answers."""

    def test_one_that_was_rolled_back_is_cleared_away_and_made_again(
        self, clients: Clients
    ) -> None:
        with Stubber(clients.cloudformation) as stub:
            _answer_status(stub, "ROLLBACK_COMPLETE")
            stub.add_response("delete_stack", {}, {"StackName": "acme"})
            _answer_status(stub, "DELETE_IN_PROGRESS")
            stub.add_response("describe_stack_events", {"StackEvents": []})
            stub.add_client_error(
                "describe_stacks", "ValidationError", "Stack with id acme does not exist"
            )
            stub.add_response("create_change_set", {"Id": "x" * 40, "StackId": "y"})
            stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
            stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
            stub.add_response("execute_change_set", {})
            _answer_status(stub, "REVIEW_IN_PROGRESS")
            stub.add_response("describe_stack_events", {"StackEvents": []})
            _answer_status(stub, "CREATE_COMPLETE")
            Stack(clients, "acme", 0.0).deploy("{}", {}, quiet)
            stub.assert_no_pending_responses()

    def test_one_that_fails_says_why_by_its_first_cause(self, clients: Clients) -> None:
        with Stubber(clients.cloudformation) as stub:
            _answer_status(stub, "UPDATE_COMPLETE")
            stub.add_response("create_change_set", {"Id": "x" * 40, "StackId": "y"})
            stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
            stub.add_response("execute_change_set", {})
            _answer_status(stub, "UPDATE_ROLLBACK_COMPLETE")
            reasons = ["Resource creation cancelled", "Cannot delete a policy attached to entities"]
            stub.add_response(
                "describe_stack_events",
                {
                    "StackEvents": [
                        {
                            "StackId": "acme",
                            "EventId": reason,
                            "StackName": "acme",
                            "LogicalResourceId": "WorkerPolicy",
                            "ResourceStatus": "DELETE_FAILED",
                            "ResourceStatusReason": reason,
                            "Timestamp": datetime.now(UTC),
                        }
                        for reason in reasons
                    ]
                },
            )
            with pytest.raises(StackFailed, match="WorkerPolicy: Cannot delete a policy attached"):
                Stack(clients, "acme", 0.0).deploy("{}", {}, quiet)


def _answer_status(stub: Stubber, status: str) -> None:
    stack = {"StackName": "acme", "CreationTime": datetime.now(UTC), "StackStatus": status}
    stub.add_response("describe_stacks", {"Stacks": [stack]})


def _of(prefix: str, names: list[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(f"{prefix}-"))


def _fresh(installation: Installation) -> Clients:
    """Return clients on which nothing listens yet."""
    return Clients(**installation.clients._options)


def _of_another_account(aws: Aws, installation: Installation) -> Clients:
    role = "arn:aws:iam::222222222222:role/stranger"
    answer = installation.clients.sts.assume_role(RoleArn=role, RoleSessionName="stranger")
    keys = answer["Credentials"]
    return Clients(
        region_name=REGION,
        endpoint_url=aws.endpoint,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
