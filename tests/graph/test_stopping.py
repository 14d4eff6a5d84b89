"""What ends a run, or the work on it, from outside: its time, a person, a worker that stops.

In the chain n1 … n4 each node asks the model once; a `Pause` is a model call that takes as long as
the test wants. Nothing here waits for the model: what is to end ends while it is being asked.
"""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send
from pydantic import BaseModel

from graph import Context, Orchestrator
from graph.drive import Drive, take
from graph.settings import Settings
from storage.claims import MOST_TRIES
from storage.errors import Conflict, InvalidInput, LeaseLost, NotAllowed, Unavailable
from storage.leases import Ownership
from storage.ports import Absent, Item, Put
from storage.records import Run
from tools.registry import Plan, Registry, Safety, plans

from .conftest import Clock, OpenDesk
from .stage import (
    BILL,
    Billing,
    Calling,
    Driving,
    Pause,
    Said,
    chain,
    decide,
    doing,
    kinds,
    quickly,
    standing_still,
    the_question,
    until,
    work_until,
)

GRAPHS = {"chain": chain(4), "doing": doing()}
HOUR = 3600.0


class Stamp(BaseModel):
    """Arguments of the test's tool."""

    text: str


class Stamping:
    """A tool that writes, and stops at a pause in the middle of it."""

    def __init__(self, safety: Safety = "transaction") -> None:
        self.pause, self.safety = Pause(), safety
        self.stamped: list[str] = []
        self.returned = threading.Event()

    def __call__(self, registry: Registry) -> None:
        registry.add(plans(Stamp, self.stamp), "write", self.safety)

    def stamp(self, text: str) -> Plan:
        """Stamp a text."""
        plan = Plan(shows=f"Stamp {text}.", done=f"Stamped {text}.")
        if self.safety == "at_most_once":
            return Plan(shows=plan.shows, done=plan.done, call=lambda: self.call(text))
        put = Put(Item("stamp", text, {}), Absent(), table="memory")
        return Plan(shows=plan.shows, done=plan.done, actions=[put], prepare=self.pause.here)

    def call(self, text: str) -> None:
        self.pause.here()
        self.stamped.append(text)
        self.returned.set()


def whole(desk: Orchestrator, run: Run) -> list[Any]:
    """All that counts of a run: its record, its checkpoints, its chain, its ledger."""
    table = desk.resources.workspace.tables.runs
    return [
        desk.runs.get(run.id),
        desk.runs.history(run.thread_id),
        [linked.event for linked in desk.runs.events(run.id, follow=False)],
        [dict(item.body) for item in table.query(f"run/{run.id}", prefix="l/")],
    ]


