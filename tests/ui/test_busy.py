"""Asking while an answer is under way: next, or instead; and taking a question back."""

from typing import Any

import pytest

from graph import Orchestrator
from storage.records import Document, Run

DEPOSIT = "How much is the deposit?"


@pytest.fixture
def busy(desk: Orchestrator, lease: Document) -> Run:
    """A run that is under way, and no worker."""
    return desk.runs.submit("On what notice may the tenant terminate the lease early?")


def ask(pages: Any, at: Any, question: str) -> Any:
    at.chat_input[0].set_value(question)
    return pages.run(at)


def test_one_asks_next_unless_one_says_otherwise(desk: Orchestrator, pages: Any, busy: Run) -> None:
    at = pages.open(thread=busy.thread_id)
    assert at.segmented_control[0].value == "enqueue"
    assert at.segmented_control[0].options == ["Ask next", "Ask instead"]
    assert at.chat_input[0].placeholder == "Ask next: it waits for its turn"
    ask(pages, at, DEPOSIT)
    first, second = desk.runs.of_thread(busy.thread_id)
    assert (first.id, second.question) == (busy.id, DEPOSIT)
    assert "Waits for its turn; it begins when what was asked before has ended." in pages.text(at)
    assert pages.text(at).count("No worker is running.") == 1

    desk.drive(first.id)
    pages.run(at)
    assert "Waits for its turn" not in pages.text(at)
    desk.drive(second.id)
    pages.run(at)
    assert pages.text(at).count("Every statement proven by its quote") == 2
    assert not at.segmented_control
    assert at.chat_input[0].placeholder == "Ask a question, or for a memo"


def test_one_asks_instead_and_the_next_time_that_is_no_habit(
    desk: Orchestrator, pages: Any, busy: Run
) -> None:
    at = pages.open(thread=busy.thread_id)
    at.segmented_control[0].set_value("interrupt")
    pages.run(at)
    assert at.chat_input[0].placeholder == "Ask instead: what is under way is cancelled"
    ask(pages, at, DEPOSIT)
    first, second = desk.runs.of_thread(busy.thread_id)
    assert (first.status, second.status) == ("cancelled", "pending")
    assert "This run was cancelled: another question was asked instead." in pages.text(at)
    assert at.segmented_control[0].value == "enqueue"


def test_a_question_that_waits_can_be_taken_back(desk: Orchestrator, pages: Any, busy: Run) -> None:
    at = ask(pages, pages.open(thread=busy.thread_id), DEPOSIT)
    pages.press(at, "Cancel question")
    first, second = desk.runs.of_thread(busy.thread_id)
    assert (first.status, second.status) == ("pending", "cancelled")
    assert "This run was cancelled." in pages.text(at)
    assert pages.labels(at).count("Cancel run") == 1


def test_while_a_person_has_to_decide_one_decides_first(
    desk: Orchestrator, pages: Any, asks: Run
) -> None:
    waits = desk.runs.submit(DEPOSIT, thread=asks.thread_id, multitask_strategy="enqueue")
    at = pages.open(thread=asks.thread_id)
    assert not at.segmented_control
    assert at.chat_input[0].disabled
    assert at.chat_input[0].placeholder == "Decide first, or cancel"
    pages.press(at, "Cancel run")
    assert not at.chat_input[0].disabled
    assert desk.drive(waits.id).status == "success"


def test_a_conversation_that_someone_made_busy_meanwhile_loses_no_question(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    done = desk.invoke(DEPOSIT)
    at = pages.open(thread=done.thread_id)
    other = desk.runs.submit("When does the lease begin?", thread=done.thread_id)
    ask(pages, at, "When does it end?")
    assert "Waits for its turn" in pages.text(at)
    assert desk.runs.get(other.id).status == "pending"
