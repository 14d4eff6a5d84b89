"""Budgets: a run stops before it would use more than it may, and asks a person for as much again.

The chain n1 … n4 is a graph of four super-steps, each with one call of the model, which bills 110
tokens for it. What a run was told is recorded: whoever goes on with it asks nothing twice.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graph import Context, Orchestrator
from graph.settings import Settings, read_settings
from nodes.prices import Price
from storage.errors import InvalidInput
from storage.records import Budget, Run, Usage

from .conftest import OpenDesk
from .stage import (
    APPROVE,
    BILL,
    PRICE,
    Billing,
    Calling,
    Pause,
    Said,
    asking,
    chain,
    decide,
    doing,
    edit,
    kinds,
    quickly,
    standing_still,
    the_question,
    work_until,
)

CHAIN = {"chain": chain(4)}


def steps_of(desk: Orchestrator, run: Run) -> int:
    """How many super-steps of the chain the thread has behind it."""
    return int(desk.runs.history(run.thread_id)[0]["step"])


class TestSteps:
    def test_a_run_stops_after_its_last_step_and_asks_for_as_much_again(
        self, open_desk: OpenDesk
    ) -> None:
        model = Billing()
        desk = open_desk(model=model, graphs=CHAIN)
        unlimited = desk.invoke("go", graph="chain", budget=Budget())
        model.asked.clear()

        run = desk.invoke("go", graph="chain", budget=Budget(steps=2))

        asked = the_question(run, "budget")
        assert (model.asked, steps_of(desk, run)) == (["n1", "n2"], 2)
        (request,) = asked.value["action_requests"]
        assert request["name"] == "extend_budget"
        assert request["args"] == {"steps": 4, "tokens": None, "dollars": None}
        assert "budget of 2 steps" in request["description"]
        (review,) = asked.value["review_configs"]
        assert review["allowed_decisions"] == ["approve", "edit", "reject"]

        assert decide(desk, run).status == "pending"
        done = desk.drive(run.id)
        assert (done.status, done.answer) == ("success", unlimited.answer)
        assert done.budget.steps == 4
        assert model.asked == ["n1", "n2", "n3", "n4"]
        assert desk.audit.verify(run.id).ok

    def test_a_budget_that_is_just_enough_asks_nothing(self, open_desk: OpenDesk) -> None:
        desk = open_desk(model=Billing(), graphs=CHAIN)
        assert desk.invoke("go", graph="chain", budget=Budget(steps=4)).status == "success"

    def test_the_desk_comes_to_the_same_answer_however_often_it_asks(
        self, desk: Orchestrator
    ) -> None:
        question = "What does it cost?"
        unlimited = desk.invoke(question, budget=Budget())
        run = desk.invoke(question, budget=Budget(steps=2))
        stops = [steps_of(desk, run)]
        while run.status == "interrupted":
            decide(desk, run)
            run = desk.drive(run.id)
            stops.append(steps_of(desk, run))
        assert run.answer == unlimited.answer
        assert stops == [2, 4, 8]
        assert stops[-1] == steps_of(desk, unlimited)

    def test_an_edit_gives_any_other_budget(self, open_desk: OpenDesk) -> None:
        model = Billing()
        desk = open_desk(model=model, graphs=CHAIN)
        run = desk.invoke("go", graph="chain", budget=Budget(steps=1))
        decide(desk, run, edit(the_question(run), steps=3, tokens=5_000, dollars=None))
        again = desk.drive(run.id)
        assert again.budget == Budget(steps=3, tokens=5_000)
        assert the_question(again, "budget").id != the_question(run).id
        assert model.asked == ["n1", "n2", "n3"]

    @pytest.mark.parametrize("args", [{"steps": 0}, {"steps": "many"}, {"stairs": 3}])
    def test_a_budget_that_is_none_is_refused(
        self, open_desk: OpenDesk, args: dict[str, Any]
    ) -> None:
        desk = open_desk(model=Billing(), graphs=CHAIN)
        run = desk.invoke("go", graph="chain", budget=Budget(steps=1))
        with pytest.raises(InvalidInput, match=next(iter(args))):
            decide(desk, run, edit(the_question(run), **args))
        assert desk.runs.get(run.id) == run

    def test_without_more_the_run_ends_and_says_why(self, open_desk: OpenDesk) -> None:
        desk = open_desk(model=Billing(), graphs=CHAIN)
        run = desk.invoke("go", graph="chain", thread="t", budget=Budget(steps=2))
        ended = decide(desk, run, {"type": "reject", "message": "it costs too much"})
        assert ended.status == "cancelled"
        assert "budget is used up" in ended.error
        assert "it costs too much" in ended.error
        chained = [linked.model_dump_json() for linked in desk.runs.events(run.id, follow=False)]
        assert "too much" not in "".join(chained)
        assert (ended.usage, ended.interrupts) == (BILL + BILL, [])
        assert desk.invoke("go", graph="chain", thread="t").status == "success"
        assert desk.audit.verify(run.id).ok

    def test_steps_count_on_when_another_takes_over(
        self, open_desk: OpenDesk, settings: Settings
    ) -> None:
        pause, model = Pause("n3"), Billing()
        first = open_desk(model=Billing(meanwhile=pause), graphs=CHAIN, settings=quickly(settings))
        second = open_desk(model=model, graphs=CHAIN)
        run = first.runs.submit("go", graph="chain", budget=Budget(steps=3))
        with standing_still(first, run, pause):
            stopped = second.drive(run.id)

        the_question(stopped, "budget")
        assert (model.asked, steps_of(second, run)) == (["n3"], 3)
        assert stopped.usage == BILL + BILL + BILL
        assert kinds(second, run).count("claimed") == 2

    def test_a_fork_counts_anew(self, open_desk: OpenDesk, settings: Settings) -> None:
        model = Billing()
        three = settings.model_copy(update={"budget_steps": 3})
        desk = open_desk(model=model, graphs=CHAIN, settings=three)
        run = desk.invoke("go", graph="chain")
        assert (the_question(run, "budget").kind, model.asked) == ("budget", ["n1", "n2", "n3"])

        fork = desk.drive(desk.runs.fork(run.id).id)
        assert (fork.status, model.asked[3:]) == ("success", ["n4"])
        assert (fork.usage, fork.cost_usd) == (BILL, pytest.approx(PRICE))

    def test_each_run_of_a_thread_has_its_own(self, open_desk: OpenDesk) -> None:
        model = Billing()
        desk = open_desk(model=model, graphs=CHAIN)
        for turn in (1, 2):
            run = desk.invoke("go", graph="chain", thread="t", budget=Budget(steps=3))
            the_question(run, "budget")
            assert len(model.asked) == turn * 4 - 1
            decide(desk, run)
            assert desk.drive(run.id).status == "success"


class TestTokensAndDollars:
    @pytest.mark.parametrize(
        ("budget", "more"),
        [
            (Budget(tokens=220), Budget(tokens=440)),
            (Budget(dollars=2 * PRICE), Budget(dollars=4 * PRICE)),
        ],
        ids=["tokens", "dollars"],
    )
    def test_a_run_stops_before_the_call_that_would_pass_it(
        self, open_desk: OpenDesk, budget: Budget, more: Budget
    ) -> None:
        model = Billing()
        desk = open_desk(model=model, graphs=CHAIN)
        run = desk.invoke("go", graph="chain", budget=budget)
        asked = the_question(run, "budget")
        assert model.asked == ["n1", "n2"]
        assert (run.usage, run.cost_usd) == (BILL + BILL, pytest.approx(2 * PRICE))
        assert asked.value["spent"] == {"tokens": 220, "dollars": pytest.approx(2 * PRICE)}

        assert decide(desk, run).budget == more
        done = desk.drive(run.id)
        assert (done.status, model.asked) == ("success", ["n1", "n2", "n3", "n4"])
        assert (done.usage.output_tokens, done.cost_usd) == (40, pytest.approx(4 * PRICE))

    def test_a_prompt_that_alone_would_pass_it_is_not_sent(self, open_desk: OpenDesk) -> None:
        model, words = Billing(), "word " * 1000
        graph = StateGraph(Said, context_schema=Context).add_node("long", asking(words))
        desk = open_desk(model=model, graphs={"long": graph.add_edge(START, "long")})
        run = desk.invoke("go", graph="long", budget=Budget(tokens=1000))
        the_question(run, "budget")
        assert (model.asked, run.usage) == ([], Usage())
        decide(desk, run)
        assert desk.drive(run.id).status == "success"

    def test_a_budget_of_next_to_nothing_is_one_too(self, open_desk: OpenDesk) -> None:
        desk = open_desk(model=Billing(), graphs=CHAIN)
        run = desk.invoke("go", graph="chain", budget=Budget(dollars=0.000_000_1))
        (request,) = the_question(run, "budget").value["action_requests"]
        assert "$0.00." not in request["description"]
        more = decide(desk, run).budget.dollars
        assert more
        assert more >= 0.000_000_2

    def test_it_is_passed_by_no_more_than_the_calls_in_flight(self, open_desk: OpenDesk) -> None:
        """Three nodes ask at once, each within the budget; the fourth comes too late."""

        async def all_asked(asked: str) -> None:
            while asked != "after" and len(model.asked) < 3:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)

        model = Billing(meanwhile=all_asked)
        graph = StateGraph(Said, context_schema=Context)
        for name in ("a", "b", "c", "after"):
            graph.add_node(name, asking(name))
        for name in ("a", "b", "c"):
            graph.add_edge(START, name).add_edge(name, "after")
        desk = open_desk(model=model, graphs={"wide": graph})
        run = desk.invoke("go", graph="wide", budget=Budget(tokens=150))
        the_question(run, "budget")
        assert sorted(model.asked) == ["a", "b", "c"]
        assert run.usage == BILL + BILL + BILL

    def test_what_a_service_does_not_report_is_counted_by_its_bytes(
        self, open_desk: OpenDesk
    ) -> None:
        """The request has 5,002 bytes, with the options that are none, and the reply 5,000."""
        model, words = Billing(bill=None), "word " * 1000
        nodes = [(name, asking(words)) for name in ("n1", "n2")]
        graph = StateGraph(Said, context_schema=Context).add_sequence(nodes).add_edge(START, "n1")
        desk = open_desk(model=model, graphs={"long": graph})
        run = desk.invoke("go", graph="long", budget=Budget(tokens=3_000))

        the_question(run, "budget")
        assert len(model.asked) == 1
        assert run.usage == Usage(input_tokens=1251, output_tokens=1250)
        assert run.cost_usd == pytest.approx((1251 * 2.50 + 1250 * 10.00) / 1e6)
        assert estimated(desk, run) == [True]
        told = open_desk(model=Billing(), graphs=CHAIN).invoke("go", graph="chain")
        assert estimated(desk, told) == [False] * 4

    def test_the_offline_model_takes_none(self, desk: Orchestrator) -> None:
        run = desk.invoke("What does it cost?", budget=Budget(tokens=1, dollars=0.000_001))
        assert (run.status, run.usage, run.cost_usd) == ("success", Usage(), 0.0)

    def test_what_was_spent_is_known_of_a_run_that_ended_in_any_way(
        self, open_desk: OpenDesk
    ) -> None:
        async def fails(asked: str) -> None:
            if asked == "n3":
                raise ValueError("No.")

        desk = open_desk(model=Billing(meanwhile=fails), graphs=CHAIN)
        failed = desk.invoke("go", graph="chain")
        waits = desk.invoke("go", graph="chain", budget=Budget(steps=2))
        cancelled = desk.runs.cancel(waits.id)
        for run in (failed, waits, cancelled):
            assert (run.usage, run.cost_usd) == (BILL + BILL, pytest.approx(2 * PRICE))


def estimated(desk: Orchestrator, run: Run) -> list[bool]:
    """Of each call of a run's model, whether its tokens were counted here."""
    events = [linked.event for linked in desk.runs.events(run.id, follow=False)]
    return [event.data["estimated"] for event in events if event.kind == "model_call"]


