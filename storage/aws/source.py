"""Objects of any S3 bucket as sources of documents: `s3://bucket/key` or `s3://bucket/prefix`.

The bucket need not be one of Affidavit's, and the back end need not be AWS: whoever may read the
objects can add them.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any

from storage.aws.clients import Clients
from storage.aws.errors import AwsError, code_of, translate
from storage.errors import InvalidInput, NotFound
from storage.sources import S3, Source


def objects(url: str, clients: Clients | None = None) -> Iterator[Source]:
    """Yield the object that the URL names, or all objects whose keys begin as it says.

    Raises:
        InvalidInput: the URL names no bucket, or there are no credentials.
        NotFound: there is no such bucket, or nothing in it by that prefix.
        NotAllowed: the credentials do not allow it.
    """
    bucket, _, prefix = url.removeprefix(S3).partition("/")
    if not bucket:
        raise InvalidInput(f"{url} names no bucket: write s3://bucket/key or s3://bucket/prefix.")
    client = (clients or Clients()).s3
    empty = True
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            found = [each for each in page.get("Contents", ()) if not each["Key"].endswith("/")]
            exact = [each for each in found if each["Key"] == prefix]
            for each in exact or found:
                empty = False
                yield _source(client, bucket, each)
            if exact:
                return
    except AwsError as error:
        if code_of(error) == "NoSuchBucket":
            raise NotFound(f"There is no bucket {bucket!r}, or not in this account.") from error
        raise translate(error, f"the bucket {bucket}") from error
    if empty:
        raise NotFound(f"There is nothing in the bucket {bucket!r} under {prefix!r}.")


def _source(client: Any, bucket: str, found: dict[str, Any]) -> Source:
    key = str(found["Key"])
    return Source(
        name=key.rpartition("/")[2],
        place=f"{S3}{bucket}/{key}",
        size=int(found["Size"]),
        fetch=_reader(client, bucket, key),
    )


def _reader(client: Any, bucket: str, key: str) -> Callable[[], bytes]:
    def read() -> bytes:
        into = io.BytesIO()
        try:
            # It fetches large objects in parts, and a part again whose connection broke.
            client.download_fileobj(bucket, key, into)
        except AwsError as error:
            if code_of(error) in ("404", "NoSuchKey"):
                raise NotFound(f"{S3}{bucket}/{key} has gone.") from error
            raise translate(error, f"{S3}{bucket}/{key}") from error
        return into.getvalue()

    return read
