"""A run goes on under the versions of graph, prompts, tools and schemas under which it began.

Under others it is refused, with the way out: where its version is installed, or as a fork, which
asks again what was approved.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import StateGraph
from pydantic import BaseModel

from graph import Context, Orchestrator
from graph.desk import DESK, build_desk
from graph.drive import take
from graph.settings import Settings
from graph.versions import versions_of
from storage.errors import NotFound, OtherVersion
from storage.records import Budget, Run
from tools.policy import Policy, Rule
from tools.registry import Registry, reads

from .conftest import LEASE, OpenDesk
from .stage import (
    Billing,
    Calling,
    Said,
    asking,
    chain,
    decide,
    doing,
    edit,
    kinds,
    the_question,
    work_until,
)

QUESTION = "What does it cost?"
TWO_STEPS = Budget(steps=2)
ROOT = Path(__file__).parents[2]


class Place(BaseModel):
    """Arguments of the test's tool."""

    city: str


def one_tool_more(registry: Registry) -> None:
    def get_weather(city: str) -> tuple[str, Any]:
        """Tell the weather."""
        return "It rains.", None

    registry.add(reads(Place, get_weather), "read")


def one_node_more() -> StateGraph[Any, Any]:
    return chain(5)


class More(Said, total=False):
    """The state of the chain, with one channel more."""

    more: int


def one_channel_more() -> StateGraph[Any, Any]:
    nodes = [(f"n{n}", asking(f"n{n}")) for n in range(1, 5)]
    return StateGraph(More, context_schema=Context).add_sequence(nodes).set_entry_point("n1")


