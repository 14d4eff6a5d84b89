"""The tables that runs have made, each kept as one object of the bucket `state`.

A table is written before the transaction that ends its run and names its hash: killed in between,
nobody has named it, and the run that goes on writes the same bytes again. It lies with the other
objects of its run, so that whoever erases a run finds it.
"""

import hashlib
from functools import lru_cache
from typing import Final

from storage.errors import NotFound, Tampered
from storage.keys import key
from storage.ports import Blobs
from storage.records import Extraction, Run

_CACHED: Final = 8


class ExtractionStore:
    """The tables of a workspace."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        # A table never changes, and a page that shows it asks for it at each click.
        self._cached = lru_cache(maxsize=_CACHED)(self._load)

    def put(self, run_id: str, table: Extraction) -> str:
        """Keep the table of a run; return its hash."""
        sha256 = sha256_of(table)
        self._blobs.put(_name(run_id, sha256), _bytes(table))
        return sha256

    def get(self, run_id: str, sha256: str) -> Extraction:
        """Return a table of a run by its hash.

        Raises:
            NotFound: it is not kept any more.
            Tampered: what is kept is not what was recorded.
        """
        if self._blobs.head(_name(run_id, sha256)) is None:
            self._cached.cache_clear()  # what was erased is not remembered either
            raise NotFound(f"The table of run {run_id} is not kept any more.")
        return self._cached(run_id, sha256)

    def _load(self, run_id: str, sha256: str) -> Extraction:
        data = self._blobs.get(_name(run_id, sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Tampered(f"The table of run {run_id} is not what was recorded.")
        return Extraction.model_validate_json(data)

    def without(self, run: Run, document_id: str) -> Extraction | None:
        """Return the table of a run without the rows of a document; None: it has none."""
        try:
            table = self.get(run.id, run.table_sha256) if run.table_sha256 else None
        except NotFound:
            return None
        rows = [row for row in table.rows if row.document_id != document_id] if table else []
        if table is None or len(rows) == len(table.rows):
            return None
        return table.model_copy(update={"rows": rows})

    def keep_only(self, run_id: str, sha256: str) -> None:
        """Delete what tables a run has beside one; empty: all."""
        for info in list(self._blobs.list(_name(run_id, ""))):
            if info.key != _name(run_id, sha256):
                self._blobs.delete(info.key)
        self._cached.cache_clear()

    def with_table(self, run: Run) -> Run:
        """Return a run with the table that it has made; one that was erased is left out."""
        if not run.table_sha256:
            return run
        try:
            return run.model_copy(update={"table": self.get(run.id, run.table_sha256)})
        except NotFound:
            return run

    def verify(self, run: Run) -> str:
        """Return what is wrong with the table of a run, read anew; empty: nothing."""
        try:
            if run.table_sha256:
                self._load(run.id, run.table_sha256)
        except NotFound:
            return "the table is missing"
        except (Tampered, ValueError):
            return "the table is not what was recorded"
        return ""


def sha256_of(table: Extraction) -> str:
    """Return the hash by which a table is named."""
    return hashlib.sha256(_bytes(table)).hexdigest()


def _bytes(table: Extraction) -> bytes:
    return table.model_dump_json().encode()


def _name(run_id: str, sha256: str) -> str:
    return f"{key('run', run_id)}/table/{sha256}"
