"""What calls of boto3 need permission for, and what a policy says to that.

`Recorder` listens to every client that is made while it is there, and writes down each call as the
actions and resources that AWS would ask a policy about, by the "Service Authorization Reference".
`allows` is IAM's evaluation, as far as the project's own policies go: `Allow` statements, wildcards
in actions and resources, and the condition `StringEquals`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from storage.aws.clients import Clients
from storage.aws.names import Names
from tests.installing import on_each_call

S3_ACTIONS = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
}
NEEDS_NOTHING = {"sts:GetCallerIdentity"}


class Need(NamedTuple):
    """A permission that a call needs; `context` is one condition key and its value, or empty."""

    action: str
    resource: str
    context: tuple[str, str] | tuple[()] = ()


def needs(service: str, operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    """Return what one call needs.

    Raises:
        KeyError: the call is not known here: say what it needs.
    """
    if f"{service}:{operation}" in NEEDS_NOTHING:
        return set()
    found: set[Need] = globals()[f"_{service}"](operation, params, names)
    return found


def _arn(service: str, names: Names, rest: str, *, region: bool = True) -> str:
    return f"arn:aws:{service}:{names.region if region else ''}:{names.account}:{rest}"


def _dynamodb(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    def need(action: str, table: str) -> Need:
        return Need(f"dynamodb:{action}", _arn("dynamodb", names, f"table/{table}"))

    if operation in ("BatchGetItem", "BatchWriteItem"):
        return {need(operation, table) for table in params["RequestItems"]}
    if operation == "TransactWriteItems":
        actions = {"Put": "PutItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
        return {
            need(actions[kind], part["TableName"])
            for item in params["TransactItems"]
            for kind, part in item.items()
        }
    return {need(operation, params["TableName"])}


def _s3(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    bucket = f"arn:aws:s3:::{params['Bucket']}"
    if operation == "DeleteObjects":
        return {
            Need(
                f"s3:DeleteObject{'Version' if 'VersionId' in each else ''}",
                f"{bucket}/{each['Key']}",
            )
            for each in params["Delete"]["Objects"]
        }
    action = S3_ACTIONS.get(operation, operation)
    if "VersionId" in params:
        action += "Version"
    return {Need(f"s3:{action}", f"{bucket}/{params['Key']}" if "Key" in params else bucket)}


def _sqs(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    queue = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
    return {Need(f"sqs:{operation}", _arn("sqs", names, queue))}


def _logs(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    group = params.get("logGroupName", "")
    stream = params.get("logStreamName", "")
    return {
        Need(f"logs:{operation}", _arn("logs", names, f"log-group:{group}:log-stream:{stream}"))
    }


def _cloudwatch(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    action = f"cloudwatch:{operation}"
    if operation == "PutMetricData":
        return {Need(action, "*", ("cloudwatch:namespace", params["Namespace"]))}
    if "DashboardName" in params:
        dashboard = f"dashboard/{params['DashboardName']}"
        return {Need(action, _arn("cloudwatch", names, dashboard, region=False))}
    alarms = [*params.get("AlarmNames", ()), *filter(None, [params.get("AlarmName")])]
    if alarms:
        return {Need(action, _arn("cloudwatch", names, f"alarm:{alarm}")) for alarm in alarms}
    return {Need(action, "*")}


def _cloudformation(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    stack = f"stack/{params['StackName']}/1a2b3c"
    return {Need(f"cloudformation:{operation}", _arn("cloudformation", names, stack))}


def _iam(operation: str, params: Mapping[str, Any], names: Names) -> set[Need]:
    arn = params.get("PolicyArn") or _arn(
        "iam", names, f"policy/{params['PolicyName']}", region=False
    )
    return {Need(f"iam:{operation}", arn)}


@dataclass
class Recorder:
    """Every call, by the part that was played when its client was made."""

    names: Names
    part: str = ""
    calls: dict[str, set[Need]] = field(default_factory=dict)

    @contextmanager
    def playing(self, part: str) -> Iterator[None]:
        self.part = part
        yield
        self.part = ""

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Listen to every client that is made from now on."""
        make = Clients.__init__

        def made(clients: Clients, *args: Any, **kwargs: Any) -> None:
            make(clients, *args, **kwargs)
            if self.part:
                self.listen(clients)

        patch.setattr(Clients, "__init__", made)

    def listen(self, clients: Clients) -> None:
        part = self.part

        def heard(model: Any, params: Any, **_: Any) -> None:
            service = model.service_model.service_name
            self.calls.setdefault(part, set()).update(
                needs(service, model.name, params, self.names)
            )

        on_each_call(clients, heard)


def allows(policy: Mapping[str, Any], need: Need) -> bool:
    """Tell whether a policy's document allows something."""
    return any(_statement_allows(statement, need) for statement in policy["Statement"])


def uses(policy: Mapping[str, Any], need: Need) -> set[str]:
    """Return the actions, as the policy writes them, by which it allows something."""
    return {
        action
        for statement in policy["Statement"]
        if _statement_allows(statement, need)
        for action in _list(statement["Action"])
        if _matches(action, need.action)
    }


def _statement_allows(statement: Mapping[str, Any], need: Need) -> bool:
    assert statement["Effect"] == "Allow", "A policy here only allows."
    conditions = statement.get("Condition", {"StringEquals": {}})
    assert conditions.keys() == {"StringEquals"}
    return (
        any(_matches(action, need.action) for action in _list(statement["Action"]))
        and any(_matches(resource, need.resource) for resource in _list(statement["Resource"]))
        and all(
            dict([need.context] if need.context else []).get(key) == value
            for key, value in conditions["StringEquals"].items()
        )
    )


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _matches(pattern: str, text: str) -> bool:
    parts = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), text) is not None
