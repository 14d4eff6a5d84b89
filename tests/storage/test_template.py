"""The CloudFormation template, property by property: what a stand-in leaves out is checked here."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from storage.aws.names import MAX_PREFIX, Names
from storage.aws.template import Resource, data_template_text, resources, template_text
from storage.ports import BUCKETS, LOG_GROUPS, TABLES
from tests.aws import ACCOUNT, REGION

NAMES = Names("affidavit", ACCOUNT, REGION)
ROOT = Path(__file__).parents[2]
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_TEMPLATE_BYTES = 51_200


def all_of(kind: str, **parameters: str) -> dict[str, Resource]:
    found = [r for r in resources(NAMES, parameters) if r.type == f"AWS::{kind}"]
    return {resource.name: resource for resource in found}


def test_it_names_what_the_product_uses_and_nothing_else() -> None:
    assert sorted(all_of("S3::Bucket")) == sorted(map(NAMES.bucket, BUCKETS))
    assert sorted(all_of("DynamoDB::Table")) == sorted(map(NAMES.table, TABLES))
    assert sorted(all_of("Logs::LogGroup")) == sorted(map(NAMES.log_group, LOG_GROUPS))
    assert list(all_of("SQS::Queue")) == [NAMES.queue]
    roles = ("auditor", "setup", "ui", "worker")
    assert sorted(all_of("IAM::ManagedPolicy")) == [f"affidavit-{role}" for role in roles]


def test_what_holds_data_outlives_the_stack() -> None:
    held = {resource.name for resource in resources(NAMES, {}) if resource.holds_data}
    tables, buckets = map(NAMES.table, TABLES), map(NAMES.bucket, BUCKETS)
    assert held == {*tables, *buckets, *map(NAMES.log_group, LOG_GROUPS)}


def test_it_can_be_sent_whole() -> None:
    assert len(template_text().encode()) <= MAX_TEMPLATE_BYTES
    assert len(data_template_text().encode()) <= MAX_TEMPLATE_BYTES


def test_what_is_left_when_only_data_are_kept_names_nothing_that_is_gone() -> None:
    kept = json.loads(data_template_text())
    named = set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?\s*"(\w+)"', data_template_text()))
    named |= set(re.findall(r"\$\{(\w+)", data_template_text()))
    assert named <= {"AWS"} | kept["Resources"].keys() | kept["Parameters"].keys()


@pytest.mark.parametrize("text", [template_text, data_template_text])
def test_the_linter_finds_nothing(text: Callable[[], str]) -> None:
    """But for the parameters (W2001) that nothing refers to when only the data are kept."""
    unused = ManualArgs(ignore_checks=["W2001"] if text is data_template_text else [])
    assert [str(match) for match in lint(text(), config=unused)] == []


@pytest.mark.parametrize("bucket", BUCKETS)
class TestBuckets:
    def properties(self, bucket: Any) -> Any:
        return all_of("S3::Bucket")[NAMES.bucket(bucket)].properties

    def test_is_encrypted_closed_to_the_public_and_ours_alone(self, bucket: Any) -> None:
        found = self.properties(bucket)
        (rule,) = found["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        blocked = found["PublicAccessBlockConfiguration"]
        assert len(blocked) == 4
        assert all(blocked.values())
        assert found["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}

    def test_answers_over_tls_only(self, bucket: Any) -> None:
        policy = all_of("S3::BucketPolicy")[NAMES.bucket(bucket)].properties["PolicyDocument"]
        (statement,) = policy["Statement"]
        arn = f"arn:aws:s3:::{NAMES.bucket(bucket)}"
        assert statement["Resource"] == [arn, f"{arn}/*"]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == (
            *("Deny", "*"),
            "s3:*",
        )
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_keeps_versions_where_they_are_wanted_and_nowhere_else(self, bucket: Any) -> None:
        """In the others deletion must delete."""
        found = self.properties(bucket).get("VersioningConfiguration")
        wanted = {"Status": "Enabled"} if bucket in ("documents", "deliverables") else None
        assert found == wanted

    def test_only_deliverables_can_be_locked_and_are_not_by_default(self, bucket: Any) -> None:
        found = self.properties(bucket)
        if bucket == "deliverables":
            assert found["ObjectLockEnabled"] is True
            assert found["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
        else:
            assert "ObjectLockEnabled" not in found

    def test_its_rules_delete_no_current_object(self, bucket: Any) -> None:
        rules = {
            rule["Id"]: rule for rule in self.properties(bucket)["LifecycleConfiguration"]["Rules"]
        }
        aborted = rules.pop("abort-incomplete-uploads")
        assert aborted["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
        assert all(rule["Status"] == "Enabled" for rule in rules.values())
        assert not any({"ExpirationInDays", "ExpirationDate"} & r.keys() for r in rules.values())
        versioned = "VersioningConfiguration" in self.properties(bucket)
        assert rules.keys() == ({"forget-what-was-replaced"} if versioned else set())


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_protected_recoverable_encrypted_and_expires(table: Any) -> None:
    assert all_of("DynamoDB::Table")[NAMES.table(table)].properties == {
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
    }


def test_logs_expire_as_set() -> None:
    for days in ("90", "365"):
        groups = all_of("Logs::LogGroup", LogRetentionDays=days).values()
        assert {group.properties["RetentionInDays"] for group in groups} == {int(days)}


def test_the_queue_is_encrypted_and_forgets_soon() -> None:
    (queue,) = all_of("SQS::Queue").values()
    assert queue.properties["SqsManagedSseEnabled"] is True
    assert queue.properties["MessageRetentionPeriod"] <= 86_400
    assert "RedrivePolicy" not in queue.properties


class TestAlarms:
    def test_there_is_one_for_each_trouble(self) -> None:
        troubles = ("approvals-waiting", "queue-age", "read-throttles", "run-errors", "runs-wait")
        assert sorted(all_of("CloudWatch::Alarm")) == sorted(
            f"affidavit-{name}" for name in (*troubles, "write-throttles")
        )

    def test_they_tell_a_topic_if_there_is_one(self) -> None:
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"
        for alarm in all_of("CloudWatch::Alarm").values():
            assert "AlarmActions" not in alarm.properties
        for alarm in all_of("CloudWatch::Alarm", AlarmTopic=topic).values():
            assert alarm.properties["AlarmActions"] == [topic]

    def test_throttles_are_watched_on_every_table(self) -> None:
        for kind in ("Read", "Write"):
            alarm = all_of("CloudWatch::Alarm")[f"affidavit-{kind.lower()}-throttles"].properties
            stats = [m["MetricStat"]["Metric"] for m in alarm["Metrics"] if "MetricStat" in m]
            assert {metric["MetricName"] for metric in stats} == {f"{kind}ThrottleEvents"}
            watched = {dimension["Value"] for m in stats for dimension in m["Dimensions"]}
            assert watched == set(map(NAMES.table, TABLES))
            assert len(alarm["Metrics"]) <= 10  # the most that an alarm may combine


def test_every_metric_that_is_watched_is_one_that_the_product_sends() -> None:
    watched = set(re.findall(r'SELECT \w+\((\w+)\) FROM \\?"\$\{Prefix\}', template_text()))
    assert {"runs_error", "approvals_waiting", "queue_age_seconds", "dollars"} <= watched
    code = "".join(path.read_text() for path in (ROOT / "graph").glob("*.py"))
    for metric in watched:
        status = metric.removeprefix("runs_")
        sent = f'"{metric}"' in code or (f'"{status}"' in code and 'f"runs_{status}"' in code)
        assert sent, metric


def test_the_dashboard_is_sound_json_on_our_own_metrics_and_logs() -> None:
    (dashboard,) = all_of("CloudWatch::Dashboard").values()
    body = json.loads(dashboard.properties["DashboardBody"])
    assert {widget["properties"]["region"] for widget in body["widgets"]} == {REGION}
    (logs,) = (w for w in body["widgets"] if w["type"] == "log")
    assert all(f"'{NAMES.log_group(group)}'" in logs["properties"]["query"] for group in LOG_GROUPS)
    places = [(w["x"], w["y"]) for w in body["widgets"]]
    assert len(places) == len(set(places))


def test_names_fit_at_the_longest_prefix() -> None:
    names = Names("p" * MAX_PREFIX, ACCOUNT, "ap-southeast-3")
    for resource in resources(names, {}):
        assert len(resource.name) <= 64
