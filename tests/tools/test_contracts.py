"""Real contracts, and damaged files, beside the project: they end as they should.

Collected only where the data is there; the tests of parsing make their own files.
"""

import random
from pathlib import Path

import pytest

from tests.tools.conftest import DATA
from tests.tools.test_parsing import mutated, words
from tools.parsing import parse


def files(folder: str) -> list[Path]:
    return sorted((DATA / folder).iterdir())


def test_every_contract_is_ready() -> None:
    for path in files("contracts/pdf"):
        parsed = parse(path.read_bytes(), path.name)
        assert (path.name, parsed.status, parsed.reason) == (path.name, "ready", "")
        assert all(page.text for page in parsed.pages)


def test_every_damaged_file_has_its_status() -> None:
    found = {path.name: parse(path.read_bytes(), path.name) for path in files("damaged")}
    assert {name: parsed.status for name, parsed in found.items()} == {
        "bit-rot.pdf": "damaged",
        "blank-page.pdf": "needs_ocr",
        "empty.pdf": "damaged",
        "formula.csv": "ready",
        "html-named.pdf": "unsupported",
        "injection.md": "ready",
        "latin-1.txt": "ready",
        "nul-bytes.txt": "damaged",
        "owner-password-only.pdf": "ready",
        "password.pdf": "locked",
        "random-bytes.pdf": "damaged",
        "text-named.docx": "unsupported",
        "truncated-half.pdf": "damaged",
        "zip-bomb.docx": "unsupported",
    }
    ready = ("formula.csv", "injection.md", "owner-password-only.pdf")
    assert all(bool(parsed.reason) != (name in ready) for name, parsed in found.items())
    assert "Kündigungsfrist" in found["latin-1.txt"].pages[0].text
    assert len(found["bit-rot.pdf"].pages) == 33


@pytest.mark.parametrize("seed", range(4))
def test_no_mutation_of_a_contract_is_ready_with_words_missing(seed: int) -> None:
    chance = random.Random(seed)
    contracts = files("contracts/pdf")
    for _ in range(12):
        path = chance.choice(contracts)
        data = path.read_bytes()
        parsed = parse(mutated(data, chance), path.name)
        if parsed.status == "ready":
            assert not words(parse(data, path.name).pages) - words(parsed.pages)
