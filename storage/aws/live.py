"""What stands in the account beside what the template says, resource by resource.

A difference is a resource that is missing or a property that has another value. Each can be mended
by the API, whoever made it: a stack that was interrupted, or a change by hand, which CloudFormation
does not look for. A property that the template does not name is not compared.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from storage.aws.clients import Clients
from storage.aws.errors import AwsError, translate
from storage.aws.live_data import BucketKind, BucketPolicyKind, Kind, TableKind, json_of
from storage.aws.live_signals import (
    AlarmKind,
    DashboardKind,
    LogGroupKind,
    ManagedPolicyKind,
    QueueKind,
)
from storage.aws.template import Resource

Progress = Callable[[str], None]
_THREADS: Final = 8
_FIXED: Final = ("AttributeDefinitions", "KeySchema")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the template says; without a `setting` all of it is missing."""

    resource: Resource
    setting: str = ""
    found: Any = None
    wanted: Any = None

    @property
    def missing(self) -> bool:
        """Whether the resource itself is not there."""
        return not self.setting

    @property
    def remedy(self) -> str:
        """What can be done where the set-up can do nothing; empty where it can."""
        if self.setting in _FIXED:
            return (
                f"The keys of a table cannot be changed: {self.resource.name} was made by "
                "something else. Set AFFIDAVIT_PREFIX to another prefix."
            )
        return ""

    def __str__(self) -> str:
        if self.missing:
            return f"{self.resource} is missing"
        return (
            f"{self.resource}: {self.setting} is {_shown(self.found)}, "
            f"should be {_shown(self.wanted)}"
        )


class Live:
    """Reads and mends what stands in one account and region."""

    def __init__(self, clients: Clients, account: str) -> None:
        self._kinds: dict[str, Kind] = {
            "AWS::S3::Bucket": BucketKind(clients, account),
            "AWS::S3::BucketPolicy": BucketPolicyKind(clients, account),
            "AWS::DynamoDB::Table": TableKind(clients),
            "AWS::Logs::LogGroup": LogGroupKind(clients),
            "AWS::SQS::Queue": QueueKind(clients),
            "AWS::CloudWatch::Alarm": AlarmKind(clients),
            "AWS::CloudWatch::Dashboard": DashboardKind(clients),
            "AWS::IAM::ManagedPolicy": ManagedPolicyKind(clients, account),
        }

    def differences(self, resources: Sequence[Resource], progress: Progress) -> list[Difference]:
        """Compare each resource with what stands.

        Raises:
            NotAllowed: the credentials may not look, or a name is another account's.
            Unavailable: a service did not answer.
        """
        found: list[Difference] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            reads = pool.map(self.compare, resources)
            for number, (resource, differences) in enumerate(zip(resources, reads, strict=True), 1):
                progress(f"Comparing {number} of {len(resources)}: {resource} …")
                found += differences
        return found

    def compare(self, resource: Resource) -> list[Difference]:
        """Compare one resource with what stands."""
        found = self._call(resource, lambda kind: kind.read(resource))
        if found is None:
            return [Difference(resource)]
        return [
            Difference(resource, name, found.get(name), wanted)
            for name, wanted in resource.properties.items()
            if not _covers(found.get(name), wanted, name)
        ]

    def mend(self, differences: Iterable[Difference], progress: Progress) -> None:
        """Make what is missing and set what differs, in the order given.

        Raises:
            NotAllowed: the credentials may not.
            Unavailable: a service did not answer.
        """
        for difference in differences:
            progress(f"Mending: {difference} …")
            self._mend(difference)

    def _mend(self, difference: Difference) -> None:
        resource = difference.resource
        if not difference.missing:
            self._call(resource, lambda kind: kind.mend(resource, difference.setting))
            return
        self._call(resource, lambda kind: kind.make(resource))
        for rest in self.compare(resource):
            if not rest.missing:
                self._mend(rest)

    def exists(self, resource: Resource) -> bool:
        """Tell whether a resource stands, whatever it is like."""
        return self._call(resource, lambda kind: kind.read(resource)) is not None

    def _call(self, resource: Resource, call: Callable[[Kind], Any]) -> Any:
        try:
            return call(self._kinds[resource.type])
        except AwsError as error:
            raise translate(error, f"the {resource}") from error


def _covers(found: Any, wanted: Any, name: str) -> bool:
    """Tell whether what was found is what is wanted.

    Policies and lifecycle rules must be the same to the letter, because what is added to them
    grants or deletes. Elsewhere AWS may say more than was asked for.
    """
    if name == "PolicyDocument":
        return bool(found == json_of(wanted))
    if name == "LifecycleConfiguration":
        return _sorted_rules(found) == _sorted_rules(wanted)
    if name == "DashboardBody":
        return found is not None and json.loads(found) == json.loads(wanted)
    return _within(found, wanted)


def _within(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_within(found.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(any(_within(each, one) for each in found) for one in wanted)
        )
    return bool(found == wanted)


def _sorted_rules(configuration: Any) -> list[Any]:
    rules = (configuration or {}).get("Rules", [])
    return sorted(rules, key=lambda rule: str(rule.get("Id", "")))


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:79] + "…"
