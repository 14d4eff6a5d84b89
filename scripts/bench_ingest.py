"""How fast files become searchable, beside pypdfium2 alone on the same files in the same run.

    python scripts/bench_ingest.py [FOLDER [FILES]]

The PDFs of a folder (those of the demo, without one) are copied, each copy a document of its own,
until there are so many files. The peer opens each and takes the text of its pages, one process on
each core; the product adds them from `add` to searchable, sandbox, integrity, storage and index
included. Both are given in pages per second by the clock and by processor time, and the product as
a ratio of the peer; so is how much memory this process takes over the run.
"""

import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pypdfium2

from graph import Orchestrator
from graph.settings import Settings
from scripts.adding import add_all, find

CORES: Final = os.cpu_count() or 1
FILES: Final = 200
SAMPLES: Final = Path(__file__).parent / "samples"


class Speed(NamedTuple):
    """Pages, and the seconds that they took by the clock and of processors."""

    pages: int
    clock: float
    processor: float

    def __str__(self) -> str:
        return (
            f"{self.pages} pages in {self.clock:.1f} s: {self.pages / self.clock:.0f} pages/s, "
            f"{self.pages / self.processor:.0f} pages per second of a processor"
        )


def main() -> None:
    """Measure, and print."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    count = int(sys.argv[2]) if len(sys.argv) > 2 else FILES
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        files = _copies(sorted(folder.glob("*.pdf")), count, root / "files")
        before = _bare(files)
        added, memory = _added(files, root)
        after = _bare(files)
    bare = max(before, after, key=lambda speed: speed.pages / speed.processor)
    clock = statistics.mean([before.clock, after.clock]) / added.clock
    print(f"{len(files)} files, {CORES} cores")
    print(f"pypdfium2  {bare}")
    print(f"affidavit  {added}")
    print(
        f"ratio      {clock:.2f} by the clock, {bare.processor / added.processor:.2f} by processors"
    )
    shown = ", ".join(f"{each / 1e6:.0f}" for each in memory)
    print(f"memory     {shown} MB of this process after each fifth of the time")


def _copies(originals: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """Files that differ in a comment behind their end, and so are documents of their own."""
    folder.mkdir()
    files = [folder / f"{n}-{originals[n % len(originals)].name}" for n in range(count)]
    for n, file in enumerate(files):
        file.write_bytes(originals[n % len(originals)].read_bytes() + b"%% copy %d\n" % n)
    return files


def _bare(files: Sequence[Path]) -> Speed:
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        pool.map(_text, [files[0]] * CORES * 4)  # they have started
        since = time.perf_counter()
        read = pool.map(_text, files, chunksize=1)
        clock = time.perf_counter() - since
    return Speed(sum(pages for pages, _ in read), clock, sum(seconds for _, seconds in read))


def _text(file: Path) -> tuple[int, float]:
    """The pages of a file, and the processor's seconds that their text took."""
    since = time.process_time()
    document = pypdfium2.PdfDocument(file.read_bytes())
    for number in range(len(document)):
        page = document[number]
        textpage = page.get_textpage()
        textpage.get_text_range()
        textpage.close()
        page.close()
    pages = len(document)
    document.close()
    return pages, time.process_time() - since


def _added(files: Sequence[Path], root: Path) -> tuple[Speed, list[float]]:
    settings = Settings(home=root / "home", signing_key=root / "key", model="offline")
    before = _processor()
    since = time.perf_counter()
    with _measured_memory() as samples:
        with Orchestrator.open(settings=settings) as desk:
            added, failed = add_all(desk, find([str(each) for each in files]))
            clock = time.perf_counter() - since
            assert desk.documents.search("term", limit=1)  # noqa: S101 - it is searchable
        processor = _processor() - before  # of the children too: they have ended
    assert not failed, failed  # noqa: S101
    odd = [each.document for each in added if each.document.status != "ready" or not each.new]
    assert not odd, odd  # noqa: S101
    fifths = [samples[len(samples) * n // 5 - 1] for n in range(1, 6)]
    return Speed(sum(each.document.pages for each in added), clock, processor), fifths


def _processor() -> float:
    """Seconds of processors of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def _measured_memory() -> Iterator[list[float]]:
    """Sample the bytes that this process holds, five times a second (Linux)."""
    samples: list[float] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(0.2):
            pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
            samples.append(float(pages) * resource.getpagesize())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
