"""The CloudFormation template as a program reads it: what should stand, name by name.

CloudFormation makes what `infrastructure.yaml` says; to compare what stands with it, its intrinsic
functions (those it uses, no others) are worked out here. What cannot be worked out is an error, so
that nothing is compared with half a value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

from storage.aws.names import Names

NAMED_BY: Final = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
}
"""The types that the template uses, and the property of each that holds its name."""
# https://docs.aws.amazon.com/service-authorization/latest/reference/ lists the forms by service.
_ARNS: Final = {
    "AWS::S3::Bucket": "arn:{partition}:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    "AWS::SQS::Queue": "arn:{partition}:sqs:{region}:{account}:{name}",
}
_NO_VALUE: Final = object()


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that should stand. `holds_data`: it outlives the stack."""

    logical: str
    type: str
    name: str
    properties: Mapping[str, Any]
    holds_data: bool

    @property
    def keeps(self) -> bool:
        """Whether it stays when only the data are kept: what holds them, and what guards that."""
        return self.holds_data or self.type == "AWS::S3::BucketPolicy"

    @property
    def kind(self) -> str:
        """The type in plain words, such as `bucket policy`."""
        return _WORDS[self.type]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


_WORDS: Final = {
    "AWS::S3::Bucket": "bucket",
    "AWS::S3::BucketPolicy": "policy of bucket",
    "AWS::DynamoDB::Table": "table",
    "AWS::Logs::LogGroup": "log group",
    "AWS::SQS::Queue": "queue",
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::IAM::ManagedPolicy": "managed policy",
}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads the short forms (`!Ref x`) as the long ones (`{"Ref": x}`)."""


def _intrinsic(loader: yaml.Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def template_text() -> str:
    """Return the template as it is deployed."""
    return files("storage.aws").joinpath("infrastructure.yaml").read_text(encoding="utf-8")


@cache
def _parsed() -> Any:
    return yaml.load(template_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader


def data_template_text() -> str:
    """Return what is left of the template when only the data are kept: buckets, tables, logs."""
    parsed = _parsed()
    kept = {
        logical: resource
        for logical, resource in parsed["Resources"].items()
        if "DeletionPolicy" in resource or resource["Type"] == "AWS::S3::BucketPolicy"
    }
    used = {resource.get("Condition") for resource in kept.values()}
    conditions = {name: each for name, each in parsed["Conditions"].items() if name in used}
    return json.dumps({**parsed, "Conditions": conditions, "Resources": kept}, indent=1)


def parameter_defaults() -> dict[str, str]:
    """Return the parameters that have a default, as strings."""
    parameters = _parsed()["Parameters"].items()
    return {name: str(p["Default"]) for name, p in parameters if "Default" in p}


def resources(names: Names, parameters: Mapping[str, str]) -> list[Resource]:
    """Return what should stand in an account, in the order of the template."""
    resolver = _Resolver(names, {**parameter_defaults(), **parameters, "Prefix": names.prefix})
    return [
        resolver.resource(logical)
        for logical, raw in _parsed()["Resources"].items()
        if resolver.holds(raw.get("Condition"))
    ]


class _Resolver:
    """Works out the intrinsic functions for one installation."""

    def __init__(self, names: Names, parameters: Mapping[str, str]) -> None:
        self._place = {
            "partition": partition(names.region),
            "region": names.region,
            "account": names.account,
        }
        self._values: dict[str, Any] = {
            "AWS::AccountId": names.account,
            "AWS::Region": names.region,
            "AWS::Partition": self._place["partition"],
            "AWS::NoValue": _NO_VALUE,
            **parameters,
        }
        self._parameters = _parsed()["Parameters"]

    def resource(self, logical: str) -> Resource:
        raw = _parsed()["Resources"][logical]
        properties = self._value(raw["Properties"])
        named = NAMED_BY[raw["Type"]]
        name = properties.pop(named)
        return Resource(logical, raw["Type"], name, properties, "DeletionPolicy" in raw)

    def _value(self, raw: Any) -> Any:
        match raw:
            case {"Ref": str(name)}:
                return self._ref(name)
            case {"Fn::Sub": str(text)}:
                return self._sub(text)
            case {"Fn::GetAtt": [str(logical), str(attribute)]}:
                return self._attribute(logical, attribute)
            case {"Fn::If": [str(condition), yes, no]}:
                return self._value(yes if self.holds(condition) else no)
            case dict():
                pairs = ((key, self._value(value)) for key, value in raw.items())
                return {key: value for key, value in pairs if value is not _NO_VALUE}
            case list():
                return [self._value(value) for value in raw]
        return raw

    def holds(self, name: str | None) -> bool:
        """Tell whether a condition holds, if any; the template has the one form `not equal`."""
        if name is None:
            return True
        (left, right) = _parsed()["Conditions"][name]["Fn::Not"][0]["Fn::Equals"]
        return bool(self._value(left) != self._value(right))

    def _ref(self, name: str) -> Any:
        if name in self._values:
            value = self._values[name]
            number = self._parameters.get(name, {}).get("Type") == "Number"
            return int(value) if number else value
        return self._name(name)

    def _sub(self, text: str) -> str:
        parts = text.split("${")
        done = [parts[0]]
        for part in parts[1:]:
            name, _, rest = part.partition("}")
            logical, dot, attribute = name.partition(".")
            done.append(str(self._attribute(logical, attribute) if dot else self._ref(name)))
            done.append(rest)
        return "".join(done)

    def _name(self, logical: str) -> str:
        raw = _parsed()["Resources"][logical]
        return str(self._value(raw["Properties"][NAMED_BY[raw["Type"]]]))

    def _attribute(self, logical: str, attribute: str) -> str:
        name = self._name(logical)
        if attribute == "QueueName":
            return name
        if attribute != "Arn":
            raise KeyError(f"{logical}.{attribute}")
        return _ARNS[_parsed()["Resources"][logical]["Type"]].format(name=name, **self._place)


def partition(region: str) -> str:
    """Return the partition of a region, which every ARN begins with."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
