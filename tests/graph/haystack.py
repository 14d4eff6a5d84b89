"""Looks for a text wherever a back end keeps anything: in the raw, unpacked, and on the disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from graph.settings import Settings
from storage.aws.clients import Clients
from storage.aws.names import Names
from storage.codec import Codec
from storage.ports import BUCKETS, TABLES

_codec = Codec(JsonPlusSerializer())


def found(settings: Settings, text: str) -> set[str]:
    """Return where a text stands: tables, buckets, and files by what they are."""
    kept = _account(settings) if settings.backend == "aws" else _tables(settings.home)
    everywhere = [*kept, *_files(settings.home)]
    return {place for place, data in everywhere if _holds(data, text)}


def _tables(home: Path) -> Iterator[tuple[str, Any]]:
    with closing(sqlite3.connect(home / "affidavit.sqlite")) as connection:
        for table in TABLES:
            for row in connection.execute(f"SELECT pk, sk, body FROM {table}"):  # noqa: S608
                yield table, [row[0], row[1], ormsgpack.unpackb(row[2])]


def _files(home: Path) -> Iterator[tuple[str, Any]]:
    for path in home.rglob("*"):
        if path.is_file():
            name = path.relative_to(home).parts
            yield "/".join(name[:2]) if name[0] == "objects" else name[0], path.read_bytes()


def _account(settings: Settings) -> Iterator[tuple[str, Any]]:
    clients = Clients()
    names = Names(settings.prefix, settings.aws_account_id, clients.region)
    for table in TABLES:
        pages = clients.dynamodb.get_paginator("scan").paginate(TableName=names.table(table))
        yield table, [page["Items"] for page in pages]
    for bucket in BUCKETS:
        name = names.bucket(bucket)
        pages = clients.s3.get_paginator("list_object_versions").paginate(Bucket=name)
        for each in [each for page in pages for each in page.get("Versions", ())]:
            at = {"Bucket": name, "Key": each["Key"], "VersionId": each["VersionId"]}
            yield f"objects/{bucket}", [each["Key"], clients.s3.get_object(**at)["Body"].read()]
    clients.close()


def _holds(value: Any, text: str) -> bool:
    match value:
        case str():
            return text in value
        case bytes():
            if text.encode() in value:
                return True
            with suppress(Exception):  # it is no checkpoint
                return _holds(_codec.unpack(value), text)
            return False
        case dict():
            return any(_holds(each, text) for pair in value.items() for each in pair)
        case list() | tuple():
            return any(_holds(each, text) for each in value)
    return False
