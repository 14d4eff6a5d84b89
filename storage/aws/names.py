"""What everything is called in an account: `{prefix}-{name}`, buckets with the account behind.

Bucket names are shared by all accounts of the world, so the account is part of them; the prefix
lets several installations stand in one account.
"""

import re
from dataclasses import dataclass
from typing import Final

from storage.errors import InvalidInput
from storage.ports import BUCKETS, LOG_GROUPS, BucketName, TableName

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
MAX_BUCKET_NAME: Final = 63
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_PREFIX: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_RESERVED: Final = ("xn--", "sthree-", "amzn-s3-demo-")
MAX_PREFIX: Final = MAX_BUCKET_NAME - max(map(len, BUCKETS)) - len("--") - 12


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one installation.

    Raises:
        InvalidInput: the prefix, the account or the region cannot be used.
    """

    prefix: str
    account: str
    region: str

    def __post_init__(self) -> None:
        if (
            len(self.prefix) > MAX_PREFIX
            or not _PREFIX.fullmatch(self.prefix)
            or self.prefix.startswith(_RESERVED)
        ):
            raise InvalidInput(
                f"The prefix {self.prefix!r} cannot be used: it has 1 to {MAX_PREFIX} lower-case "
                "letters, digits and inner hyphens, because names of buckets begin with it."
            )
        if not _ACCOUNT.fullmatch(self.account):
            raise InvalidInput(f"An AWS account id has 12 digits, not {self.account!r}.")
        if not _REGION.fullmatch(self.region):
            raise InvalidInput(f"An AWS region is written like eu-central-1, not {self.region!r}.")

    def table(self, name: TableName) -> str:
        """Return the name of a DynamoDB table."""
        return f"{self.prefix}-{name}"

    def bucket(self, name: BucketName) -> str:
        """Return the name of an S3 bucket."""
        return f"{self.prefix}-{name}-{self.account}"

    def log_group(self, agent: str) -> str:
        """Return the name of an agent's CloudWatch log group.

        Raises:
            InvalidInput: there is no such agent.
        """
        if agent not in LOG_GROUPS:
            raise InvalidInput(f"There is no log group {agent!r}; there are {LOG_GROUPS}.")
        return f"{self.prefix}-{agent}"

    @property
    def queue(self) -> str:
        """The name of the SQS queue of wake-ups."""
        return f"{self.prefix}-wakeups"

    @property
    def metric_namespace(self) -> str:
        """The CloudWatch namespace of the metrics."""
        return self.prefix

    @property
    def stack(self) -> str:
        """The name of the CloudFormation stack that makes all of this."""
        return self.prefix
