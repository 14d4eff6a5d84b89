"""The AWS operations as tools: objects, items, logs, metrics, on the ports of one workspace.

Every call is confined to the workspace by what it is built on (`storage.workspace`), and what it
reads is bounded so that it fits a model's context. Writing reaches only what is made for it: named
objects of the bucket `deliverables`, and items of partitions that begin with `item/`. The records
that the product itself keeps (runs, audit events, checkpoints) can be read and not written.
"""

import base64
import json
import time
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, Field

from storage.errors import InvalidInput, NotFound
from storage.objects import ObjectStore
from storage.ports import Absent, Blobs, BucketName, Item, Put, Table, TableName, VersionIs
from storage.workspace import Workspace
from tools.deliverables import plan_publish
from tools.registry import Plan, Registry, plans, reads

RESULT_CHARS: Final = 16_000
OBJECT_BYTES: Final = 8_000
LogGroup = Literal["supervisor", "librarian", "analyst", "writer", "reviewer", "custodian"]
Writable = Literal["documents", "memory"]


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
    text: str = Field(max_length=200_000)


class DeleteObject(BaseModel):
    """Arguments of `delete_object`."""

    key: str = Field(min_length=1, max_length=512)


class GetItem(BaseModel):
    """Arguments of `get_item`."""

    table: TableName
    pk: str = Field(min_length=1, max_length=1024)
    sk: str = Field(min_length=1, max_length=1024)


class QueryItems(BaseModel):
    """Arguments of `query_items`."""

    table: TableName
    pk: str = Field(min_length=1, max_length=1024)
    prefix: str = Field("", max_length=1024)
    after: str = Field("", max_length=1024, description="Continue behind this sort key")
    limit: int = Field(20, ge=1, le=100)


class PutItem(BaseModel):
    """Arguments of `put_item`."""

    table: Writable = "memory"
    pk: str = Field(pattern=r"^item/.", max_length=512, description="Begins with item/")
    sk: str = Field(min_length=1, max_length=512)
    body: dict[str, Any]


class QueryLogs(BaseModel):
    """Arguments of `query_logs`."""

    group: LogGroup
    minutes: int = Field(60, ge=1, le=30 * 24 * 60, description="How far back")
    contains: str = Field("", max_length=200)
    limit: int = Field(20, ge=1, le=100)


class GetMetrics(BaseModel):
    """Arguments of `get_metrics`."""

    name: str = Field(min_length=1, max_length=100)
    minutes: int = Field(60, ge=1, le=30 * 24 * 60, description="How far back")


class PutMetric(BaseModel):
    """Arguments of `put_metric`."""

    name: str = Field(pattern=r"^[A-Za-z][\w.-]{0,99}$")
    value: float = Field(allow_inf_nan=False)
    unit: Literal["Count", "Seconds", "Bytes", "Percent", "None"] = "Count"


def add_operation_tools(registry: Registry, workspace: Workspace, objects: ObjectStore) -> None:
    """Register all operations on a workspace."""
    _add_object_tools(registry, workspace, objects)
    _add_item_tools(registry, workspace)
    _add_signal_tools(registry, workspace)


def _add_object_tools(registry: Registry, workspace: Workspace, objects: ObjectStore) -> None:
    def list_objects(
        bucket: BucketName = "deliverables", prefix: str = "", after: str = "", limit: int = 50
    ) -> tuple[str, Any]:
        """List the objects of a bucket: key, size in bytes."""
        if bucket == "deliverables":
            rows = [
                {"key": o.name, "size": o.size, "version": o.version}
                for o in objects.all(prefix, after=after)
            ]
        else:
            found = _bucket(workspace, bucket).list(prefix, after=after, limit=limit + 1)
            rows = [{"key": info.key, "size": info.size} for info in found]
        return _result({"bucket": bucket, "objects": rows[:limit], "more": len(rows) > limit})

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
        return _result({"key": key, "size": size, "next": following, **_readable(part)})

    def put_object(key: str, text: str) -> Plan:
        """Store a text as an object of the bucket deliverables; an older version is kept."""
        return plan_publish(objects, key, text.encode())

    def delete_object(key: str) -> Plan:
        """Remove an object from the bucket deliverables; its versions stay on the record."""
        before = objects.find(key)
        if before is None:
            raise NotFound(f"There is no object {key!r} in the bucket deliverables.")
        return Plan(
            shows=f"Delete {key}, version {before.version} ({before.size:,} bytes).",
            done=f"Deleted {key}.",
            actions=objects.withdraw(before),
        )

    registry.add(reads(ListObjects, list_objects), "read")
    registry.add(reads(GetObject, get_object), "read")
    registry.add(plans(PutObject, put_object), "write", "transaction")
    registry.add(plans(DeleteObject, delete_object), "destructive", "transaction")


