"""The container image, as far as it can be held to its promises without building it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.serving import page_command

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", joined, re.MULTILINE)


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions that a lock pins, by package."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if pinned := re.match(r"([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", line):
            found.setdefault(pinned[1], set()).add(pinned[2])
    return found


def test_it_copies_what_there_is_and_every_package() -> None:
    copied = {line.split()[0] for line in instructions("COPY")}
    assert all((ROOT / path).exists() for path in copied)
    packages = {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    assert packages <= copied


def test_what_it_copies_is_sent_and_nothing_else() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert rules[1] == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert sent == {line.split()[0] for line in instructions("COPY")}
    assert "**/.env" in rules


def test_it_runs_as_nobody_in_particular() -> None:
    before, _, after = DOCKERFILE.partition("\nUSER affidavit\n")
    assert "USER" not in before
    assert "USER" not in after
    assert "RUN" not in after


def test_it_installs_by_hash_what_the_tests_ran_with() -> None:
    (install,) = (run for run in instructions("RUN") if "pip install" in run)
    assert "--require-hashes" in install
    run, tested = locked("requirements-run.lock"), locked("requirements.lock")
    assert {name: tested.get(name) for name in run} == run


def test_the_lock_has_every_dependency_and_nothing_of_the_tests() -> None:
    run = locked("requirements-run.lock")
    needed = {re.split(r"[\[<>=]", d)[0] for d in PROJECT["project"]["dependencies"]}
    assert needed <= run.keys()
    assert not {"pytest", "moto", "playwright", "mypy", "ruff", "hypothesis"} & run.keys()


def test_the_page_is_started_as_on_a_laptop_but_for_its_address() -> None:
    given = json.loads(instructions("CMD")[-1])
    here = page_command(8501)[5:]
    assert given == [{"127.0.0.1": "0.0.0.0"}.get(word, word) for word in here]  # noqa: S104


@pytest.mark.parametrize("command", ["worker", "doctor", "setup"])
def test_the_command_line_needs_no_installation(command: str, tmp_path: Path) -> None:
    entry = json.loads(instructions("ENTRYPOINT")[0])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *entry[1:], command, "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
