"""What a person decides on the page: approve, change, reject, cancel, try again; each once."""

from collections.abc import Callable
from typing import Any

from graph import Orchestrator
from storage.records import Run

MakeRun = Callable[..., Run]


def test_the_card_shows_what_will_be_done_and_who_decides(
    desk: Orchestrator, pages: Any, asks: Run
) -> None:
    at = pages.open(thread=asks.thread_id)
    said = pages.text(at)
    (request,) = asks.interrupts[0].value["action_requests"]
    assert request["description"] in said
    assert request["args"]["text"] in said  # the Markdown as text
    assert f"You decide as {desk.identity.name}" in said
    assert at.chat_input[0].disabled
    assert at.chat_input[0].placeholder == "Decide first, or cancel"


def test_approving_publishes(desk: Orchestrator, pages: Any, asks: Run) -> None:
    at = pages.press(pages.open(thread=asks.thread_id), "Approve")
    assert desk.runs.get(asks.id).status == "pending"
    desk.drive(asks.id)
    assert "Published memo-" in pages.text(pages.run(at))


def test_a_doubled_click_decides_once_and_calmly(desk: Orchestrator, pages: Any, asks: Run) -> None:
    first, second = pages.open(thread=asks.thread_id), pages.open(thread=asks.thread_id)
    pages.press(first, "Approve")
    pages.press(second, "Approve")
    assert "Someone was first; nothing was done." in pages.text(second)
    assert "aff-error" not in str(pages.tags(second))
    decisions = [e for e in desk.runs.events(asks.id, follow=False) if e.event.kind == "decision"]
    assert len(decisions) == 1


def test_rejecting_takes_a_reason(desk: Orchestrator, pages: Any, asks: Run) -> None:
    at = pages.open(thread=asks.thread_id)
    pages.press(at, "Reject")
    assert "Say why, in a few words." in pages.text(at)
    assert desk.runs.get(asks.id).status == "interrupted"
    at.text_input(key=f"why-{asks.interrupts[0].id}").set_value("The client is not named.")
    pages.press(at, "Reject")
    desk.drive(asks.id)
    assert "rejected publish_deliverable: The client is not named." in pages.text(pages.run(at))


def test_what_is_done_can_be_changed_before_it_is_approved(
    desk: Orchestrator, pages: Any, asks: Run
) -> None:
    at = pages.open(thread=asks.thread_id)
    at.text_input(key=f"arg-{asks.interrupts[0].id}-name").set_value("notice.md")
    pages.press(at, "Approve as changed")
    desk.drive(asks.id)
    assert "Published notice.md" in pages.text(pages.run(at))


def test_a_change_that_cannot_be_used_is_said_and_decides_nothing(
    desk: Orchestrator, pages: Any, asks: Run
) -> None:
    at = pages.open(thread=asks.thread_id)
    at.text_input(key=f"arg-{asks.interrupts[0].id}-name").set_value("../../etc/passwd")
    pages.press(at, "Approve as changed")
    assert "That did not work." in pages.text(at)
    assert desk.runs.get(asks.id).status == "interrupted"


def test_an_error_is_shown_and_can_be_tried_again(
    desk: Orchestrator, pages: Any, make_run: MakeRun
) -> None:
    run = make_run(RuntimeError("The model is on holiday."))
    at = pages.open(thread=run.thread_id)
    assert "The model is on holiday." in pages.text(at)
    pages.press(at, "Try again")
    assert desk.runs.get(run.id).status == "pending"


def test_a_run_can_be_cancelled(desk: Orchestrator, pages: Any, asks: Run) -> None:
    at = pages.press(pages.open(thread=asks.thread_id), "Cancel run")
    assert desk.runs.get(asks.id).status == "cancelled"
    assert "This run was cancelled." in pages.text(at)
    assert not at.chat_input[0].disabled
