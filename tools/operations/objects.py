"""Operations on objects: list and get in every bucket, put, copy and delete among deliverables."""

from typing import Any, Final, cast

from pydantic import BaseModel, Field

from storage.errors import InvalidInput, NotFound
from storage.objects import NamedObject, ObjectStore
from storage.ports import Blobs, BucketName
from storage.times import utc
from storage.workspace import Workspace
from tools.deliverables import plan_publish
from tools.operations.results import page, readable, result
from tools.registry import Plan, Registry, plans, reads

OBJECT_BYTES: Final = 8_000


class ListObjects(BaseModel):
    """Arguments of `list_objects`."""

    bucket: BucketName = "deliverables"
    prefix: str = Field("", max_length=512)
    after: str = Field("", max_length=1024, description="Continue behind this key")
    limit: int = Field(50, ge=1, le=100)


class GetObject(BaseModel):
    """Arguments of `get_object`."""

    key: str = Field(min_length=1, max_length=1024)
    bucket: BucketName = "deliverables"
    start: int = Field(0, ge=0, description="The first byte to read")


class PutObject(BaseModel):
    """Arguments of `put_object`."""

    key: str = Field(min_length=1, max_length=512)
    text: str


class CopyObject(BaseModel):
    """Arguments of `copy_object`."""

    key: str = Field(min_length=1, max_length=512)
    to: str = Field(min_length=1, max_length=512, description="The key of the copy")


class DeleteObject(BaseModel):
    """Arguments of `delete_object`."""

    key: str = Field(min_length=1, max_length=512)


def add_object_tools(registry: Registry, workspace: Workspace, objects: ObjectStore) -> None:
    """Register the operations on objects."""
    _add_reads(registry, workspace, objects)
    _add_writes(registry, objects)


def _add_reads(registry: Registry, workspace: Workspace, objects: ObjectStore) -> None:
    def list_objects(
        bucket: BucketName = "deliverables", prefix: str = "", after: str = "", limit: int = 50
    ) -> tuple[str, Any]:
        """List the objects of a bucket: key and size, of deliverables version and tags too."""
        if bucket == "deliverables":
            found = objects.all(prefix, after=after)
            rows = [_row(o) for o, _ in zip(found, range(limit + 1), strict=False)]
        else:
            blobs = _bucket(workspace, bucket).list(prefix, after=after, limit=limit + 1)
            rows = [{"key": info.key, "size": info.size} for info in blobs]
        return page({"bucket": bucket}, "objects", rows, limit, lambda n: rows[n - 1]["key"])

    def get_object(
        key: str, bucket: BucketName = "deliverables", start: int = 0
    ) -> tuple[str, Any]:
        """Read an object of a bucket, up to 8,000 bytes from a position on."""
        if bucket == "deliverables":
            data = objects.get(key)
            size, part = len(data), data[start : start + OBJECT_BYTES]
        else:
            blobs = _bucket(workspace, bucket)
            info = blobs.head(key)
            if info is None:
                raise NotFound(f"There is no object {key!r} in the bucket {bucket}.")
            size, part = info.size, blobs.get(key, start=start, size=OBJECT_BYTES)
        following = start + len(part) if start + len(part) < size else None
        return result({"key": key, "size": size, "next": following, **readable(part)})

    registry.add(reads(ListObjects, list_objects), "read")
    registry.add(reads(GetObject, get_object), "read")


def _add_writes(registry: Registry, objects: ObjectStore) -> None:
    def put_object(key: str, text: str) -> Plan:
        """Store a text as an object of the bucket deliverables; an older version is kept."""
        return plan_publish(objects, key, text.encode())

    def copy_object(key: str, to: str) -> Plan:
        """Copy an object of the bucket deliverables to another key; what was there is kept."""
        if key == to:
            raise InvalidInput("The copy of an object has another key than the object.")
        source, before = existing(objects, key), objects.find(to)
        replacing = f", replacing version {before.version}" if before else ""
        return Plan(
            shows=f"Copy {described(source)} to {to}{replacing}.",
            done=f"Copied {key} to {to}, version {objects.next_version(to)}.",
            actions=objects.copy(source, to, before),
        )

    def delete_object(key: str) -> Plan:
        """Remove an object from the bucket deliverables; its versions stay on the record."""
        before = existing(objects, key)
        return Plan(
            shows=f"Delete {described(before)}.",
            done=f"Deleted {key}.",
            actions=objects.withdraw(before),
        )

    registry.add(plans(PutObject, put_object), "write", "transaction")
    registry.add(plans(CopyObject, copy_object), "write", "transaction")
    registry.add(plans(DeleteObject, delete_object), "destructive", "transaction")


def existing(objects: ObjectStore, key: str) -> NamedObject:
    """Return the object of a key in the bucket deliverables.

    Raises:
        NotFound: there is none.
    """
    found = objects.find(key)
    if found is None:
        raise NotFound(f"There is no object {key!r} in the bucket deliverables.")
    return found


def described(found: NamedObject) -> str:
    """Return what a person is shown of an object."""
    return f"{found.name}, version {found.version} ({found.size:,} bytes)"


def _bucket(workspace: Workspace, name: BucketName) -> Blobs:
    return cast(Blobs, getattr(workspace.buckets, name))


def _row(found: NamedObject) -> dict[str, Any]:
    row: dict[str, Any] = {"key": found.name, "size": found.size, "version": found.version}
    if found.tags:
        row["tags"] = found.tags
    if found.retain_until:
        row["retained_until"] = utc(found.retain_until)
    return row
