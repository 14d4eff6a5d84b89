"""Stores over the ports of whichever back end."""

import time
from pathlib import Path

import pytest

from storage.audit import AuditLog
from storage.records import Identity
from storage.runs import RunStore
from storage.signing import Signer, open_signer
from storage.workspace import Workspace
from tests.storage.steps import Clock


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return open_signer(tmp_path / "keys" / "signing.key")


@pytest.fixture
def audit(workspace: Workspace, signer: Signer) -> AuditLog:
    return AuditLog(workspace.tables.audit, workspace.buckets.state, signer)


@pytest.fixture
def runs(workspace: Workspace, audit: AuditLog) -> RunStore:
    return RunStore(workspace.tables, audit)


@pytest.fixture
def ann() -> Identity:
    return Identity(name="ann", source="os")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the storage, which a test may put forward."""
    made = Clock()
    monkeypatch.setattr(time, "time", made)
    return made
