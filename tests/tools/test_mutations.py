"""Whatever happens to a file, it ends with an honest status in time, and nobody is harmed."""

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from tests.tools.mutations import Damaged, corpus, damaged_files, judged, original
from tools.parsers.result import Parsed
from tools.parsing import parse
from tools.sandbox import Sandbox

SECONDS: Final = 60
"""What the sandbox allows a file; the clock of a busy machine is given some more."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(processes=1, seconds=SECONDS) as sandbox:
        yield sandbox


@cache
def whole(name: str) -> Parsed:
    """What was read of a file before anything happened to it."""
    return parse(original(name), name)


def test_no_format_is_left_out() -> None:
    kinds = {Path(each).suffix for each in corpus()}
    assert kinds >= {".pdf", ".docx", ".xlsx", ".pptx", ".html", ".md", ".csv", ".txt", ".eml"}


def is_honest(sandbox: Sandbox, damaged: Damaged) -> None:
    started = time.monotonic()
    parsed = sandbox.parse(damaged.data, damaged.name)
    assert time.monotonic() - started < 2 * SECONDS
    fault = judged(damaged, whole(damaged.name), parsed)
    assert not fault, (damaged, parsed.status, parsed.reason, fault)


@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
)
@given(damaged_files())
def test_a_damaged_file_ends_with_an_honest_status(sandbox: Sandbox, damaged: Damaged) -> None:
    is_honest(sandbox, damaged)


@pytest.mark.slow
@settings(max_examples=2_000, deadline=None, database=None, suppress_health_check=[*HealthCheck])
@given(damaged_files())
def test_so_do_two_thousand(sandbox: Sandbox, damaged: Damaged) -> None:
    is_honest(sandbox, damaged)
