"""Adding files to a library: each becomes a document, a version, or what was there already.

A file is read before anything of it is stored, and what is attached to it is added before it is
itself: killed at any moment, adding it again finds what is there and goes on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from storage.documents import DocumentStore, document_id
from storage.errors import AffidavitError, Conflict, NotFound
from storage.records import Document, Identity
from storage.texts import on_one_line
from storage.versions import KeptCard, sha256_of
from tools.cards import CARD_VERSION
from tools.parsers.result import Parsed
from tools.parsing import PARSER_VERSION

_INSIDE = " › "
_MOST_DEEP = 5
"""How many files a document may lie inside of each other."""
_MOST_INSIDE = 1_000
"""Files inside of a file, however deep, after which no more are added."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file that was added."""

    document: Document
    new: bool
    """It was not there before; reading it again does not make it new."""
    attachments: tuple["Added", ...] = ()
    """What became of the files that are attached to it."""
    earlier: bool = False
    """The bytes are an earlier version of it; whoever asks about it is answered by the newest."""
    called: str = ""
    """What the file was called; a document keeps its first name, which may be another."""

    def with_attachments(self) -> "Iterator[tuple[Added, str]]":
        """Yield it and all that lies inside of it, each with the id of what it is attached to."""
        yield self, ""
        for attachment in self.attachments:
            for each, holder in attachment.with_attachments():
                yield each, holder or self.document.id


class Adding:
    """Adds files for somebody, who may have given the password of what is locked."""

    def __init__(
        self,
        store: DocumentStore,
        parse: Callable[[bytes, str, str], Parsed],
        identity: Identity,
        password: str = "",
    ) -> None:
        """Take where documents lie, and what reads a file's bytes, by its name and a password."""
        self._store = store
        self._parse = parse
        self._identity = identity
        self._password = password

    def add(self, data: bytes, name: str, *, version_of: str = "") -> Added:
        """Add a file, or a new version of a document.

        Every file is recorded, whatever its status. Identical bytes are one document. What is
        attached to a mail becomes documents of its own, before the mail is one. What was `locked`
        is read again when it is added with a password, and what was not `ready` for any reason
        when the readers have become better; so is what is attached to what is added again.

        The password opens what is locked, attachments too; it is kept nowhere.

        Raises:
            NotFound: there is no document of which it could be a version.
            Conflict: the bytes are an earlier version, or another document already; or somebody
                else has just read the document again.
        """
        sha256, called = sha256_of(data), on_one_line(name)
        if version_of:
            self._store.get(version_of)
        found = self._store.find(sha256)
        if found is None:
            with self._or_nothing(sha256):
                new = self._add_new(data, sha256, name, version_of)
                return replace(new, called=called)
        if version_of and (found.id, found.sha256) != (version_of, sha256):
            raise Conflict(f"These bytes are a version of {found.name} ({found.id}) already.")
        if found.sha256 != sha256:  # an earlier version stays as it is
            return Added(found, new=False, earlier=True, called=called)
        return replace(self._add_again(found), called=called)

    @contextmanager
    def _or_nothing(self, sha256: str) -> Iterator[None]:
        """Leave nothing of bytes that do not become a document after all."""
        try:
            yield
        except BaseException:
            with suppress(AffidavitError):  # why they do not counts, and is told
                self._store.abandon(sha256)
            raise

    def _add_new(self, data: bytes, sha256: str, name: str, version_of: str) -> Added:
        parsed = self._parse(data, name, self._password)
        # Not before: killed while it is read, nothing stays.
        self._store.keep_original(sha256, data)
        attached, reason = self._attached(parsed, name)
        document = Document(
            id=document_id(sha256),
            name=name,
            sha256=sha256,
            media_type=parsed.media_type,
            status=parsed.status,
            reason=reason,
            pages=len(parsed.pages),
            size=len(data),
            added_at=time.time(),
            added_by=self._identity.name,
            attachments=_ids(attached),
        )
        card = KeptCard(parsed.card, CARD_VERSION) if parsed.card else None
        if version_of:
            pages = parsed.pages
            added = self._store.add_version(version_of, document, pages, PARSER_VERSION, card)
            return Added(added, True, attached)
        added = self._store.add(document, parsed.pages, PARSER_VERSION, card)
        return Added(added, added == document, attached)

    def _add_again(self, found: Document, depth: int = 0) -> Added:
        """Read a document again if it may be worth it, and what is attached to it."""
        if self._is_worth_reading_again(found):
            return self._read_again(found)
        attached = []
        for each in found.attachments if depth < _MOST_DEEP else ():
            with suppress(NotFound):  # it has been erased
                inner = self._store.get(each)
                attached.append(self._add_again(inner, depth + 1))
        return Added(found, False, tuple(attached))

    def _is_worth_reading_again(self, found: Document) -> bool:
        if found.status == "ready":
            return False
        if found.status == "locked" and self._password:
            return True
        read_by = self._store.read_by(found.sha256)
        return not read_by.isdigit() or int(read_by) < int(PARSER_VERSION)

    def _read_again(self, found: Document) -> Added:
        parsed = self._parse(self._store.original(found.sha256), found.name, self._password)
        if found.status == parsed.status == "locked":
            # That a password was tried in vain is told to who tried it, and to nobody else.
            return Added(found.model_copy(update={"reason": parsed.reason}), False)
        attached, reason = self._attached(parsed, found.name)
        document = found.model_copy(
            update={
                "media_type": parsed.media_type,
                "status": parsed.status,
                "reason": reason,
                "pages": len(parsed.pages),
                "attachments": _ids(attached),
            }
        )
        card = KeptCard(parsed.card, CARD_VERSION) if parsed.card else None
        with self._or_nothing(found.sha256):
            read = self._store.read_again(document, parsed.pages, PARSER_VERSION, card)
        return Added(read, False, attached)

    def _attached(self, parsed: Parsed, name: str) -> tuple[tuple[Added, ...], str]:
        """Add what is attached to a file; return it, and what is to be said of the file."""
        if parsed.attachments and name.count(_INSIDE) >= _MOST_DEEP:
            names = ", ".join(each.name for each in parsed.attachments)
            told = f"What is attached to it lies too deep and was not added: {names}."
            return (), f"{parsed.reason} {told}".strip()
        added: list[Added] = []
        inside = 0
        for number, each in enumerate(parsed.attachments):
            if inside >= _MOST_INSIDE:
                left = len(parsed.attachments) - number
                told = f"{inside:,} files inside of it were added, and {left} of its own were not."
                return tuple(added), f"{parsed.reason} {told}".strip()
            title = f"{name}{_INSIDE}{each.name}"
            added.append(self.add(each.data, title))
            inside += sum(1 for _ in added[-1].with_attachments())
        return tuple(added), parsed.reason


def _ids(added: Sequence[Added]) -> list[str]:
    return list(dict.fromkeys(each.document.id for each in added))
