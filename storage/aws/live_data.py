"""Buckets and tables as they stand: read in the template's words, made, and set right.

A class here is one kind of resource. `read` returns the properties that the template may name, or
None where there is no such resource; `make` brings it into being with what cannot be changed later;
`mend` sets one property. Each is safe to repeat.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from storage.aws.clients import Clients
from storage.aws.errors import code_of
from storage.aws.template import Resource
from storage.errors import NotAllowed, Unavailable

Properties = dict[str, Any]
READY_SECONDS: Final = 120.0


class Kind(Protocol):
    """One kind of resource."""

    def read(self, resource: Resource) -> Properties | None:
        """Return the properties as they stand, or None."""

    def make(self, resource: Resource) -> None:
        """Bring the resource into being."""

    def mend(self, resource: Resource, name: str, /) -> None:
        """Set a property to what the template says."""


def json_of(value: Any) -> Any:
    """Return a policy's document in one form: AWS may sort lists, and unpack those of one."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: json_of(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        parts = sorted((json_of(each) for each in value), key=json.dumps)
        return parts[0] if len(parts) == 1 else parts
    return value


@dataclass(frozen=True, slots=True)
class _Setting:
    """A property of a bucket: how it is read and set, and its form in S3's own words."""

    get: str
    put: str
    argument: str
    found: Callable[[Any], Any] = lambda answer: answer
    given: Callable[[Any], Any] = lambda wanted: wanted


def _rule_found(rule: Properties) -> Properties:
    """Return a lifecycle rule of S3 in CloudFormation's words."""
    rule = dict(rule)
    if rule.get("Filter") in ({}, {"Prefix": ""}):
        del rule["Filter"]
    if rule.get("Prefix") == "":
        del rule["Prefix"]
    rule["Id"] = rule.pop("ID", "")
    if rule.get("Expiration") == {"ExpiredObjectDeleteMarker": True}:
        del rule["Expiration"]
        rule["ExpiredObjectDeleteMarker"] = True
    return rule


