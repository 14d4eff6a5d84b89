"""The tools that read documents: list, search, and one page.

What they return is the documents' own text. It is material, whatever it says: it reaches models as
the content of a tool message and never as an instruction, and no tool looks into it.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, Field

from storage.records import Passage
from tools.cards import brief
from tools.library import Library
from tools.profiles import Wanted
from tools.registry import Registry, reads

MOST_PASSAGES: Final = 20
PAGE_CHARS: Final = 12_000
NAMES_ONLY: Final = frozenset({"name_documents", "list_objects"})
"""Tools that name documents, or the hashes of versions, and give none of their text."""


class ByCard(BaseModel):
    """Which documents, by what they say of themselves."""

    kind: str = Field("", description="Only of this kind: words of it, as in 'supply agreement'")
    party: str = Field("", description="Only those that name this party or organisation")
    dated: str = Field("", description="Only of this time: 2019, 2019-03, 2018..2020, 2019-06-01..")


class ListDocuments(ByCard):
    """Arguments of `list_documents`."""

    contains: str = Field("", description="Only documents whose name contains this, any case")
    limit: int = Field(50, ge=1, le=200)


class SearchDocuments(ByCard):
    """Arguments of `search_documents`."""

    query: str = Field(description="What to look for, in the words the documents would use")
    document_ids: list[str] = Field(
        default_factory=list, description="Ids of the documents to search; empty: all of them"
    )
    limit: int = Field(12, ge=1, le=MOST_PASSAGES)


class NameDocuments(BaseModel):
    """Arguments of `name_documents`."""

    contains: str = Field("", description="Only documents whose name contains this, any case")
    limit: int = Field(50, ge=1, le=200)


class ReadPage(BaseModel):
    """Arguments of `read_page`."""

    document_id: str
    page: int = Field(ge=1, description="Counts from 1")


def add_document_tools(registry: Registry, library: Library) -> None:
    """Register the tools that read a library."""
    tools = _Tools(library)
    registry.add(reads(ListDocuments, tools.list_documents), "read")
    registry.add(reads(NameDocuments, tools.name_documents), "read")
    registry.add(reads(SearchDocuments, tools.search_documents), "read")
    registry.add(reads(ReadPage, tools.read_page), "read")


class _Tools:
    """What agents may do with a library: models know a method by its name and what it says."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def list_documents(
        self, contains: str = "", limit: int = 50, kind: str = "", party: str = "", dated: str = ""
    ) -> tuple[str, Any]:
        """List the documents of the workspace, each with its title, kind, parties and dates."""
        every = self._library.wanted(Wanted(kind, party, dated))
        found = [d for d in every if contains.casefold() in d.name.casefold()]
        cards = self._library.cards(found[:limit])
        rows = [
            {"id": d.id, "name": d.name, "status": d.status, "pages": d.pages, **brief(cards[d.id])}
            for d in found[:limit]
        ]
        return json.dumps({"documents": rows, "more": len(found) > limit}), rows

    def name_documents(self, contains: str = "", limit: int = 50) -> tuple[str, Any]:
        """List documents by their names, without anything that stands in them."""
        found = [d for d in self._library.store.all() if contains.casefold() in d.name.casefold()]
        rows = [{"id": d.id, "name": d.name, "status": d.status} for d in found[:limit]]
        return json.dumps({"documents": rows, "more": len(found) > limit}), rows

    def search_documents(
        self,
        query: str,
        document_ids: Sequence[str] = (),
        limit: int = 12,
        kind: str = "",
        party: str = "",
        dated: str = "",
    ) -> tuple[str, Any]:
        """Find the passages that speak about something, of the documents that the query names."""
        wanted = Wanted(kind, party, dated)
        found = self._library.search(query, documents=document_ids, wanted=wanted, limit=limit)
        return as_text(found), [passage.model_dump() for passage in found]

    def read_page(self, document_id: str, page: int) -> tuple[str, Any]:
        """Read one page of a document."""
        document, found = self._library.page(document_id, page)
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


def as_text(passages: Sequence[Passage]) -> str:
    """Return passages as JSON, as a model reads them."""
    rows = [
        {"document_id": p.document_id, "document": p.document, "page": p.page, "text": p.text}
        for p in passages
    ]
    return json.dumps({"passages": rows}, ensure_ascii=False)