class TestAnotherVersion:
    def begun(self, desk: Orchestrator) -> Run:
        run = desk.invoke(QUESTION, budget=TWO_STEPS)
        assert set(run.versions) == {"graph", "prompts", "tools", "schemas"}
        all_it_needs = {"steps": None, "tokens": None, "dollars": None}
        return decide(desk, run, edit(the_question(run, "budget"), **all_it_needs))

    @pytest.mark.parametrize("part", ["graph", "prompts", "tools", "schemas"])
    def test_a_run_is_refused_and_goes_on_where_its_own_is(
        self, open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, part: str
    ) -> None:
        old = open_desk()
        run = self.begun(old)
        options: dict[str, Any] = {"tools": [one_tool_more]} if part == "tools" else {}
        places = {
            "graph": ("graph.versions.VERSION", "another"),
            "prompts": ("graph.versions.prompts_version", lambda: "another"),
            "schemas": ("graph.versions.state.STATE_TYPES", (Place,)),
        }
        with monkeypatch.context() as patched:
            if part in places:
                patched.setattr(*places[part])
            new = open_desk(**options)
            with pytest.raises(OtherVersion) as refused:
                new.drive(run.id)
            (note,) = new.runs.notes(run.id)
        assert f"another version of its {part}," in str(refused.value)
        assert f"affidavit fork {run.id}" in str(refused.value)
        assert note == str(refused.value)
        assert new.runs.get(run.id) == run  # as it was: neither claimed nor ended

        assert old.runs.notes(run.id) == []
        assert old.drive(run.id).status == "success"

    def test_all_that_is_another_is_named(
        self, open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = self.begun(open_desk())
        monkeypatch.setattr("graph.versions.VERSION", "another")
        with pytest.raises(OtherVersion, match="its graph and tools,"):
            open_desk(tools=[one_tool_more]).drive(run.id)

    @pytest.mark.parametrize("other", [one_node_more, one_channel_more])
    def test_a_graph_of_one_s_own_has_versions_too(self, open_desk: OpenDesk, other: Any) -> None:
        old = open_desk(model=Billing(), graphs={"mine": chain(4)})
        run = decide(old, old.invoke("go", graph="mine", budget=TWO_STEPS))
        assert set(run.versions) == {"graph", "tools"}
        with pytest.raises(OtherVersion, match="its graph,"):
            open_desk(model=Billing(), graphs={"mine": other()}).drive(run.id)
        same = open_desk(model=Billing(), graphs={"mine": chain(4), "more": doing()})
        assert same.drive(run.id).status == "success"

    def test_a_run_that_nobody_has_begun_begins_under_any(self, open_desk: OpenDesk) -> None:
        run = open_desk().runs.submit(QUESTION)
        assert open_desk(tools=[one_tool_more]).drive(run.id).status == "success"

    def test_an_error_is_not_tried_again_under_another(self, open_desk: OpenDesk) -> None:
        async def fails(asked: str) -> None:
            raise ValueError("No.")

        old = open_desk(model=Billing(meanwhile=fails), graphs={"mine": chain(4)})
        run = old.invoke("go", graph="mine")
        new = open_desk(model=Billing(), graphs={"mine": chain(5)})
        new.runs.retry(run.id)
        with pytest.raises(OtherVersion):
            new.drive(run.id)

    def test_a_worker_leaves_it_alone_and_works_on_others(
        self, open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = open_desk(model=Billing(), graphs={"mine": chain(4)})
        theirs = decide(old, old.invoke("go", graph="mine", budget=TWO_STEPS))
        new = open_desk(model=Billing(), graphs={"mine": chain(5)})
        queue, tried = new.resources.workspace.queue, list[str]()
        for hint in queue.receive():
            queue.delete(hint)

        def trying(resources: Any, run_id: str, owner: str) -> Any:
            tried.append(run_id)
            return take(resources, run_id, owner)

        monkeypatch.setattr("graph.worker.take", trying)
        ours = [new.runs.submit("go", graph="mine") for _ in range(3)]
        work_until(
            new.worker(concurrency=1),
            done=lambda: all(new.runs.get(run.id).ended for run in ours) and theirs.id in tried,
        )
        assert [new.runs.get(run.id).status for run in ours] == ["success"] * 3
        assert new.runs.get(theirs.id) == theirs
        assert tried.count(theirs.id) == 1  # and not at every sweep

        work_until(old.worker(), done=lambda: old.runs.get(theirs.id).ended)
        assert old.runs.get(theirs.id).status == "success"


def test_a_run_whose_graph_is_not_here_is_left_alone(open_desk: OpenDesk) -> None:
    theirs = open_desk(model=Billing(), graphs={"theirs": chain(2)})
    run = theirs.runs.submit("go", graph="theirs")
    desk = open_desk(model=Billing(), graphs={"mine": chain(2)})
    with pytest.raises(NotFound, match="no graph 'theirs' here"):
        desk.drive(run.id)
    ours = desk.runs.submit("go", graph="mine")
    work_until(desk.worker(concurrency=1), done=lambda: desk.runs.get(ours.id).ended)
    assert desk.runs.get(run.id) == run
    assert desk.runs.notes(run.id) == []
    assert theirs.drive(run.id).status == "success"


class TestAFork:
    def test_it_goes_on_from_the_newest_checkpoint_under_the_versions_that_are_here(
        self, open_desk: OpenDesk
    ) -> None:
        old = open_desk(model=Billing(), graphs={"mine": chain(4)})
        run = decide(old, old.invoke("go", graph="mine", budget=TWO_STEPS))
        model = Billing()
        new = open_desk(model=model, graphs={"mine": chain(5)})
        fork = new.drive(new.runs.fork(run.id).id)
        assert (fork.status, model.asked) == ("success", ["n3", "n4", "n5"])
        assert fork.answer
        assert fork.answer.text == "n1 n2 n3 n4 n5"
        assert fork.versions != run.versions
        assert new.runs.get(run.id) == run
        assert new.runs.cancel(run.id).status == "cancelled"
        assert new.audit.verify(fork.id).ok

    def test_what_was_approved_is_asked_anew(self, open_desk: OpenDesk) -> None:
        old = open_desk()
        old.documents.add(LEASE.encode(), name="lease.txt")
        run = old.invoke("Write a memo on early termination of the lease and publish it.")
        asked = the_question(run, "approval")
        decide(old, run)

        new = open_desk(tools=[one_tool_more])
        with pytest.raises(OtherVersion):
            new.drive(run.id)
        fork = new.drive(new.runs.fork(run.id).id)
        again = the_question(fork, "approval")
        assert again.value["action_requests"] == asked.value["action_requests"]
        assert again.value["binding"] != asked.value["binding"]
        assert list(new.resources.objects.all()) == []

        decide(new, fork)
        assert new.drive(fork.id).status == "success"
        assert [o.version for o in new.resources.objects.all()] == [1]
        assert kinds(new, fork).count("effect") == 1


def test_a_change_of_the_policy_is_no_other_version(open_desk: OpenDesk) -> None:
    """What is denied by now is not done, whoever has approved it."""
    model = Calling(wanted=[("put_object", {"key": "a.txt", "text": "a"})])
    desk = open_desk(model=model, graphs={"doing": doing()})
    run = decide(desk, desk.invoke("go", graph="doing"))
    other = open_desk(model=model, graphs={"doing": doing()})
    other.resources.policy = Policy((Rule(verdict="deny", why="it is Sunday"),))
    assert other.runs.notes(run.id) == []
    done = other.drive(run.id)
    assert (done.status, done.versions) == ("success", run.versions)
    assert list(other.resources.objects.all()) == []


class TestTheVersions:
    def test_they_are_the_same_in_another_process(
        self, open_desk: OpenDesk, tmp_path: Path
    ) -> None:
        """Whatever order it keeps sets in, and wherever its objects lie."""
        program = (
            "import json, sys\n"
            "from pathlib import Path\n"
            "from graph import Orchestrator\n"
            "from graph.settings import Settings\n"
            "from tests.graph.stage import chain, doing\n"
            "home = Path(sys.argv[1])\n"
            "settings = Settings(_env_file=None, home=home, signing_key=home / 'k', "
            "model='offline')\n"
            "graphs = {'chain': chain(4), 'doing': doing()}\n"
            "with Orchestrator.open('default', settings=settings, graphs=graphs) as desk:\n"
            "    names = ('desk', 'chain', 'doing')\n"
            "    print(json.dumps({name: desk.resources.versions(name) for name in names}))\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "theirs")],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
        )
        # The other process has the embedded back end, whichever this one has.
        desk = open_desk(graphs={"chain": chain(4), "doing": doing()})
        ours = {name: desk.resources.versions(name) for name in ("desk", "chain", "doing")}
        assert json.loads(told.stdout) == ours

    def test_each_part_has_one(self, desk: Orchestrator) -> None:
        versions = desk.resources.versions(DESK)
        assert set(versions) == {"graph", "prompts", "tools", "schemas"}
        assert len(set(versions.values())) == 4
        again = versions_of(DESK, build_desk().compile(name=DESK), desk.resources.tools)
        assert again == versions

    def test_they_stand_in_the_record_of_each_claim(self, desk: Orchestrator) -> None:
        run = desk.invoke(QUESTION)
        (claimed,) = [
            linked.event for linked in desk.runs.events(run.id) if linked.event.kind == "claimed"
        ]
        assert claimed.data["versions"] == run.versions == desk.resources.versions(DESK)


def test_settings_are_no_part_of_them(open_desk: OpenDesk, settings: Settings) -> None:
    run = open_desk().runs.submit(QUESTION)
    other = settings.model_copy(update={"budget_steps": 7, "run_timeout": 60.0})
    assert open_desk().resources.versions(DESK) == open_desk(settings=other).resources.versions(
        DESK
    )
    assert open_desk(settings=other).drive(run.id).status == "success"