class TestTime:
    def test_a_run_ends_that_is_at_work_too_long(self, open_desk: OpenDesk) -> None:
        desk = open_desk(model=Billing(meanwhile=Pause("n1")), graphs=GRAPHS)
        run = desk.invoke("go", graph="chain", thread="t", timeout=0.3)
        assert run.status == "timeout"
        assert "at work for" in run.error
        assert (run.answer, run.interrupts) == (None, [])
        assert kinds(desk, run)[-1] == "ended"
        assert desk.audit.verify(run.id).ok
        assert not desk.resources.runs.lease("t").run_id

    def test_so_it_does_where_a_worker_drives_it(self, open_desk: OpenDesk, clock: Clock) -> None:
        pause = Pause("n2")
        desk = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain", timeout=HOUR)

        def ended() -> bool:
            if pause.reached.is_set():
                clock.forward(HOUR)
            return desk.runs.get(run.id).ended

        work_until(desk.worker(), done=ended)
        ended_run = desk.runs.get(run.id)
        assert (ended_run.status, ended_run.usage) == ("timeout", BILL)
        assert "3,600 s" in ended_run.error

    def test_the_settings_say_how_long_unless_the_run_is_told(
        self, open_desk: OpenDesk, settings: Settings
    ) -> None:
        brief = settings.model_copy(update={"run_timeout": 0.3})
        desk = open_desk(model=Billing(meanwhile=Pause("n1")), graphs=GRAPHS, settings=brief)
        assert desk.invoke("go", graph="chain").status == "timeout"
        assert desk.runs.submit("go", graph="chain", timeout=0).timeout == 0

    @pytest.mark.parametrize("seconds", [-1.0, math.nan])
    def test_a_time_that_is_none_is_refused(self, open_desk: OpenDesk, seconds: float) -> None:
        desk = open_desk(model=Billing(), graphs=GRAPHS)
        with pytest.raises(InvalidInput):
            desk.runs.submit("go", graph="chain", timeout=seconds)
        assert desk.runs.list() == []

    def test_to_wait_for_a_person_takes_none(self, open_desk: OpenDesk, clock: Clock) -> None:
        model = Calling(wanted=[("put_object", {"key": "a.txt", "text": "a"})])
        desk = open_desk(model=model, graphs=GRAPHS)
        run = desk.invoke("go", graph="doing", timeout=HOUR)
        the_question(run, "approval")
        clock.forward(24 * HOUR)
        decide(desk, run)
        done = desk.drive(run.id)
        assert done.status == "success"
        assert done.worked < HOUR

        other = desk.invoke("go", graph="doing", timeout=HOUR)
        clock.forward(24 * HOUR)
        assert desk.runs.cancel(other.id).worked < HOUR

    def test_to_wait_for_one_s_turn_takes_none(self, open_desk: OpenDesk, clock: Clock) -> None:
        desk = open_desk(model=Billing(), graphs=GRAPHS)
        first = desk.runs.submit("go", graph="chain", thread="t")
        second = desk.runs.submit(
            "go", graph="chain", thread="t", multitask_strategy="enqueue", timeout=HOUR
        )
        clock.forward(24 * HOUR)
        desk.drive(first.id)
        assert desk.drive(second.id).status == "success"

    def test_a_worker_that_died_was_at_work_for_no_longer_than_its_lease(
        self, open_desk: OpenDesk, clock: Clock
    ) -> None:
        pause = Pause("n3")
        dead = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS)
        alive = open_desk(model=Billing(), graphs=GRAPHS)
        run = dead.runs.submit("go", graph="chain", timeout=HOUR)
        with standing_still(dead, run, pause):
            clock.forward(24 * HOUR)
            done = alive.drive(run.id)
        assert done.status == "success"
        assert 4 < done.worked < HOUR

    def test_time_is_counted_over_all_claims(
        self, open_desk: OpenDesk, settings: Settings, clock: Clock
    ) -> None:
        """Each of two workers has the run for an hour before it dies; one and a half are left."""
        long = settings.model_copy(update={"lease_seconds": HOUR})
        desk = open_desk(model=Billing(), graphs=GRAPHS, settings=long)
        run = desk.runs.submit("go", graph="chain", timeout=1.5 * HOUR)
        for _ in range(2):
            take(desk.resources, run.id, "dead")
            clock.forward(HOUR)
        assert desk.drive(run.id).status == "timeout"

    def test_it_is_tried_again_from_where_it_stopped_with_time_anew(
        self, open_desk: OpenDesk, clock: Clock
    ) -> None:
        pause = Pause("n3")
        model = Billing(meanwhile=pause)
        desk = open_desk(model=model, graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain", timeout=HOUR)
        driving = Driving(desk, run)
        assert pause.reached.wait(10)
        clock.forward(HOUR)
        assert driving.ended().status == "timeout"

        pause.over.set()
        again = desk.runs.retry(run.id)
        assert (again.status, again.worked, again.error) == ("pending", 0, "")
        assert desk.drive(run.id).status == "success"
        assert model.asked == ["n1", "n2", "n3", "n3", "n4"]
        assert desk.audit.verify(run.id).ok

    def test_the_run_that_waits_behind_it_is_told(self, open_desk: OpenDesk) -> None:
        desk = open_desk(model=Billing(meanwhile=Pause("n1")), graphs=GRAPHS)
        stuck = desk.runs.submit("go", graph="chain", thread="t", timeout=0.3)
        waits = desk.runs.submit("go", graph="chain", thread="t", multitask_strategy="enqueue")
        queue = desk.resources.workspace.queue
        for hint in queue.receive():
            queue.delete(hint)
        assert desk.drive(stuck.id).status == "timeout"
        assert waits.id in list(desk.resources.runs.due(desk.runs.get(stuck.id).updated_at + 1))
        assert [hint.body for hint in queue.receive(wait=1)] == [waits.id]

    def test_what_cannot_be_repeated_is_asked_about_if_time_ran_out_in_it(
        self, open_desk: OpenDesk, clock: Clock
    ) -> None:
        tool = Stamping("at_most_once")
        model = Calling(wanted=[("stamp", {"text": "paid"})])
        desk = open_desk(model=model, graphs=GRAPHS, tools=[tool])
        run = desk.invoke("go", graph="doing", timeout=HOUR)
        decide(desk, run)
        driving = Driving(desk, run)
        assert tool.pause.reached.wait(10)
        clock.forward(HOUR)
        until(lambda: desk.runs.get(run.id).ended)
        assert desk.runs.get(run.id).status == "timeout"
        tool.pause.over.set()  # what was called comes to its end, and nobody hears of it
        driving.ended()
        assert tool.returned.wait(10)

        desk.runs.retry(run.id)
        the_question(desk.drive(run.id), "outcome_unknown")
        assert tool.stamped == ["paid"]


class TestCancelling:
    def test_what_a_driver_still_does_changes_nothing(self, open_desk: OpenDesk) -> None:
        pause = Pause("n3")
        driver = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS)
        desk = open_desk(model=Billing(), graphs=GRAPHS)
        run = driver.runs.submit("go", graph="chain", thread="t")
        with standing_still(driver, run, pause) as go_on:
            cancelled = desk.runs.cancel(run.id)
            assert (cancelled.status, cancelled.usage) == ("cancelled", BILL + BILL)
            left = whole(desk, run)
            assert isinstance(go_on(), LeaseLost)
        assert whole(desk, run) == left
        assert desk.audit.verify(run.id).ok
        done = desk.invoke("go", graph="chain", thread="t")
        assert done.answer
        assert done.answer.text == "n1 n2 n1 n2 n3 n4"

    def test_an_effect_that_was_under_way_is_not_done(self, open_desk: OpenDesk) -> None:
        tool = Stamping()
        model = Calling(wanted=[("stamp", {"text": "paid"})])
        desk = open_desk(model=model, graphs=GRAPHS, tools=[tool])
        run = desk.invoke("go", graph="doing")
        decide(desk, run)
        with standing_still(desk, run, tool.pause) as go_on:
            desk.runs.cancel(run.id)
            left = whole(desk, run)
            assert isinstance(go_on(), LeaseLost)
        assert whole(desk, run) == left
        assert desk.resources.workspace.tables.memory.get("stamp", "paid") is None
        assert desk.audit.verify(run.id).ok

    def test_who_drives_it_lets_go_while_the_model_is_asked(
        self, open_desk: OpenDesk, settings: Settings
    ) -> None:
        pause = Pause("n2")
        brief = quickly(settings, lease_seconds=1.0)
        desk = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS, settings=brief)
        run = desk.runs.submit("go", graph="chain")
        driving = Driving(desk, run)
        assert pause.reached.wait(10)
        assert desk.runs.cancel(run.id).status == "cancelled"
        assert isinstance(driving.ended(), LeaseLost)
        assert not pause.over.is_set()
        assert desk.runs.get(run.id).status == "cancelled"

    def test_who_drives_it_lets_go_though_its_time_is_up_before_that_is_noticed(
        self, open_desk: OpenDesk, settings: Settings, clock: Clock
    ) -> None:
        """The lease is long, so that the driver hears of nothing before the time-out."""
        pause = Pause("n1")
        long = settings.model_copy(update={"lease_seconds": 24 * HOUR})
        desk = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS, settings=long)
        run = desk.runs.submit("go", graph="chain", timeout=HOUR)
        driving = Driving(desk, run)
        assert pause.reached.wait(10)
        desk.runs.cancel(run.id)
        clock.forward(HOUR)
        driving.join(3)
        waits_for_the_model = driving.is_alive()
        pause.over.set()
        driving.ended()
        assert desk.runs.get(run.id).status == "cancelled"
        assert not waits_for_the_model