def _add_item_tools(registry: Registry, workspace: Workspace) -> None:
    def get_item(table: TableName, pk: str, sk: str) -> tuple[str, Any]:
        """Read one item of a table by its keys."""
        item = _table(workspace, table).get(pk, sk)
        if item is None:
            raise NotFound(f"There is no item ({pk!r}, {sk!r}) in the table {table}.")
        return _result(_row(item))

    def query_items(
        table: TableName, pk: str, prefix: str = "", after: str = "", limit: int = 20
    ) -> tuple[str, Any]:
        """List the items of a partition of a table, by the beginning of their sort key."""
        found = list(_table(workspace, table).query(pk, prefix=prefix, after=after, limit=limit))
        return _result({"items": [_row(i) for i in found], "more": len(found) == limit})

    def put_item(pk: str, sk: str, body: dict[str, Any], table: Writable = "memory") -> Plan:
        """Write an item of your own to a table, under a partition key that begins with item/."""
        if not pk.startswith("item/"):
            raise InvalidInput("The partition key of an item that is written begins with item/.")
        before = _table(workspace, table).get(pk, sk)
        version = before.version + 1 if before else 1
        item = Item(pk, sk, body, version)
        when = VersionIs(before.version) if before else Absent()
        shown = json.dumps(body, ensure_ascii=False)[:500]
        return Plan(
            shows=f"Write ({pk}, {sk}) to the table {table}, version {version}: {shown}",
            done=f"Wrote ({pk}, {sk}) to the table {table}, version {version}.",
            actions=[Put(item, when, table=table)],
        )

    registry.add(reads(GetItem, get_item), "read")
    registry.add(reads(QueryItems, query_items), "read")
    registry.add(plans(PutItem, put_item), "write", "transaction")


def _add_signal_tools(registry: Registry, workspace: Workspace) -> None:
    def query_logs(
        group: LogGroup, minutes: int = 60, contains: str = "", limit: int = 20
    ) -> tuple[str, Any]:
        """Read the newest log events of an agent, optionally those that contain a text."""
        now = time.time()
        events = workspace.telemetry.logs(
            group, start=now - 60 * minutes, end=now + 1, contains=contains, limit=limit
        )
        return _result({"events": [{"at": e.at, **e.record} for e in events]})

    def get_metrics(name: str, minutes: int = 60) -> tuple[str, Any]:
        """Read a metric: how many values it had, their sum, least, mean and greatest."""
        now = time.time()
        points = workspace.telemetry.metrics(name, start=now - 60 * minutes, end=now + 1)
        values = [point.value for point in points]
        found: dict[str, Any] = {"name": name, "count": len(values)}
        if values:
            found |= {"sum": sum(values), "min": min(values), "max": max(values)}
            found |= {"mean": sum(values) / len(values), "unit": points[0].unit}
        return _result(found)

    def put_metric(
        name: str,
        value: float,
        unit: Literal["Count", "Seconds", "Bytes", "Percent", "None"] = "Count",
    ) -> Plan:
        """Record one value of a metric."""
        return Plan(
            shows=f"Record {value:g} {unit} for the metric {name}.",
            done=f"Recorded {value:g} {unit} for the metric {name}.",
            call=lambda: workspace.telemetry.metric(name, value, unit=unit),
        )

    registry.add(reads(QueryLogs, query_logs), "read")
    registry.add(reads(GetMetrics, get_metrics), "read")
    registry.add(plans(PutMetric, put_metric), "write", "at_most_once")


def _bucket(workspace: Workspace, name: BucketName) -> Blobs:
    return cast(Blobs, getattr(workspace.buckets, name))


def _table(workspace: Workspace, name: TableName) -> Table:
    return cast(Table, getattr(workspace.tables, name))


def _row(item: Item) -> dict[str, Any]:
    return {"pk": item.pk, "sk": item.sk, "version": item.version, "body": dict(item.body)}


def _readable(data: bytes) -> dict[str, str]:
    """Return bytes as text, or as base64 where they are none."""
    # A position in the middle of a character leaves a few bytes of it at either end.
    cut = any(byte > 0x7F for byte in data[:1] + data[-1:])
    try:
        text = data.decode(errors="ignore" if cut else "strict")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    return {"text": text}


def _result(value: dict[str, Any]) -> tuple[str, Any]:
    """Return a result as text that fits a model's context, and whole."""
    text = json.dumps(value, ensure_ascii=False, default=_short)
    if len(text) > RESULT_CHARS:
        text = f"{text[:RESULT_CHARS]}… (cut: {len(text):,} characters in all; ask for less)"
    return text, None


def _short(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