def _rule_given(rule: Properties) -> Properties:
    """Return a lifecycle rule of CloudFormation in S3's words."""
    rule = {**rule, "Filter": {"Prefix": ""}}
    rule["ID"] = rule.pop("Id")
    if rule.pop("ExpiredObjectDeleteMarker", False):
        rule["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    return rule


def _encryption_found(answer: Properties) -> Properties:
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    form = [
        {"ServerSideEncryptionByDefault": r["ApplyServerSideEncryptionByDefault"]} for r in rules
    ]
    return {"ServerSideEncryptionConfiguration": form}


def _encryption_given(wanted: Properties) -> Properties:
    rules = wanted["ServerSideEncryptionConfiguration"]
    form = [
        {"ApplyServerSideEncryptionByDefault": r["ServerSideEncryptionByDefault"]} for r in rules
    ]
    return {"Rules": form}


_SETTINGS: Final = {
    "BucketEncryption": _Setting(
        *("get_bucket_encryption", "put_bucket_encryption", "ServerSideEncryptionConfiguration"),
        found=_encryption_found,
        given=_encryption_given,
    ),
    "OwnershipControls": _Setting(
        *("get_bucket_ownership_controls", "put_bucket_ownership_controls", "OwnershipControls"),
        found=lambda answer: answer["OwnershipControls"],
    ),
    "PublicAccessBlockConfiguration": _Setting(
        *("get_public_access_block", "put_public_access_block", "PublicAccessBlockConfiguration"),
        found=lambda answer: answer["PublicAccessBlockConfiguration"],
    ),
    "VersioningConfiguration": _Setting(
        *("get_bucket_versioning", "put_bucket_versioning", "VersioningConfiguration"),
        found=lambda answer: {"Status": answer["Status"]} if "Status" in answer else None,
    ),
    # After versioning, which it needs.
    "ObjectLockConfiguration": _Setting(
        *("get_object_lock_configuration", "put_object_lock_configuration"),
        "ObjectLockConfiguration",
        found=lambda answer: answer["ObjectLockConfiguration"],
    ),
    "LifecycleConfiguration": _Setting(
        *("get_bucket_lifecycle_configuration", "put_bucket_lifecycle_configuration"),
        "LifecycleConfiguration",
        found=lambda answer: {"Rules": [_rule_found(rule) for rule in answer["Rules"]]},
        given=lambda wanted: {"Rules": [_rule_given(rule) for rule in wanted["Rules"]]},
    ),
}
_UNSET: Final = {
    "ServerSideEncryptionConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchLifecycleConfiguration",
    "NoSuchBucketPolicy",
}


class BucketKind:
    """S3 buckets. Each call names the owner, so that nobody else's bucket is ever spoken to."""

    def __init__(self, clients: Clients, account: str) -> None:
        self._clients = clients
        self._owner = account

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`.

        Raises:
            NotAllowed: the name is another account's, or the bucket stands in another region.
        """
        region = self._region_of(resource.name)
        if region is None:
            return None
        if region != self._clients.region:
            raise NotAllowed(
                f"The bucket {resource.name} is yours, but stands in {region}. A prefix belongs "
                "to one region: set AFFIDAVIT_PREFIX to another, or AWS_DEFAULT_REGION to that."
            )
        found = {name: self._get(resource.name, name) for name in _SETTINGS}
        lock = found["ObjectLockConfiguration"] or {}
        return {**found, "ObjectLockEnabled": lock.get("ObjectLockEnabled") == "Enabled"}

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        extra: Properties = {}
        if (region := self._clients.region) != "us-east-1":
            extra["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if resource.properties.get("ObjectLockEnabled"):
            extra["ObjectLockEnabledForBucket"] = True
        self._clients.s3.create_bucket(Bucket=resource.name, **extra)

    def mend(self, resource: Resource, name: str, /) -> None:
        """See `Kind.mend`."""
        name = "ObjectLockConfiguration" if name == "ObjectLockEnabled" else name
        setting = _SETTINGS[name]
        given = {setting.argument: setting.given(resource.properties[name])}
        put = getattr(self._clients.s3, setting.put)
        put(Bucket=resource.name, ExpectedBucketOwner=self._owner, **given)

    def _region_of(self, bucket: str) -> str | None:
        try:
            answer = self._clients.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._owner)
        except ClientError as error:
            if code_of(error) in ("404", "NoSuchBucket"):
                return None
            if code_of(error) in ("403", "AccessDenied"):
                raise NotAllowed(
                    f"The bucket {bucket} belongs to another account, or these credentials may "
                    "not see it. Set AFFIDAVIT_PREFIX to a prefix that nobody has taken, or ask "
                    "for s3:ListBucket on it."
                ) from None
            raise
        return str(answer.get("BucketRegion") or self._clients.region)

    def _get(self, bucket: str, name: str) -> Any:
        setting = _SETTINGS[name]
        try:
            get = getattr(self._clients.s3, setting.get)
            return setting.found(get(Bucket=bucket, ExpectedBucketOwner=self._owner))
        except ClientError as error:
            if code_of(error) in _UNSET:
                return None
            raise


class BucketPolicyKind:
    """The policies on buckets."""

    def __init__(self, clients: Clients, account: str) -> None:
        self._clients = clients
        self._owner = account

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        try:
            answer = self._clients.s3.get_bucket_policy(
                Bucket=resource.name, ExpectedBucketOwner=self._owner
            )
        except ClientError as error:
            if code_of(error) in (*_UNSET, "NoSuchBucket"):
                return None
            raise
        return {"PolicyDocument": json_of(json.loads(answer["Policy"]))}

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        self._clients.s3.put_bucket_policy(
            Bucket=resource.name,
            Policy=json.dumps(resource.properties["PolicyDocument"]),
            ExpectedBucketOwner=self._owner,
        )

    def mend(self, resource: Resource, _name: str, /) -> None:
        """See `Kind.mend`."""
        self.make(resource)


class TableKind:
    """DynamoDB tables."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, resource: Resource) -> Properties | None:
        """See `Kind.read`."""
        dynamodb, name = self._clients.dynamodb, resource.name
        try:
            table = dynamodb.describe_table(TableName=name)["Table"]
            backups = dynamodb.describe_continuous_backups(TableName=name)
            ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        except ClientError as error:
            if code_of(error) in ("ResourceNotFoundException", "TableNotFoundException"):
                return None
            raise
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        on = ("ENABLED", "ENABLING", "UPDATING")
        return {
            "AttributeDefinitions": table["AttributeDefinitions"],
            "KeySchema": table["KeySchema"],
            "BillingMode": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "DeletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
            "PointInTimeRecoverySpecification": {
                "PointInTimeRecoveryEnabled": recovery["PointInTimeRecoveryStatus"] in on
            },
            "TimeToLiveSpecification": {
                "AttributeName": ttl.get("AttributeName", ""),
                "Enabled": ttl["TimeToLiveStatus"] in on,
            },
        }

    def make(self, resource: Resource) -> None:
        """See `Kind.make`."""
        names = ("AttributeDefinitions", "KeySchema", "BillingMode")
        given = {name: resource.properties[name] for name in names}
        self._clients.dynamodb.create_table(TableName=resource.name, **given)
        self._wait(resource.name)

    def mend(self, resource: Resource, name: str, /) -> None:
        """See `Kind.mend`."""
        dynamodb = self._clients.dynamodb
        given = {"TableName": resource.name, name: resource.properties[name]}
        if name == "TimeToLiveSpecification":
            dynamodb.update_time_to_live(**given)
        elif name == "PointInTimeRecoverySpecification":
            dynamodb.update_continuous_backups(**given)
        else:
            dynamodb.update_table(**given)
        self._wait(resource.name)

    def _wait(self, table: str) -> None:
        """Wait until the table takes the next change."""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            found = self._clients.dynamodb.describe_table(TableName=table)["Table"]
            if found["TableStatus"] == "ACTIVE":
                return
            time.sleep(1)
        raise Unavailable(f"The table {table} is still being changed. Run the set-up again later.")
