"""Removing what stands in an account, data included, once a person has said so twice.

What Object Lock protects cannot be removed before its date, and no force is used: it is counted,
and named with the date.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.aws.clients import Clients
from storage.aws.errors import AwsError, translate
from storage.aws.template import Resource, partition


@dataclass(frozen=True, slots=True)
class Kept:
    """A bucket that stays. `until`: when the last lock ends; None if one has no date."""

    bucket: str
    objects: int
    until: datetime | None


class Remover:
    """Removes resources of one account and region; what is gone already is fine."""

    def __init__(self, clients: Clients, account: str) -> None:
        self._clients = clients
        self._account = account
        self._by_type: Final[Mapping[str, Callable[[str], Kept | None]]] = {
            "AWS::S3::Bucket": self._bucket,
            "AWS::DynamoDB::Table": self._table,
            "AWS::Logs::LogGroup": self._log_group,
            "AWS::SQS::Queue": self._queue,
            "AWS::CloudWatch::Alarm": self._alarm,
            "AWS::CloudWatch::Dashboard": self._dashboard,
            "AWS::IAM::ManagedPolicy": self._managed_policy,
        }

    def remove(self, resource: Resource) -> Kept | None:
        """Remove one that stands, with all that is in it; return what a lock keeps.

        Raises:
            NotAllowed: the credentials may not.
            Unavailable: a service did not answer.
        """
        try:
            return self._by_type[resource.type](resource.name)
        except AwsError as error:
            raise translate(error, f"the {resource}") from error

    def _bucket(self, name: str) -> Kept | None:
        kept = self._empty(name)
        if kept is None:
            self._clients.s3.delete_bucket(Bucket=name, ExpectedBucketOwner=self._account)
        return kept

    def _empty(self, bucket: str) -> Kept | None:
        """Delete every version of every object, and every upload that was never finished."""
        s3, owned = self._clients.s3, {"Bucket": bucket, "ExpectedBucketOwner": self._account}
        for page in s3.get_paginator("list_multipart_uploads").paginate(**owned):
            for upload in page.get("Uploads", ()):
                which = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                s3.abort_multipart_upload(**owned, **which)
        for page in s3.get_paginator("list_object_versions").paginate(**owned):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            if objects:
                s3.delete_objects(**owned, Delete={"Objects": objects, "Quiet": True})
        pages = s3.get_paginator("list_object_versions").paginate(**owned)
        left = [version for page in pages for version in page.get("Versions", ())]
        if not left:
            return None
        ends = [self._lock_end(owned, each["Key"], each["VersionId"]) for each in left]
        known = [end for end in ends if end is not None]
        return Kept(bucket, len(left), max(known) if len(known) == len(ends) else None)

    def _lock_end(self, owned: Mapping[str, str], key: str, version: str) -> datetime | None:
        found = self._clients.s3.head_object(**owned, Key=key, VersionId=version)
        held = found.get("ObjectLockLegalHoldStatus") == "ON"
        until: datetime | None = found.get("ObjectLockRetainUntilDate")
        return None if held else until

    def _table(self, name: str) -> None:
        dynamodb = self._clients.dynamodb
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        dynamodb.delete_table(TableName=name)

    def _log_group(self, name: str) -> None:
        self._clients.logs.delete_log_group(logGroupName=name)

    def _queue(self, name: str) -> None:
        url = self._clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        self._clients.sqs.delete_queue(QueueUrl=url)

    def _alarm(self, name: str) -> None:
        self._clients.cloudwatch.delete_alarms(AlarmNames=[name])

    def _dashboard(self, name: str) -> None:
        self._clients.cloudwatch.delete_dashboards(DashboardNames=[name])

    def _managed_policy(self, name: str) -> None:
        iam = self._clients.iam
        arn = f"arn:{partition(self._clients.region)}:iam::{self._account}:policy/{name}"
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=arn)
