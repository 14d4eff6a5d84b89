"""What a search costs among 150,000 passages: our index beside bm25s and SQLite's FTS5, in one run.

    PYTHONPATH=. python scripts/bench_search.py [--passages 150000] [--queries 300]

The documents are made of the sentences of real contracts where these lie beside the project, and
else of the words of the licence, always the same ones. Ours is measured as it is used: a library in
a workspace, from pages to what is shown, so that building includes cutting the pages and sharing
the index with others, and a search includes asking the catalogue what changed. The card of a
document is made when it is added, before there is an index; what that takes is told beside it. The
peers are given the passages as they were cut. Each
is opened and asked in a process of its own; the memory is what that process then holds in addition,
mapped files included. The peers are installed for the benchmark only, in a folder of its own.
"""

import multiprocessing
import random
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import track

from scripts.peers import installed
from storage.backend import open_embedded
from storage.documents import DocumentStore, document_id
from storage.records import Document, Page
from storage.versions import KeptCard, sha256_of
from tools.cards import CARD_VERSION, make_card
from tools.library import Library
from tools.parsing import parse
from tools.passages import passages, sentences

PEERS: Final = ("bm25s==0.3.16",)
CONTRACTS: Final = Path(__file__).parents[2] / "shared" / "data" / "contracts" / "pdf"
LICENCE: Final = Path(__file__).parents[1] / "LICENSE"
NAMES: Final = (
    "Harbor",
    "Tern",
    "Quill",
    "Kestrel",
    "Birch",
    "Alder",
    "Marlow",
    "Juniper",
    "Osprey",
)
KINDS: Final = ("Supply", "License", "Lease", "Services", "Agency", "Franchise", "Loan")
PAGES: Final = 14
PAGE_CHARS: Final = 3_000
LIMIT: Final = 12
WARM: Final = 5
err = Console(stderr=True)
Search = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, all their passages, and what is asked."""

    documents: list[tuple[str, list[Page]]]
    passages: list[str]
    queries: list[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What opening an index took, in seconds and bytes of memory, and each query, in seconds."""

    opened: float
    memory: int
    seconds: list[float]
    processor: list[float]
    """Of each query, without what others kept the processor from it."""


def prose() -> list[str]:
    """Return sentences of real contracts, or else of the licence's words."""
    if not CONTRACTS.is_dir():
        chance, words = random.Random(1), LICENCE.read_text().split()
        return [" ".join(chance.sample(words, chance.randint(6, 40))) + "." for _ in range(11_000)]
    found = []
    for path in track(sorted(CONTRACTS.iterdir()), "Reading", console=err, transient=True):
        for page in parse(path.read_bytes(), path.name).pages:
            cut = (page.text[span.start : span.end] for span in sentences(page.text))
            found += [each for each in cut if 20 < len(each) < 600]
    return found


def make_corpus(least: int, queries: int) -> Corpus:
    """Return documents with at least so many passages, and queries as people type them."""
    chance, known = random.Random(2), prose()
    documents: list[tuple[str, list[Page]]] = []
    cut: list[str] = []
    with err.status("Making documents …") as status:
        while len(cut) < least:
            title = f"{chance.choice(NAMES)}{chance.choice(KINDS)}Agreement_{len(documents)}"
            pages = [_page(n, title, chance, known) for n in range(1, PAGES + 1)]
            cut += [p.text[s.start : s.end] for p in pages for s in passages(p.text)]
            documents.append((f"{title}.pdf", pages))
            status.update(f"Making documents … {len(cut):,} passages")
    return Corpus(documents, cut, [_query(chance, known) for _ in range(queries)])


def _page(number: int, title: str, chance: random.Random, known: Sequence[str]) -> Page:
    parts = [f"{title} made on {chance.randint(1, 28)} May {chance.randint(1998, 2026)}"]
    while sum(map(len, parts)) < PAGE_CHARS:
        parts.append(chance.choice(known))
    return Page(number=number, locator=f"page {number}", text="\n".join(parts))


