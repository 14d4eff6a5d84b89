"""What the benchmark of search asks of the others: whatever people type."""

import sqlite3
from pathlib import Path

import pytest

from scripts.bench_search import Fts5


@pytest.mark.parametrize(
    ("query", "rows"), [("rent due", 1), ('"rent" AND (', 1), ("§ — ?", 0), ("_ rent", 1), ("", 0)]
)
def test_fts5_is_asked_for_words_and_never_in_its_own_language(
    query: str, rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "passages.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIRTUAL TABLE passages USING fts5(body, tokenize='porter')")
        connection.execute("INSERT INTO passages VALUES ('Rents are due on the first day.')")

    assert len(Fts5(path).search()(query)) == rows
