"""Logs, queue, alarms, dashboard and policies as they stand: read, made, and set right.

As in `storage.aws.live_data`, a class here is one kind of resource.
"""

import json
from typing import Any, Final

from botocore.exceptions import ClientError

from storage.aws.clients import Clients
from storage.aws.errors import code_of
from storage.aws.live_data import Properties, json_of
from storage.aws.template import Resource, partition

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_POLICY_VERSIONS: Final = 5


class LogGroupKind:
    """CloudWatch log groups."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        pages = self._clients.logs.get_paginator("describe_log_groups")
        for page in pages.paginate(logGroupNamePrefix=resource.name):
            for group in page["logGroups"]:
                if group["logGroupName"] == resource.name:
                    return {"RetentionInDays": group.get("retentionInDays")}
        return None

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        self._clients.logs.create_log_group(logGroupName=resource.name)

    def mend(self, resource: Resource, _name: str, /) -> None:
        """See `Kind.mend`."""
        days = resource.properties["RetentionInDays"]
        self._clients.logs.put_retention_policy(logGroupName=resource.name, retentionInDays=days)


class QueueKind:
    """SQS queues."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        sqs = self._clients.sqs
        try:
            url = sqs.get_queue_url(QueueName=resource.name)["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        except ClientError as error:
            if "NonExistentQueue" in code_of(error) or code_of(error) == "QueueDoesNotExist":
                return None
            raise
        return {name: _plain(value) for name, value in found.items()}

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        self._clients.sqs.create_queue(QueueName=resource.name, Attributes=_texts(resource))

    def mend(self, resource: Resource, name: str, /) -> None:
        """See `Kind.mend`."""
        sqs = self._clients.sqs
        url = sqs.get_queue_url(QueueName=resource.name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: _texts(resource)[name]})


def _texts(resource: Resource) -> dict[str, str]:
    """Return attributes as SQS takes them, all of them strings."""
    return {name: str(value).lower() for name, value in resource.properties.items()}


def _plain(value: str) -> Any:
    """Return an attribute of SQS, always a string, as the template writes it."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdecimal() else value


class AlarmKind:
    """CloudWatch alarms, whose properties have the same names in the template and in the API."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        answer = self._clients.cloudwatch.describe_alarms(AlarmNames=[resource.name])
        return dict(answer["MetricAlarms"][0]) if answer["MetricAlarms"] else None

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        self._clients.cloudwatch.put_metric_alarm(AlarmName=resource.name, **resource.properties)

    def mend(self, resource: Resource, _name: str, /) -> None:
        """See `Kind.mend`."""
        self.make(resource)


class DashboardKind:
    """CloudWatch dashboards."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        try:
            answer = self._clients.cloudwatch.get_dashboard(DashboardName=resource.name)
        except ClientError as error:
            if code_of(error) in ("ResourceNotFound", "DashboardNotFoundError"):
                return None
            raise
        return {"DashboardBody": answer["DashboardBody"]}

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        self._clients.cloudwatch.put_dashboard(
            DashboardName=resource.name, DashboardBody=resource.properties["DashboardBody"]
        )

    def mend(self, resource: Resource, _name: str, /) -> None:
        """See `Kind.mend`."""
        self.make(resource)


class ManagedPolicyKind:
    """IAM's managed policies. A description cannot be changed and is not compared."""

    def __init__(self, clients: Clients, account: str) -> None:
        self._clients = clients
        self._arn = f"arn:{partition(clients.region)}:iam::{account}:policy/"

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        iam, arn = self._clients.iam, self._arn + resource.name
        try:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        except ClientError as error:
            if code_of(error) in ("NoSuchEntity", "NoSuchEntityException"):
                return None
            raise
        document = found["Document"]
        document = json.loads(document) if isinstance(document, str) else document
        return {
            "PolicyDocument": json_of(document),
            "Description": resource.properties["Description"],
        }

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        self._clients.iam.create_policy(
            PolicyName=resource.name,
            Description=resource.properties["Description"],
            PolicyDocument=json.dumps(resource.properties["PolicyDocument"]),
        )

    def mend(self, resource: Resource, _name: str, /) -> None:
        """See `Kind.mend`."""
        iam, arn = self._clients.iam, self._arn + resource.name
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) >= MAX_POLICY_VERSIONS:
            spare = [version for version in versions if not version["IsDefaultVersion"]]
            oldest = min(spare, key=lambda version: version["CreateDate"])
            iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
        document = json.dumps(resource.properties["PolicyDocument"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