class TestPrices:
    """A limit in dollars needs a price, and only some models have one that is known."""

    NAME = "gpt-4.1"
    PRICES: dict[str, Any] = {"model_prices": {NAME: Price(input=2.0, output=8.0)}}  # noqa: RUF012
    CALL = (100 * 2.0 + 10 * 8.0) / 1e6

    @pytest.fixture
    def model(self) -> Billing:
        return Billing(model_name=self.NAME)

    def refused(self) -> Any:
        return pytest.raises(InvalidInput, match=r"'gpt-4\.1'.*AFFIDAVIT_MODEL_PRICES.*tokens")

    def test_without_one_a_limit_in_dollars_is_refused(
        self, open_desk: OpenDesk, settings: Settings, model: Billing
    ) -> None:
        desk = open_desk(model=model, graphs=CHAIN)
        with self.refused():
            desk.invoke("go", graph="chain", budget=Budget(dollars=1e-9))
        run = desk.invoke("go", graph="chain", budget=Budget(tokens=1_000))
        limited = open_desk(model=model, settings=settings.model_copy(update={"budget_dollars": 1}))
        with self.refused():
            limited.runs.submit("go")
        with self.refused():
            limited.runs.fork(run.id)
        assert [entry["run_id"] for entry in desk.runs.list()] == [run.id]

    def test_nobody_who_asked_for_none_is_refused(
        self, open_desk: OpenDesk, model: Billing
    ) -> None:
        """The limit that the settings have by themselves goes with models of a known price."""
        run = open_desk(model=model, graphs=CHAIN).invoke("go", graph="chain")
        assert (run.status, run.budget.tokens, run.budget.dollars) == ("success", 1_000_000, None)
        assert open_desk(model=Billing(), graphs=CHAIN).runs.submit("go").budget.dollars == 5

    def test_with_one_it_stops_the_run(
        self, open_desk: OpenDesk, settings: Settings, model: Billing
    ) -> None:
        priced = settings.model_copy(update=self.PRICES)
        desk = open_desk(model=model, graphs=CHAIN, settings=priced)
        run = desk.invoke("go", graph="chain", budget=Budget(dollars=2 * self.CALL))
        the_question(run, "budget")
        assert (model.asked, run.cost_usd) == (["n1", "n2"], pytest.approx(2 * self.CALL))

    def test_whoever_drives_the_run_without_one_asks_nothing(
        self, open_desk: OpenDesk, settings: Settings, model: Billing
    ) -> None:
        priced = open_desk(
            model=model, graphs=CHAIN, settings=settings.model_copy(update=self.PRICES)
        )
        run = priced.runs.submit("go", graph="chain", budget=Budget(dollars=1))
        failed = open_desk(model=model, graphs=CHAIN).drive(run.id)
        assert (failed.status, model.asked) == ("error", [])
        with self.refused():
            raise InvalidInput(failed.error)

        priced.runs.retry(run.id)
        assert priced.drive(run.id).status == "success"

    def test_they_are_a_setting(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        given = {self.NAME: {"input": 2, "cached": 0.5, "output": 8}}
        monkeypatch.setenv("AFFIDAVIT_MODEL_PRICES", json.dumps(given))
        assert read_settings().model_prices == {self.NAME: Price(input=2, cached=0.5, output=8)}

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("cheap", "AFFIDAVIT_MODEL_PRICES: .*line 1"),
            ('{"m": {"input": 1}}', "AFFIDAVIT_MODEL_PRICES: m: output: Field required"),
            ('{"m": {"input": -1, "output": 1}}', "AFFIDAVIT_MODEL_PRICES: m: input: "),
            ('{"m": {"input": NaN, "output": 1}}', "AFFIDAVIT_MODEL_PRICES: m: input: "),
        ],
    )
    def test_one_that_cannot_be_used_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, said: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AFFIDAVIT_MODEL_PRICES", given)
        with pytest.raises(InvalidInput, match=said):
            read_settings()


