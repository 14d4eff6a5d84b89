"""Which version of a document a citation is of, in words.

A document that has one version needs none. Of others each citation says it, because what it quotes
may read otherwise in the newest one.
"""

from storage.documents import added_at
from storage.records import Document
from storage.times import day

SHA_CHARS = 12


def version_told(document: Document, sha256: str) -> str:
    """Return words on a version, such as "version of 3 March 2026, sha256 0f…, not the newest".

    Nothing where it is the only one.
    """
    versions = [*document.older, document.sha256]
    if versions == [sha256]:
        return ""
    short = f"sha256 {sha256[:SHA_CHARS]}"
    if sha256 not in versions:
        return f"a version that is not kept any more, {short}"
    number = versions.index(sha256)
    added = added_at(document)[number]
    which = f"version of {day(added)}" if added else f"version {number + 1} of {len(versions)}"
    return f"{which}, {short}" + (", not the newest" if sha256 != document.sha256 else "")
