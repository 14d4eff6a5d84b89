"""Objects in S3.

A key stands as it is, but for what S3 or XML cannot hold in a name: control characters, and a full
stop that begins a part of the path ("..", which clients and proxies resolve), are written as "!"
and two hexadecimal digits, and so is "!" itself. Prefixes stay prefixes.

boto3 sends a checksum of every object and compares it on reading.
"""

import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from storage.aws.errors import (
    AwsError,
    breaks_off,
    code_of,
    is_conflict,
    may_have_been_done,
    rested,
    translate,
)
from storage.errors import ConditionFailed, InvalidInput, NotAllowed, NotFound
from storage.limits import check_blob_key
from storage.ports import BlobInfo
from storage.times import utc

PAGE_KEYS: Final = 1000
PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f!]|(?<![^/])\.")
_ESCAPED: Final = re.compile(r"!([0-9a-f]{2})")
_MISSING: Final = {"NoSuchKey", "404", "NotFound"}


class S3Blobs:
    """The port `Blobs` on one bucket of an account."""

    def __init__(self, client: Any, bucket: str, *, owner: str = "", locks: bool = False) -> None:
        """Take boto3's client, the bucket's full name, and whether it has Object Lock.

        The names of buckets are the world's: with an `owner`, another account's is not used.
        """
        self._locks = locks
        self._client = client
        self._bucket = bucket
        self._in = {"Bucket": bucket, **({"ExpectedBucketOwner": owner} if owner else {})}
        self._what = f"bucket {bucket}"

    def put(self, key: str, data: bytes) -> bool:
        """See `Blobs.put`. A mark tells whose object it is when an answer was lost."""
        check_blob_key(key)
        mark, doubtful = os.urandom(8).hex(), False
        request = {**self._at(key), "Body": data, "IfNoneMatch": "*", "Metadata": {"w": mark}}
        pauses = iter(PAUSES)
        while True:
            try:
                self._client.put_object(**request)
                return True
            except AwsError as error:
                doubtful = doubtful or may_have_been_done(error)
                if is_conflict(error) and rested(pauses):
                    continue
                if doubtful and (found := self._found(key)):
                    return bool(found["Metadata"].get("w") == mark)
                ours = translate(error, self._what)
                if isinstance(ours, ConditionFailed):
                    return False
                raise ours from error

    def get(self, key: str, *, start: int = 0, size: int | None = None) -> bytes:
        """See `Blobs.get`."""
        request = self._at(key)
        if start or size is not None:
            # A range holds a byte at least.
            request["Range"] = f"bytes={start}-{'' if size is None else start + max(size, 1) - 1}"
        pauses = iter(PAUSES)
        while True:
            try:
                return bytes(self._client.get_object(**request)["Body"].read())[:size]
            except AwsError as error:
                if code_of(error) in _MISSING:
                    raise NotFound(f"There is no object {key!r}.") from error
                if code_of(error) == "InvalidRange":  # it begins behind the end
                    return b""
                if not (breaks_off(error) and rested(pauses)):
                    raise translate(error, self._what) from error

    def head(self, key: str) -> BlobInfo | None:
        """See `Blobs.head`."""
        found = self._found(key)
        if found is None:
            return None
        return BlobInfo(key, found["ContentLength"], found["LastModified"].timestamp())

    def list(
        self, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[BlobInfo]:
        """See `Blobs.list`."""
        request: dict[str, Any] = {**self._in, "Prefix": _escape(prefix)}
        if after:
            request["StartAfter"] = _escape(after)
        left = sys.maxsize if limit is None else limit
        while left > 0:
            page = self._ask("list_objects_v2", MaxKeys=min(left, PAGE_KEYS), **request)
            for found in page.get("Contents", ()):
                modified = found["LastModified"].timestamp()
                yield BlobInfo(_unescape(found["Key"]), found["Size"], modified)
            left -= page["KeyCount"]
            if not page["IsTruncated"]:
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        """See `Blobs.delete`. Where the bucket keeps versions, the version stays."""
        # S3 itself would hide an object that is locked, and keep its version.
        found = self._found(key) if self._locks else None
        if found and (until := _retained_until(found)) > time.time():
            raise NotAllowed(f"The object {key!r} is retained until {utc(until)}.")
        self._ask("delete_object", **self._at(key))

    def erase(self, key: str) -> None:
        """See `Blobs.erase`. A version is deleted by its id: what is put later is not touched."""
        found = self._found(key) if self._locks else None
        if found and (until := _retained_until(found)) > time.time():
            raise NotAllowed(f"The object {key!r} is retained until {utc(until)}.")
        request: dict[str, Any] = {**self._in, "Prefix": _escape(key)}
        while True:
            page = self._ask("list_object_versions", **request)
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if each["Key"] == _escape(key):
                    self._ask("delete_object", **self._at(key), VersionId=each["VersionId"])
            if not page.get("IsTruncated"):
                return
            request["KeyMarker"] = page["NextKeyMarker"]
            request["VersionIdMarker"] = page["NextVersionIdMarker"]

    def retain(self, key: str, until: float) -> None:
        """See `Blobs.retain`; it is S3's Object Lock, in governance mode."""
        found = self._found(key)
        if found is None:
            raise NotFound(f"There is no object {key!r}.")
        if not self._locks:
            raise InvalidInput(f"The {self._what} keeps no retention: it has no Object Lock.")
        if until > _retained_until(found):
            date = datetime.fromtimestamp(until, UTC)
            retention = {"Mode": "GOVERNANCE", "RetainUntilDate": date}
            self._ask("put_object_retention", **self._at(key), Retention=retention)

    def link(self, key: str, *, seconds: int, name: str) -> str:
        """See `Blobs.link`; it works for no longer than the credentials that signed it."""
        params = {
            "Bucket": self._bucket,  # whoever follows a link sends no header with an owner
            "Key": _escape(key),
            # A browser stores it and shows nothing of it, whatever it is.
            "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "ResponseContentType": "application/octet-stream",
        }
        try:
            url = self._client.generate_presigned_url(
                "get_object", Params=params, ExpiresIn=seconds
            )
        except AwsError as error:
            raise translate(error, self._what) from error
        return str(url)

    def _found(self, key: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self._client.head_object(**self._at(key))
        except AwsError as error:
            if code_of(error) in _MISSING:
                return None
            raise translate(error, self._what) from error
        return answer

    def _at(self, key: str) -> dict[str, Any]:
        return {**self._in, "Key": _escape(key)}

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except AwsError as error:
            raise translate(error, self._what) from error
        return answer


def _retained_until(found: dict[str, Any]) -> float:
    date: datetime | None = found.get("ObjectLockRetainUntilDate")
    return date.timestamp() if date else 0.0


def _escape(key: str) -> str:
    return _UNSAFE.sub(lambda match: f"!{ord(match[0]):02x}", key)


def _unescape(key: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)
