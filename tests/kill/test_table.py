"""`extract` is killed half-way; `resume` goes on, and asks nothing again that was answered."""

import json
import signal
from pathlib import Path

import pytest

from storage.keys import key
from tests.aws import Aws
from tests.graph.conftest import SUPPLY
from tests.graph.test_extraction import LAW, add
from tests.kill.armed import Moment
from tests.kill.test_kill import Home

DOCUMENTS = 12
"""More than are under way at once."""
HALF_WAY = [
    Moment("hand_out", "extraction", nth=2),
    Moment("read_document", "extraction", nth=10),
    Moment("check_row", "extraction", nth=4),
]


def recorded(home: Home, run_id: str) -> dict[str, int]:
    """The recorded responses of a run: of which task, and under which epoch."""
    with home.desk() as desk:
        found = desk.resources.workspace.tables.runs.query(key("run", run_id), prefix="m/")
        return {item.sk: int(str(item.body["epoch"])) for item in found}


def killed_and_resumed(home: Home, moment: Moment) -> None:
    with home.desk() as desk:
        ids = [add(desk, f"{n}.txt", f"Number {n}. {SUPPLY}") for n in range(DOCUMENTS)]
        desk.documents.index()
    schema = home.path / "schema.json"
    schema.write_text(json.dumps(LAW))
    assert home.run("extract", str(schema), *ids, moment=moment) == -signal.SIGKILL
    run = home.newest()
    assert not run.ended
    before = recorded(home, run.id)
    assert 0 < len(before) < 2 * DOCUMENTS

    run = home.finish()
    assert run.status == "success"
    assert run.table
    assert [row.document_id for row in run.table.rows] == ids
    assert {row.cells["law"].value for row in run.table.rows} == {"Bavaria"}
    after = recorded(home, run.id)
    assert len(after) == 2 * DOCUMENTS  # each was read once, and checked once
    assert before.items() <= after.items()  # by whoever was first
    with home.desk() as desk:
        assert desk.audit.verify(run.id).ok


@pytest.mark.parametrize("moment", HALF_WAY, ids=lambda moment: moment.node)
def test_extract_is_killed_half_way(tmp_path: Path, moment: Moment) -> None:
    killed_and_resumed(Home(tmp_path), moment)


@pytest.mark.slow
def test_extract_is_killed_half_way_on_aws(tmp_path: Path, aws: Aws) -> None:
    killed_and_resumed(Home(tmp_path, aws), HALF_WAY[1])