def _query(chance: random.Random, known: Sequence[str]) -> str:
    words = chance.choice(known).split()
    start = chance.randrange(len(words))
    topic = " ".join(words[start : start + chance.randint(2, 9)])
    which = f"{chance.choice(NAMES)} {chance.choice(KINDS)} agreement {chance.randrange(2000)}"
    kinds = (topic, f"What does the {which} say about {topic}?", f"Is there a {topic}, and when?")
    return chance.choice(kinds)


@dataclass(frozen=True, slots=True)
class Ours:
    """A library in a workspace on this machine."""

    home: Path
    index: Path

    def open(self) -> Library:
        """Open it as any process does."""
        workspace = open_embedded(self.home).workspace("default")
        buckets = workspace.buckets
        store = DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts)
        return Library(store, self.index)

    def search(self) -> Search:
        """Open it for searching."""
        library = self.open()
        return lambda query: library.search(query, limit=LIMIT)


def put(library: Library, name: str, pages: list[Page]) -> None:
    """Put a document into the catalogue, as if it had been parsed: with its card."""
    sha256 = sha256_of("".join(page.text for page in pages).encode())
    made = document_id(sha256)
    document = Document(id=made, name=name, sha256=sha256, status="ready", pages=len(pages))
    library.store.add(document, pages, "1", KeptCard(make_card(pages), CARD_VERSION))


def measure_ours(folder: Path, corpus: Corpus) -> None:
    """Build our index from the pages, and measure it and its life."""
    first = Ours(folder / "home", folder / "first")
    library = first.open()
    since = time.perf_counter()
    for name, pages in track(corpus.documents, "Adding", console=err, transient=True):
        put(library, name, pages)
    added = time.perf_counter() - since
    with err.status("Indexing …") as status:

        def told(done: int, of: int) -> None:
            status.update(f"Indexing … {done:,} of {of:,} documents")

        built = timed(lambda: library.refresh(told))
    show("Affidavit", built, first.index, ask(first.search, corpus.queries))

    print(f"    all documents put into the catalogue before, their cards made: {added:.1f} s")

    def find_new() -> None:
        text = "The zebra clause of this new document is found at once."
        put(library, "new.txt", [Page(number=1, locator="page 1", text=text)])
        if library.search("zebra clause")[0].document != "new.txt":
            raise RuntimeError("The document that was added is not found.")

    print(f"    one document added, and found: {timed(find_new):.2f} s")
    cold = Ours(first.home, folder / "cold").open()
    print(f"    the first answer of a cold worker: {timed(lambda: cold.search('notice')):.2f} s")
    gone = next(library.store.all())
    table = open_embedded(first.home).workspace("default").tables.documents
    table.transact(library.store.erasing(gone, by="bench", shows=""))
    took = timed(lambda: library.forget(gone.id))
    print(f"    one document forgotten, everywhere: {took:.1f} s")
    stored = sum(path.stat().st_size for path in (first.home / "objects").rglob("*index/*/*.o"))
    print(f"    the snapshot, as stored: {stored / 1e6:.0f} MB")


def measure_bm25s(folder: Path, corpus: Corpus) -> None:
    """Build and measure bm25s, without a stemmer, as it comes."""
    import bm25s

    def build() -> None:
        tokens = bm25s.tokenize(corpus.passages, show_progress=False)
        index = bm25s.BM25()
        index.index(tokens, show_progress=False)
        index.save(folder, corpus=None)

    show("bm25s", timed(build), folder, ask(Bm25s(folder).search, corpus.queries))


@dataclass(frozen=True, slots=True)
class Bm25s:
    """An index of bm25s on the disk."""

    folder: Path

    def search(self) -> Search:
        """Open it."""
        import bm25s

        index = bm25s.BM25.load(self.folder)

        def search(query: str) -> Any:
            tokens = bm25s.tokenize([query], show_progress=False)
            return index.retrieve(tokens, k=LIMIT, show_progress=False)

        return search


