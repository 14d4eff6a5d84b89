"""The numbered changes of a catalogue: none is missed, none is doubled, whoever writes at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.changes import Changes
from storage.errors import ConditionFailed
from storage.ports import Absent, Item, Put
from storage.workspace import Workspace


def test_changes_are_numbered_without_a_gap_whoever_writes_at_once(workspace: Workspace) -> None:
    changes = Changes(workspace.tables.documents)
    names = [f"d-{n}" for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        numbers = [*pool.map(changes.commit, names)]
    assert sorted(numbers) == list(range(1, 13)) == [c.number for c in changes.after(0)]
    assert {c.number: c.document_id for c in changes.after(0)} == dict(
        zip(numbers, names, strict=True)
    )
    assert [c.number for c in changes.after(10)] == [11, 12]
    assert changes.last() == 12


def test_a_change_is_noted_with_what_made_it_or_not_at_all(workspace: Workspace) -> None:
    table = workspace.tables.documents
    changes = Changes(table)
    made = Put(Item("document/d", "document"), Absent())
    assert changes.commit("d", [made]) == 1
    with pytest.raises(ConditionFailed):
        changes.commit("d", [made])
    assert changes.last() == 1
