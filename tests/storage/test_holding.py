"""A thread that is emptied is nobody's meanwhile: what was at work is stopped, what comes waits."""

import time
from pathlib import Path

import pytest

from storage.audit import AuditLog
from storage.claims import claim
from storage.errors import Leased, LeaseLost, Unavailable
from storage.fence import sealed
from storage.holding import held
from storage.records import Identity, Run
from storage.runs import RunStore
from storage.signing import open_signer
from storage.stopping import stop
from storage.submission import submit
from storage.workspace import Workspace

ANN = Identity(name="ann", source="os")


@pytest.fixture
def runs(workspace: Workspace, tmp_path: Path) -> RunStore:
    signer = open_signer(tmp_path / "signing.key")
    audit = AuditLog(workspace.tables.audit, workspace.buckets.state, signer)
    return RunStore(workspace.tables, audit)


def enter(runs: RunStore, run_id: str, **options: str) -> Run:
    run = Run(id=run_id, thread_id="t-1", status="pending", question="?")
    return submit(runs, run, ANN, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
class TestHeld:
    def test_what_was_at_work_is_cancelled_and_given_time_to_notice(self, runs: RunStore) -> None:
        enter(runs, "r-1")
        owned = claim(runs, "r-1", owner="w", seconds=1.0)
        with held(runs, "t-1", "eraser", "It goes.", 1.0):
            assert time.time() >= owned.expires_at
            stopped = runs.get("r-1")
            assert (stopped.status, stopped.error) == ("cancelled", "It goes.")
            with pytest.raises(LeaseLost):
                owned.check()

    def test_so_is_what_was_cancelled_just_before(self, runs: RunStore) -> None:
        enter(runs, "r-1")
        claim(runs, "r-1", owner="w", seconds=60.0)
        stopped, _ = stop(runs, "r-1", "cancelled", ANN)
        enter(runs, "r-2")
        with held(runs, "t-1", "eraser", "It goes.", 1.0):
            assert time.time() >= stopped.updated_at + 1.0

    def test_what_comes_meanwhile_waits_and_begins_after(self, runs: RunStore) -> None:
        with held(runs, "t-1", "eraser", "It goes.", 1.0) as thread:
            enter(runs, "r-1")
            with pytest.raises(Leased, match="eraser"):
                claim(runs, "r-1", owner="w", seconds=1.0)
            thread.renew()
        assert claim(runs, "r-1", owner="w", seconds=1.0).run.status == "running"

    def test_what_has_not_begun_is_left(self, runs: RunStore) -> None:
        enter(runs, "r-1")
        claim(runs, "r-1", owner="w", seconds=-1)
        enter(runs, "r-2", strategy="enqueue")
        with held(runs, "t-1", "eraser", "It goes.", 0.0):
            assert [run.status for run in runs.of_thread("t-1")] == ["cancelled", "pending"]
        assert claim(runs, "r-2", owner="w", seconds=1.0).run.status == "running"

    def test_who_was_away_for_too_long_is_told(
        self, runs: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("storage.holding.HELD_SECONDS", -1.0)
        with held(runs, "t-1", "eraser", "It goes.", 0.0) as thread:
            enter(runs, "r-1")
            owned = claim(runs, "r-1", owner="w", seconds=9.0)
            with pytest.raises(Unavailable, match="let go too early"):
                thread.renew()
        owned.check()  # and nothing was taken from who came between

    def test_of_an_emptied_thread_nothing_older_counts(
        self, runs: RunStore, workspace: Workspace
    ) -> None:
        with held(runs, "t-1", "eraser", "It goes.", 0.0) as thread:
            workspace.tables.checkpoints.put(sealed("t-1", thread.epoch))
        enter(runs, "r-1")
        assert claim(runs, "r-1", owner="w", seconds=1.0).run.epoch == thread.epoch + 1
