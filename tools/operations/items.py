"""Operations on items of tables: get, query, put."""

import json
from typing import Any, Literal, cast

from pydantic import BaseModel, Field

from storage.errors import InvalidInput, NotFound
from storage.ports import Absent, Item, Put, Table, TableName, VersionIs
from storage.workspace import Workspace
from tools.operations.results import page, result
from tools.registry import Plan, Registry, plans, reads

Writable = Literal["documents", "memory"]


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


def add_item_tools(registry: Registry, workspace: Workspace) -> None:
    """Register the operations on items."""

    def get_item(table: TableName, pk: str, sk: str) -> tuple[str, Any]:
        """Read one item of a table by its keys."""
        item = _table(workspace, table).get(pk, sk)
        if item is None:
            raise NotFound(f"There is no item ({pk!r}, {sk!r}) in the table {table}.")
        return result(_row(item))

    def query_items(
        table: TableName, pk: str, prefix: str = "", after: str = "", limit: int = 20
    ) -> tuple[str, Any]:
        """List the items of a partition of a table, by the beginning of their sort key."""
        found = _table(workspace, table).query(pk, prefix=prefix, after=after, limit=limit + 1)
        rows = [_row(item) for item in found]
        return page({"table": table}, "items", rows, limit, lambda n: rows[n - 1]["sk"])

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


def _table(workspace: Workspace, name: TableName) -> Table:
    return cast(Table, getattr(workspace.tables, name))


def _row(item: Item) -> dict[str, Any]:
    return {"pk": item.pk, "sk": item.sk, "version": item.version, "body": dict(item.body)}
