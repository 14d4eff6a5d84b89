"""A fork asks a person before it does again what its ancestors have done, whatever the policy says.

Here the policy allows every write without asking, so that nothing else asks. The checkpoints of a
run of `doing`, by their steps: 0, the agent is next; 1, it has called its tool, and `act` is next;
2, the tool has returned; 3, the end.
"""

from typing import Any

import pytest
from pydantic import BaseModel

from graph import Orchestrator
from storage.errors import NotFound
from storage.records import Identity, Run
from tools.policy import DEFAULT, Policy, Rule
from tools.registry import Plan, Registry, plans

from .conftest import OpenDesk
from .stage import (
    PRICE,
    Billing,
    Calling,
    chain,
    decide,
    doing,
    edit,
    kinds,
    the_question,
    values,
    work_until,
)

ALLOW = Policy((Rule(verdict="allow"),))
ANN = Identity(name="ann", source="os")
AGENT_IS_NEXT, ACT_IS_NEXT = 0, 1


class Deed(BaseModel):
    """Arguments of the test's tool."""

    text: str


class Doer:
    """A tool that does things, and a model that calls it for one of them."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failures: list[Exception] = []

    def __call__(self, registry: Registry) -> None:
        registry.add(plans(Deed, self.perform), "write", "at_most_once")

    def perform(self, text: str) -> Plan:
        """Do a thing."""
        return Plan(shows=f"Do {text}.", done=f"Did {text}.", call=lambda: self.call(text))

    def call(self, text: str) -> None:
        self.done.append(text)
        if self.failures:
            raise self.failures.pop()


@pytest.fixture
def doer() -> Doer:
    return Doer()


@pytest.fixture
def open_for(open_desk: OpenDesk, doer: Doer) -> Any:
    """Open a desk whose agent does one thing, under the policy that allows everything."""

    def open_one(text: str = "a", policy: Policy = ALLOW) -> Orchestrator:
        model = Calling(wanted=[("perform", {"text": text})])
        desk = open_desk(
            model=model, graphs={"doing": doing(), "chain": chain(2)}, tools=[doer], identity=ANN
        )
        desk.resources.policy = policy
        return desk

    return open_one


def fork(desk: Orchestrator, run: Run, step: int) -> Run:
    """Fork a run at a step and drive the fork as far as it goes."""
    history = desk.runs.history(run.thread_id)
    at = next(entry["checkpoint_id"] for entry in history if entry["step"] == step)
    return desk.drive(desk.runs.fork(run.id, at).id)


def description(run: Run) -> str:
    return str(the_question(run, "approval").value["action_requests"][0]["description"])


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(ACT_IS_NEXT, id="the same call"),
        pytest.param(AGENT_IS_NEXT, id="the same tool and arguments in another call"),
    ],
)
class TestWhatWasDone:
    def test_it_is_asked_about_and_done_again_on_a_person_s_word(
        self, open_for: Any, doer: Doer, step: int
    ) -> None:
        desk = open_for()
        run = desk.invoke("go", graph="doing")
        assert (run.status, doer.done) == ("success", ["a"])

        forked = fork(desk, run, step)
        asked = the_question(forked, "approval")
        assert description(forked) == (
            f"Do a.\nRun {run.id}, from which this one was forked, has done it already."
        )
        assert asked.value["review_configs"][0]["allowed_decisions"] == [
            *("approve", "edit", "reject")
        ]
        assert doer.done == ["a"]

        decide(desk, forked)
        assert desk.drive(forked.id).status == "success"
        assert doer.done == ["a", "a"]
        effects = [
            linked.event.data["by"]
            for linked in desk.runs.events(forked.id)
            if linked.event.kind == "effect"
        ]
        assert effects == ["ann"]
        assert desk.audit.verify(forked.id).ok
        assert desk.runs.get(run.id) == run

    def test_to_reject_it_leaves_it_undone(self, open_for: Any, doer: Doer, step: int) -> None:
        desk = open_for()
        forked = fork(desk, desk.invoke("go", graph="doing"), step)
        decide(desk, forked, {"type": "reject", "message": "once is enough"})
        assert desk.drive(forked.id).status == "success"
        assert "once is enough" in str(values(desk, forked)["messages"][-1].text)
        assert doer.done == ["a"]

    def test_so_does_a_fork_of_a_fork(self, open_for: Any, doer: Doer, step: int) -> None:
        desk = open_for()
        run = desk.invoke("go", graph="doing")
        child = fork(desk, run, step)
        grandchild = fork(desk, child, step)
        assert run.id in description(grandchild)
        assert doer.done == ["a"]

        decide(desk, child)
        desk.drive(child.id)
        assert child.id in description(fork(desk, child, step))  # the nearest that has done it

    def test_so_is_what_may_have_been_done(self, open_for: Any, doer: Doer, step: int) -> None:
        desk = open_for()
        doer.failures.append(RuntimeError("The line went dead."))
        run = desk.invoke("go", graph="doing")
        the_question(run, "outcome_unknown")
        assert run.id in description(fork(desk, run, step))
        assert doer.done == ["a"]

    @pytest.mark.parametrize("outcome", ["done", "not_done"])
    def test_so_is_what_a_person_found_to_be_done(
        self, open_for: Any, doer: Doer, step: int, outcome: str
    ) -> None:
        desk = open_for()
        doer.failures.append(RuntimeError("The line went dead."))
        run = desk.invoke("go", graph="doing")
        the_question(run, "outcome_unknown")
        decide(desk, run, {"type": outcome})
        assert desk.drive(run.id).status == "success"

        forked = fork(desk, run, step)
        if outcome == "done":
            assert run.id in description(forked)
            assert doer.done == ["a"]
        else:
            assert forked.status == "success"
            assert doer.done == ["a", "a"]


def test_what_a_person_makes_of_it_is_asked_about_too(open_for: Any, doer: Doer) -> None:
    """Nothing has done a, and a person makes b of it: that, the ancestor has done."""
    asking = open_for("a", policy=DEFAULT)
    run = asking.invoke("go", graph="doing")
    decide(asking, run, edit(the_question(run), text="b"))
    asking.drive(run.id)

    forked = fork(asking, run, AGENT_IS_NEXT)
    assert description(forked) == "Do a."
    decide(asking, forked, edit(the_question(forked), text="b"))
    forked = asking.drive(forked.id)
    assert description(forked).startswith(f"Do b.\nRun {run.id}")
    assert the_question(forked).value["action_requests"][0]["args"] == {"text": "b"}
    assert doer.done == ["b"]

    decide(asking, forked)
    assert asking.drive(forked.id).status == "success"
    assert doer.done == ["b", "b"]


def test_what_was_rejected_is_not_done_because_the_ancestor_has_not_done_it(
    open_for: Any, doer: Doer
) -> None:
    """What the person was shown is so no longer: it is shown anew, and not just done."""
    desk = open_for()
    doer.failures.append(RuntimeError("The line went dead."))
    run = desk.invoke("go", graph="doing")
    forked = fork(desk, run, ACT_IS_NEXT)
    decide(desk, forked, {"type": "reject", "message": "never again"})
    decide(desk, run, {"type": "not_done"})
    desk.drive(run.id)

    assert description(desk.drive(forked.id)) == "Do a."
    assert doer.done == ["a"]


class TestWhatWasNotDone:
    def test_what_no_ancestor_did_is_not_asked_about(self, open_for: Any, doer: Doer) -> None:
        run = open_for("a").invoke("go", graph="doing")
        other = open_for("b")
        assert fork(other, run, AGENT_IS_NEXT).status == "success"
        assert doer.done == ["a", "b"]

    def test_what_a_sibling_did_is_not_asked_about(self, open_for: Any, doer: Doer) -> None:
        desk = open_for("a")
        run = desk.invoke("go", graph="doing")
        other = open_for("b")
        for _ in range(2):
            assert fork(other, run, AGENT_IS_NEXT).status == "success"
        assert doer.done == ["a", "b", "b"]

    def test_what_was_only_asked_for_is_not_asked_about(self, open_for: Any, doer: Doer) -> None:
        asking = open_for(policy=DEFAULT)
        run = asking.invoke("go", graph="doing")
        the_question(run, "approval")
        assert fork(open_for(), run, ACT_IS_NEXT).status == "success"
        assert doer.done == ["a"]

    def test_what_counts_is_what_was_done_and_not_what_was_asked_for(
        self, open_for: Any, doer: Doer
    ) -> None:
        """A person made b of a: a was never done."""
        asking = open_for("a", policy=DEFAULT)
        run = asking.invoke("go", graph="doing")
        decide(asking, run, edit(the_question(run), text="b"))
        assert asking.drive(run.id).status == "success"
        assert doer.done == ["b"]

        assert fork(open_for("a"), run, AGENT_IS_NEXT).status == "success"
        assert run.id in description(fork(open_for("b"), run, AGENT_IS_NEXT))
        assert run.id in description(fork(open_for("a"), run, ACT_IS_NEXT))  # of the same call
        assert doer.done == ["b", "a"]


class TestForking:
    def test_a_worker_drives_it(self, open_for: Any, doer: Doer) -> None:
        desk = open_for()
        run = desk.invoke("go", graph="doing")
        newest = desk.runs.fork(run.id)  # at the end: there is nothing left to do
        work_until(desk.worker(), done=lambda: desk.runs.get(newest.id).ended)
        assert desk.runs.get(newest.id).status == "success"
        assert doer.done == ["a"]
        assert kinds(desk, newest) == ["submitted", "claimed", "ended"]

    def test_it_is_on_a_thread_of_its_own(self, open_for: Any) -> None:
        desk = open_for()
        run = desk.invoke("go", graph="chain", thread="t")
        forked = desk.drive(desk.runs.fork(run.id).id)
        assert forked.thread_id != "t"
        assert forked.forked_from == run.id
        assert [each.id for each in desk.runs.of_thread("t")] == [run.id]
        assert desk.invoke("go", graph="chain", thread="t").status == "success"

    def test_there_must_be_a_checkpoint(self, open_for: Any) -> None:
        desk = open_for()
        run = desk.runs.submit("go", graph="chain")
        with pytest.raises(NotFound):
            desk.runs.fork(run.id)
        with pytest.raises(NotFound, match="no-such"):
            desk.runs.fork(run.id, "no-such")
        with pytest.raises(NotFound):
            desk.runs.fork("r-0")

    def test_it_names_and_bills_the_model_that_answers_it(self, open_desk: OpenDesk) -> None:
        mini = open_desk(model=Billing(model_name="gpt-4o-mini"), graphs={"chain": chain(2)})
        run = mini.invoke("go", graph="chain")
        desk = open_desk(model=Billing(), graphs={"chain": chain(2)})
        forked = fork(desk, run, 0)
        assert forked.cost_usd == pytest.approx(2 * PRICE)
        assert forked.model == "gpt-4o"

    def test_the_checkpoints_of_any_graph_say_what_is_next(self, open_for: Any) -> None:
        desk = open_for()
        run = desk.invoke("go", graph="chain")
        following = {entry["step"]: entry["next"] for entry in desk.runs.history(run.thread_id)}
        assert following == {-1: ["__start__"], 0: ["n1"], 1: ["n2"], 2: []}
