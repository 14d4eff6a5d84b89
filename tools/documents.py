"""The tools that read documents: list, search, and one page.

What they return is the documents' own text. It is material, whatever it says: it reaches models as
the content of a tool message and never as an instruction, and no tool looks into it.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, Field

from storage.records import Passage
from tools.library import Library
from tools.registry import Registry, reads

MOST_PASSAGES: Final = 20
PAGE_CHARS: Final = 12_000


class ListDocuments(BaseModel):
    """Arguments of `list_documents`."""

    contains: str = Field("", description="Only documents whose name contains this, any case")
    limit: int = Field(50, ge=1, le=200)


class SearchDocuments(BaseModel):
    """Arguments of `search_documents`."""

    query: str = Field(description="What to look for, in the words the documents would use")
    document_ids: list[str] = Field(
        default_factory=list, description="Ids of the documents to search; empty: all of them"
    )
    limit: int = Field(12, ge=1, le=MOST_PASSAGES)


class ReadPage(BaseModel):
    """Arguments of `read_page`."""

    document_id: str
    page: int = Field(ge=1, description="Counts from 1")


def add_document_tools(registry: Registry, library: Library) -> None:
    """Register the tools that read a library."""

    def list_documents(contains: str = "", limit: int = 50) -> tuple[str, Any]:
        """List the documents of the workspace: id, name, status, number of pages."""
        found = [d for d in library.store.all() if contains.casefold() in d.name.casefold()]
        rows = [
            {"id": d.id, "name": d.name, "status": d.status, "pages": d.pages}
            for d in found[:limit]
        ]
        return json.dumps({"documents": rows, "more": len(found) > limit}), rows

    def search_documents(
        query: str, document_ids: Sequence[str] = (), limit: int = 12
    ) -> tuple[str, Any]:
        """Find the passages of the documents that speak about something, best first."""
        found = library.search(query, documents=document_ids, limit=limit)
        return as_text(found), [passage.model_dump() for passage in found]

    def read_page(document_id: str, page: int) -> tuple[str, Any]:
        """Read one page of a document."""
        document, found = library.page(document_id, page)
        whole = Passage(
            document_id=document.id,
            document=document.name,
            sha256=document.sha256,
            page=page,
            start=0,
            end=min(len(found.text), PAGE_CHARS),
            text=found.text[:PAGE_CHARS],
        )
        return as_text([whole]), [whole.model_dump()]

    registry.add(reads(ListDocuments, list_documents), "read")
    registry.add(reads(SearchDocuments, search_documents), "read")
    registry.add(reads(ReadPage, read_page), "read")


def as_text(passages: Sequence[Passage]) -> str:
    """Return passages as JSON, as a model reads them."""
    rows = [
        {"document_id": p.document_id, "document": p.document, "page": p.page, "text": p.text}
        for p in passages
    ]
    return json.dumps({"passages": rows}, ensure_ascii=False)
