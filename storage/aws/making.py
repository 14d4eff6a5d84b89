"""Makes a table and a bucket for a saver used alone; an installation has its stack.

Both calls are safe to repeat: what is there stays as it is.
"""

from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

from storage.aws.errors import AwsError, code_of, translate
from storage.errors import InvalidInput, Unavailable

_TTL: Final = {"Enabled": True, "AttributeName": "expires_at"}


def make_table(client: Any, name: str) -> None:
    """Make a table that is paid by request and forgets what has expired.

    Raises:
        NotAllowed: the credentials may not.
        Unavailable: DynamoDB did not answer, or took minutes.
    """
    try:
        _create_table(client, name)
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2})
        found = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if found["TimeToLiveStatus"] in ("DISABLED", "DISABLING"):
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=_TTL)
    except WaiterError as error:
        raise Unavailable(f"The table {name} is not there yet. Try again.") from error
    except AwsError as error:
        raise translate(error, f"table {name}") from error


def _create_table(client: Any, name: str) -> None:
    keys = {"pk": "HASH", "sk": "RANGE"}
    try:
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys],
            KeySchema=[{"AttributeName": k, "KeyType": kind} for k, kind in keys.items()],
        )
    except ClientError as error:
        if code_of(error) != "ResourceInUseException":
            raise


def make_bucket(client: Any, name: str) -> None:
    """Make a private bucket in the region of the client.

    Raises:
        InvalidInput: the name is another account's, or no name of a bucket.
        NotAllowed: the credentials may not.
        Unavailable: S3 did not answer.
    """
    region = client.meta.region_name
    # The oldest region is the one that must not be named.
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
    except AwsError as error:
        if code_of(error) == "BucketAlreadyExists":
            message = f"The bucket {name} is another account's; choose another name."
            raise InvalidInput(message) from error
        if code_of(error) != "BucketAlreadyOwnedByYou":
            raise translate(error, f"bucket {name}") from error