def test_a_lease_is_kept_for_as_long_as_the_model_takes(open_desk: OpenDesk, clock: Clock) -> None:
    """The call takes three leases, and a second worker looks all the time for what it may take."""
    pause = Pause("n1")
    model = Billing(meanwhile=pause)
    one, other = (open_desk(model=model, graphs=GRAPHS) for _ in range(2))
    run = one.runs.submit("go", graph="chain")
    renewed = [0.0]

    def ended() -> bool:
        lease = one.resources.runs.lease(run.thread_id)
        if pause.reached.is_set() and lease.owner and lease.expires_at > renewed[-1]:
            renewed.append(lease.expires_at)
            clock.forward(0.4 * one.resources.settings.lease_seconds)
        if len(renewed) > 8:
            pause.over.set()
        return one.runs.get(run.id).ended

    work_until(one.worker(), other.worker(), done=ended)
    assert one.runs.get(run.id).status == "success"
    assert model.asked == ["n1", "n2", "n3", "n4"]
    assert kinds(one, run).count("claimed") == 1


class TestRenewal:
    """A renewal is refused: credentials have run out, say, and are about to be renewed."""

    @pytest.fixture
    def refusing(self, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., Pause]:
        """Refuse so many renewals, each of them due at once; the next lets the model answer."""
        renew = Ownership.renew

        def refuse(times: float) -> Pause:
            pause, refused = Pause("n1"), list[Ownership]()

            def renewing(owned: Ownership) -> None:
                clock.forward(2)
                refused.append(owned)
                if len(refused) <= times:
                    raise NotAllowed("The session has run out.")
                pause.over.set()
                renew(owned)

            monkeypatch.setattr(Ownership, "renew", renewing)
            return pause

        return refuse

    def test_the_next_may_do(self, open_desk: OpenDesk, refusing: Callable[..., Pause]) -> None:
        desk = open_desk(model=Billing(meanwhile=refusing(1)), graphs=GRAPHS)
        run = desk.invoke("go", graph="chain")
        assert run.status == "success"
        assert kinds(desk, run).count("claimed") == 1

    def test_when_the_lease_has_run_out_others_may_have_the_run(
        self, open_desk: OpenDesk, refusing: Callable[..., Pause]
    ) -> None:
        desk = open_desk(model=Billing(meanwhile=refusing(math.inf)), graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain")
        with pytest.raises(NotAllowed):
            desk.drive(run.id)
        other = open_desk(model=Billing(), graphs=GRAPHS)
        assert other.drive(run.id).status == "success"


def test_a_lease_is_kept_however_many_nodes_block(
    open_desk: OpenDesk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are threads, each for longer than a lease lasts."""
    renewed = threading.Event()
    renew = Ownership.renew

    def renewing(owned: Ownership) -> None:
        renew(owned)
        if kinds(desk, owned.run).count("started") == 41:  # whoever watches sees what is at work
            renewed.set()

    def fan(_: Said) -> Command[str]:
        return Command(goto=[Send("blocks", {}) for _ in range(40)])

    def blocks(_: Said) -> Said:
        assert renewed.wait(10)
        return {"said": ["done"]}

    monkeypatch.setattr(Ownership, "renew", renewing)
    graph = StateGraph(Said, context_schema=Context).add_node("fan", fan, destinations=("blocks",))
    graph.add_node("blocks", blocks).add_edge(START, "fan")
    desk = open_desk(model=Billing(), graphs={"wide": graph}, settings=quickly(settings))
    run = desk.invoke("go", graph="wide")
    assert (run.status, run.epoch) == ("success", 1)


class TestDraining:
    def test_a_worker_that_stops_waits_no_longer_than_it_may(
        self, open_desk: OpenDesk, settings: Settings
    ) -> None:
        """One that waited for the model would hear its answer, and come to the end of the step."""
        pause = Pause("n3")
        impatient = settings.model_copy(update={"drain_seconds": 0.1})
        model = Billing(meanwhile=pause)
        desk = open_desk(model=model, graphs=GRAPHS, settings=impatient)
        run = desk.runs.submit("go", graph="chain")
        answering = threading.Timer(5, pause.over.set)
        answering.start()
        work_until(desk.worker(), done=pause.reached.is_set)
        answering.cancel()

        left = desk.runs.get(run.id)
        assert (left.status, left.tries, left.error) == ("pending", 0, "")
        assert run.id in list(desk.resources.runs.due(left.updated_at + 1))
        pause.over.set()
        assert open_desk(model=model, graphs=GRAPHS).drive(run.id).status == "success"
        assert model.asked == ["n1", "n2", "n3", "n3", "n4"]
        assert desk.audit.verify(run.id).ok

    def test_within_that_a_step_comes_to_its_end(self, open_desk: OpenDesk) -> None:
        pause = Pause("n2")
        model = Billing(meanwhile=pause)
        desk = open_desk(model=model, graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain")
        worker = desk.worker()

        async def stopping(asked: str) -> None:
            if asked == "n2":
                worker.stop()
                await asyncio.sleep(0.05)

        model.meanwhile = stopping
        work_until(worker, done=lambda: worker._stopping.is_set())
        assert desk.runs.get(run.id).status == "pending"
        assert desk.drive(run.id).status == "success"
        assert model.asked == ["n1", "n2", "n3", "n4"]

    def test_however_often_workers_stop_a_run_is_not_given_up_for_that(
        self, open_desk: OpenDesk
    ) -> None:
        pause = Pause("n1")
        desk = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain")

        async def begin_and_stop() -> None:
            owned = await asyncio.to_thread(take, desk.resources, run.id, "w")
            driving = asyncio.create_task(Drive(desk.resources, owned).go())
            await asyncio.to_thread(pause.reached.wait)
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)
            pause.reached.clear()

        for _ in range(MOST_TRIES + 2):
            asyncio.run(begin_and_stop())
        pause.over.set()
        assert desk.drive(run.id).status == "success"


class TestGivingUp:
    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service that did not answer is tried again at once."""
        monkeypatch.setattr("graph.drive.RETRY_SECONDS", (0.0,))

    async def away(self, asked: str) -> None:
        if asked == "n2":
            raise Unavailable("The model service is away.")

    def test_a_run_that_fails_again_and_again_is_dead_and_left_alone(
        self, open_desk: OpenDesk
    ) -> None:
        model = Billing(meanwhile=self.away)
        desk = open_desk(model=model, graphs=GRAPHS)
        fine = desk.invoke("go", graph="doing")
        run = desk.runs.submit("go", graph="chain")
        work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)

        dead = desk.runs.get(run.id)
        assert (dead.status, dead.dead) == ("error", True)
        assert "Given up" in dead.error
        assert "The model service is away." in dead.error
        (listed,) = desk.runs.list(dead=True)
        assert (listed["run_id"], listed["error"]) == (run.id, dead.error)
        assert fine.id in [entry["run_id"] for entry in desk.runs.list()]
        assert model.asked.count("n2") == 1 + MOST_TRIES  # the first came to a checkpoint

        asked = len(model.asked)
        other = desk.runs.submit("go", graph="doing")
        work_until(desk.worker(), done=lambda: desk.runs.get(other.id).ended)
        assert desk.runs.get(run.id) == dead
        assert "n2" not in model.asked[asked:]
        with pytest.raises(Conflict, match="ended"):
            desk.drive(run.id)
        assert desk.audit.verify(run.id).ok

    def test_a_person_may_have_it_tried_again(self, open_desk: OpenDesk) -> None:
        model = Billing(meanwhile=self.away)
        desk = open_desk(model=model, graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain")
        for _ in range(1 + MOST_TRIES):
            assert desk.drive(run.id).status == "pending"
        with pytest.raises(Conflict, match="given up"):
            desk.drive(run.id)

        again = desk.runs.retry(run.id)
        assert (again.dead, desk.runs.list(dead=True)) == (False, [])
        model.meanwhile = Pause()
        assert desk.drive(again.id).status == "success"
        assert model.asked.count("n1") == 1

    def test_the_run_that_waits_behind_it_has_its_turn(self, open_desk: OpenDesk) -> None:
        model = Billing(meanwhile=self.away)
        desk = open_desk(model=model, graphs=GRAPHS)
        run = desk.runs.submit("go", graph="chain", thread="t")
        waits = desk.runs.submit("go", graph="doing", thread="t", multitask_strategy="enqueue")
        work_until(desk.worker(), done=lambda: desk.runs.get(waits.id).ended)
        assert desk.runs.get(run.id).dead
        assert desk.runs.get(waits.id).status == "success"
