"""What the pages make of the record, without a page."""

from typing import Any

import pytest

from storage.audit import Event
from storage.records import Answer, Claim, Document
from ui.answers import pieces
from ui.live import Step, steps
from ui.markup import Safe, tag
from ui.shelf import conversations, distinct, shortened
from ui.words import amount, what


def event(kind: str, node: str = "", task: str = "", **data: Any) -> Event:
    return Event(run_id="r", seq=0, epoch=1, at=0, kind=kind, node=node, task=task, data=data)


def test_steps_tell_what_was_done_and_who_is_at_work() -> None:
    events = [
        event("submitted", by="ann"),
        event("claimed", owner="w", tries=1),
        event("started", "supervisor", "1"),
        event("planned", "supervisor", agents=["librarian", "analyst"]),
        event("finished", "supervisor", "1"),
        event("started", "librarian", "2"),
        event("found", "librarian", passages=4, documents=1),
        event("finished", "librarian", "2"),
        event("started", "analyst", "3"),
    ]
    assert steps(events) == [
        Step("Supervisor", "plans: librarian, then analyst"),
        Step("Librarian", "found 4 passages in 1 document"),
        Step("Analyst", "is answering from the passages", "now"),
    ]


def test_a_worker_that_went_away_is_at_work_no_longer() -> None:
    events = [
        event("claimed", owner="w", tries=1),
        event("started", "analyst", "3"),
        event("claimed", owner="v", tries=2),
    ]
    assert steps(events) == [Step("Worker", "went on from where it stood")]


def test_an_event_of_another_version_is_told_as_far_as_it_is_understood() -> None:
    assert what(event("found", "librarian", passages=2)) == "found 2 passages in ? documents"
    assert what(event("something_new", x=1)) == ""


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (event("vote", by="ann", votes=["ann"]), "ann approved; it takes more persons"),
        (
            event("erased", parts=["answer", "recordings"], document="d-1", by="r-2"),
            "answer, recordings erased, with document d-1",
        ),
        (
            event("decision", by="bob", decision="approve", votes=["ann", "bob"]),
            "bob approved, after ann",
        ),
        (event("decision", by="ann", decision="edit", votes=[]), "ann approved with changes"),
        (event("decision", by="ann", decision="done"), "ann found that it was done"),
        (event("decision", by="ann", decision="wave"), "ann decided: wave"),
        (event("decision", by="affidavit", decision="expire"), "nobody decided in time"),
        (event("effect", tool="t", by="policy"), "t carried out, on the word of the policy"),
        (event("ended", status="error", error="KeyError"), "error: KeyError"),
        (event("released", error="Unavailable"), "given back: Unavailable"),
        (event("ended", status="timeout", error=""), "timed out"),
        (event("ended", status="cancelled", by="ann", error=""), "cancelled by ann"),
        (event("ended", status="something_new"), "something_new"),
        (
            event("model_call", model="m", input_tokens=7, output_tokens=1, estimated=True),
            "m model, about 7 + 1 tokens",
        ),
    ],
)
def test_what_was_decided_and_how_it_ended(told: Event, said: str) -> None:
    assert what(told) == said


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("steps", 1200, "1,200"),
        ("dollars", 5, "$5.00"),
        ("dollars", 0.0123, "$0.0123"),
        ("dollars", 0.0, "$0.00"),
        ("tokens", None, "no limit"),
        ("tokens", "<b>", "<b>"),
        ("tokens", True, "True"),
    ],
)
def test_amounts(part: str, value: Any, said: str) -> None:
    assert amount(part, value) == said


def test_an_answer_is_taken_apart_without_losing_anything() -> None:
    one, two = Claim(text="One.", verified=True), Claim(text="Two.", verified=False)
    gone = Claim(text="Not in the text.", verified=False)
    text = "So it is:\n\nOne. [1] [2]\n\nNot proven by the documents: Two.\n\nThat is all."
    found = pieces(Answer(status="partial", text=text, claims=[one, two, gone]))
    assert [(piece.text, piece.claim) for piece in found] == [
        ("So it is:", None),
        ("One.", one),
        ("Two.", two),
        ("That is all.", None),
        ("Not in the text.", gone),
    ]


def test_only_what_tag_has_made_is_html() -> None:
    made = tag("p", "<b>", tag("b", "&"), title='"><i>')
    assert made == '<p title="&quot;&gt;&lt;i&gt;">&lt;b&gt;<b>&amp;</b></p>'
    assert not isinstance(made + "<i>", Safe)


def test_documents_of_one_name_can_be_told_apart() -> None:
    def named(name: str, sha256: str) -> Document:
        return Document(id=sha256, name=name, sha256=sha256, status="ready")

    labels = distinct(
        [named("a.txt", "1" * 64), named("a.txt", "2" * 64), named("b.txt", "3" * 64)]
    )
    assert list(labels.values()) == ["a.txt (11111111)", "a.txt (22222222)", "b.txt"]


def test_long_names_show_both_ends_and_are_whole_where_these_are_alike() -> None:
    base = "Master Services Agreement of Harbor Row and Quill"
    named = [f"{base} 2019.pdf", f"{base} 2020.pdf", f"{base}, first draft of {base} 2020.pdf"]
    short = shortened(dict(zip("abc", named, strict=True)), 28)
    assert short == {"a": "Master Servic…Quill 2019.pdf", "b": named[1], "c": named[2]}
    assert shortened({"a": "short.pdf"}, 28) == {"a": "short.pdf"}


def test_a_conversation_is_named_by_its_first_question() -> None:
    entries = [
        {"thread_id": "t-1", "question": "And then?"},
        {"thread_id": "t-2", "question": "Other?"},
        {"thread_id": "t-1", "question": "First?"},
    ]
    assert conversations(entries) == {"t-1": "First?", "t-2": "Other?"}