class TestTheSettings:
    def test_they_say_what_a_run_may_use_unless_it_is_told(
        self, open_desk: OpenDesk, settings: Settings
    ) -> None:
        limits = {"budget_steps": 2, "budget_tokens": 5_000, "budget_dollars": 0.0}
        desk = open_desk(model=Billing(), graphs=CHAIN, settings=settings.model_copy(update=limits))
        run = desk.invoke("go", graph="chain")
        assert run.budget == Budget(steps=2, tokens=5_000)
        the_question(run, "budget")
        own = desk.invoke("go", graph="chain", budget=Budget(steps=4))
        assert (own.status, own.budget) == ("success", Budget(steps=4))


class TestBesideOtherQuestions:
    def test_more_is_asked_for_and_then_an_approval(self, open_desk: OpenDesk) -> None:
        """The agent has taken its step; what it calls is asked about in the next."""
        model = Calling(wanted=[("put_object", {"key": "a.txt", "text": "a"})])
        desk = open_desk(model=model, graphs={"doing": doing()})
        run = desk.invoke("go", graph="doing", budget=Budget(steps=1))
        the_question(run, "budget")

        decide(desk, run)
        run = desk.drive(run.id)
        the_question(run, "approval")
        decide(desk, run)
        run = desk.drive(run.id)
        the_question(run, "budget")
        assert desk.resources.objects.get("a.txt") == b"a"

        decide(desk, run)
        assert desk.drive(run.id).status == "success"
        assert len(model.asked) == 2
        assert kinds(desk, run).count("effect") == 1
        assert desk.audit.verify(run.id).ok

    def test_more_is_asked_for_once_however_often_the_run_goes_on(
        self, open_desk: OpenDesk
    ) -> None:
        """Its other question is decided first, and it stands where it stood."""

        async def left(state: Said) -> dict[str, Any]:
            return {"said": [interrupt({"ask": "left"})["type"]]}

        async def right(state: Said, runtime: Runtime[Context]) -> dict[str, Any]:
            interrupt({"ask": "right"})
            return await asking("right")(state, runtime)  # type: ignore[no-any-return]

        graph = StateGraph(Said, context_schema=Context)
        for node in (left, right):
            graph.add_node(node.__name__, node).add_edge(START, node.__name__)
        desk = open_desk(model=Billing(), graphs={"both": graph})
        run = desk.invoke("go", graph="both", budget=Budget(tokens=1))
        ids = {asked.value["ask"]: asked.id for asked in run.interrupts}
        desk.runs.resume(run.id, {ids["right"]: APPROVE})
        run = desk.drive(run.id)
        assert sorted(asked.kind for asked in run.interrupts) == ["approval", "budget"]

        desk.runs.resume(run.id, {ids["left"]: APPROVE})
        run = desk.drive(run.id)
        the_question(run, "budget")


def test_a_worker_goes_on_when_there_is_more(open_desk: OpenDesk) -> None:
    model = Billing()
    desk = open_desk(model=model, graphs=CHAIN)
    run = desk.runs.submit("go", graph="chain", budget=Budget(steps=2))
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).status == "interrupted")
    decide(desk, desk.runs.get(run.id))
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)
    assert desk.runs.get(run.id).status == "success"
    assert model.asked == ["n1", "n2", "n3", "n4"]
