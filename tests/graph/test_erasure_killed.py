"""Killed before or after any call of the storage, an erasure is finished by whoever comes next."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graph import Orchestrator
from graph.settings import Settings
from scripts.watched import Point, Watcher, watch
from tests.graph.haystack import found

from .conftest import LEASE, SUPPLY
from .test_erasure import CANARY, MEMO, QUESTION, shelve

SAMPLED = 23


class Killed(BaseException):
    """The process is dead: it makes no call any more, whatever it tries."""


class Death:
    """Comes at one point, if it is given one; notes those that were passed."""

    def __init__(self, at: Point | None = None) -> None:
        self.at, self.dead = at, False
        self.passed: list[Point] = []

    def __call__(self, point: Point) -> None:
        self.passed.append(point)
        self.dead = self.dead or point == self.at
        if self.dead:
            raise Killed


@contextmanager
def opened(home: Path, death: Death | None = None) -> Iterator[Orchestrator]:
    with Orchestrator.open(settings=settings_of(home)) as desk:
        if death:
            desk.resources.workspace = watch(desk.resources.workspace, Watcher(death))
        yield desk


def settings_of(home: Path) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        home=home,
        signing_key=home / "signing.key",
        model="offline",
    )


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[str]]:
    """A home in which the erasure of a document has begun: it is gone, and its text is not."""
    home = tmp_path_factory.mktemp("begun") / "home"
    with opened(home) as desk:
        shelve(desk, SUPPLY, "supply.txt")
        lease = shelve(desk, LEASE, "lease.txt")
        run = desk.invoke(QUESTION, documents=[lease.id])
        memo = desk.invoke(MEMO, thread=run.thread_id)
        fork = desk.runs.fork(run.id)
        desk.feedback.add(run.id, "down", f"It says {CANARY}.")
        desk.resources.memory.put(("lessons",), "rent", {"learned": [CANARY]})
        erasure = desk.resources.erasure
        survey = erasure.survey(lease.id)
        actions = erasure.begin(survey, "r-erasing", erasure.shows(survey))
        desk.resources.workspace.tables.documents.transact(actions)
    assert found(settings_of(home), CANARY) >= {"runs", "checkpoints", "feedback", "memory"}
    return home, lease.id, [run.id, memo.id, fork.id]


def points(begun: tuple[Path, str, list[str]], at: Path) -> list[Point]:
    home, document_id, _ = begun
    shutil.copytree(home, at)
    watching = Death()
    with opened(at, watching) as desk:
        desk.resources.erasure.finish(document_id)
    shutil.rmtree(at)
    return watching.passed


def check_finished(begun: tuple[Path, str, list[str]], at: Path, point: Point) -> None:
    """Die at a point, finish, and see that nothing is left and every chain is whole."""
    home, document_id, runs = begun
    shutil.copytree(home, at)
    with opened(at, Death(point)) as desk, pytest.raises(Killed):
        desk.resources.erasure.finish(document_id)
    with opened(at) as desk:
        desk.resources.erasure.finish(document_id)
        tombstone = desk.resources.library.store.tombstone(document_id)
        assert tombstone
        assert tombstone.done, point
        for run_id in runs:
            verdict = desk.audit.verify(run_id)
            assert verdict.ok, (point, verdict)
    assert found(settings_of(at), CANARY) == set(), point
    shutil.rmtree(at)


@pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.slow, id="each"), pytest.param(SAMPLED, id="some")]
)
def test_whoever_comes_next_finishes_it(
    begun: tuple[Path, str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every: int,
) -> None:
    monkeypatch.setattr("storage.holding.HELD_SECONDS", 0.05)
    monkeypatch.setattr("storage.holding._quiet_at", lambda *_: 0.0)  # nobody else is there
    passed = points(begun, tmp_path / "home")
    assert len(passed) > 100
    for point in passed[every // 2 :: every]:
        check_finished(begun, tmp_path / "home", point)