def measure_fts5(folder: Path, corpus: Corpus) -> None:
    """Build and measure SQLite's FTS5, with its English stemmer."""
    path = folder / "fts5.sqlite"

    def build() -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE VIRTUAL TABLE passages USING fts5(body, tokenize='porter')")
            rows = ((text,) for text in corpus.passages)
            connection.executemany("INSERT INTO passages VALUES (?)", rows)

    show("SQLite FTS5", timed(build), folder, ask(Fts5(path).search, corpus.queries))


@dataclass(frozen=True, slots=True)
class Fts5:
    """A table of FTS5."""

    path: Path

    def search(self) -> Search:
        """Open it."""
        connection = sqlite3.connect(self.path)
        sql = "SELECT rowid, rank FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?"

        def search(query: str) -> Any:
            words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
            # FTS5 knows no query of no words; some of what people type is only a sign.
            return connection.execute(sql, (words, LIMIT)).fetchall() if words else []

        return search


def ask(opener: Callable[[], Search], queries: Sequence[str]) -> Asked:
    """Open an index and ask it, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_asked, args=(there, opener, queries, sys.path))
    child.start()
    there.close()
    try:
        found: Asked = here.recv()
    finally:
        child.join()
    return found


def _asked(there: Any, opener: Callable[[], Search], queries: Sequence[str], path: Any) -> None:
    sys.path[:] = path
    _import(opener)
    before = resident()
    since = time.perf_counter()
    search = opener()
    for query in queries[:WARM]:
        search(query)
    opened = time.perf_counter() - since
    seconds, processor = [], []
    for query in queries:
        busy = time.process_time()
        seconds.append(timed(partial(search, query)))
        processor.append(time.process_time() - busy)
    there.send(Asked(opened, resident() - before, seconds, processor))


def _import(opener: Callable[[], Search]) -> None:
    """Import what an index needs before memory is looked at: code is not what is measured."""
    if isinstance(getattr(opener, "__self__", None), Bm25s):
        import bm25s  # noqa: F401
    else:
        import tools.tantivy_index  # noqa: F401


def resident() -> int:
    """Return the bytes that this process holds in memory, those of mapped files included."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds work takes."""
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def show(name: str, built: float, folder: Path, asked: Asked) -> None:
    """Print a row."""
    (median, p95), (busy, _) = (
        statistics.quantiles([1e3 * each for each in times], n=20)[9::9]
        for times in (asked.seconds, asked.processor)
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"{name:<14}{built:>10.1f}{median:>11.1f}{p95:>10.1f}{busy:>9.1f}"
        f"{asked.memory / 1e6:>12.0f}{size / 1e6:>11.0f}{asked.opened:>11.2f}"
    )


def main(
    least: Annotated[int, typer.Option("--passages", min=1_000)] = 150_000,
    queries: Annotated[int, typer.Option(min=20)] = 300,
) -> None:
    """Index many passages, search them, and print what it costs, beside what others take."""
    corpus = make_corpus(least, queries)
    of = "of real contracts" if CONTRACTS.is_dir() else "made of the licence's words"
    count = len(corpus.documents)
    print(f"{len(corpus.passages):,} passages {of}, in {count:,} documents; {queries} queries\n")
    print(f"{'':<14}{'build s':>10}{'median ms':>11}{'p95 ms':>10}{'cpu ms':>9}", end="")
    print(f"{'memory MB':>12}{'disk MB':>11}{'opened s':>11}")
    with tempfile.TemporaryDirectory() as folder, installed(PEERS):
        for name, measure in (
            ("ours", measure_ours),
            ("bm25s", measure_bm25s),
            ("fts5", measure_fts5),
        ):
            place = Path(folder) / name
            place.mkdir()
            measure(place, corpus)


if __name__ == "__main__":
    typer.run(main)
