"""A tool, from nothing: what it is made of, what it may do, and what it can never do."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolCall
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from storage.errors import InvalidInput, NotFound
from tools.policy import DEFAULT, Policy, Rule
from tools.registry import Plan, Registry, checked_args, plans, reads


# A tool takes its arguments from a Pydantic model: that is what a language model is shown.
class CountWords(BaseModel):
    """Arguments of `count_words`."""

    text: str = Field(description="What to count")
    least: int = Field(1, ge=1, description="Only words of so many letters")


# A tool that reads returns what a model sees (a text), and what a program sees (anything).
def count_words(text: str, least: int = 1) -> tuple[str, Any]:
    """Count the words of a text."""
    words = [word for word in text.split() if len(word) >= least]
    return f"{len(words)} words", words


class WriteNote(BaseModel):
    """Arguments of `write_note`."""

    text: str


def write_note_to(path: Path) -> Any:
    # A tool that writes returns a plan, and does nothing.
    def write_note(text: str) -> Plan:
        """Write a note."""
        return Plan(shows=f"Write “{text}”.", done="Written.", call=lambda: _write(path, text))

    return plans(WriteNote, write_note)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def call(name: str, **args: Any) -> ToolCall:
    return ToolCall(name=name, args=args, id="call-1", type="tool_call")


def test_a_tool_that_reads() -> None:
    registry = Registry()
    registry.add(reads(CountWords, count_words), "read")

    tool = registry.get("count_words").tool
    message = tool.invoke(call("count_words", text="a lease of two years", least=2))

    assert tool.description == "Count the words of a text."
    assert message.content == "4 words"
    assert message.artifact == ["lease", "of", "two", "years"]


def test_calling_a_tool_that_writes_only_plans(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    registry = Registry()
    registry.add(write_note_to(note), "write", "at_most_once")

    message = registry.get("write_note").tool.invoke(call("write_note", text="hello"))

    assert message.content == "Write “hello”."
    assert isinstance(message.artifact, Plan)
    assert not note.exists()


def test_a_write_must_say_how_it_is_made_safe_to_repeat(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="safe to repeat"):
        Registry().add(write_note_to(tmp_path), "write")
    for risk, safety in (("harmless", "transaction"), ("write", "surely"), ("", None)):
        with pytest.raises(InvalidInput, match="must declare"):
            Registry().add(write_note_to(tmp_path), risk, safety)  # type: ignore[arg-type]


def test_a_name_is_taken_once() -> None:
    registry = Registry()
    registry.add(reads(CountWords, count_words), "read")
    with pytest.raises(InvalidInput, match="already"):
        registry.add(reads(CountWords, count_words), "read")
    with pytest.raises(NotFound, match="count_words"):
        registry.get("count_letters")


def test_arguments_are_checked_and_the_message_names_what_is_wrong() -> None:
    registry = Registry()
    registry.add(reads(CountWords, count_words), "read")
    entry = registry.get("count_words")

    assert checked_args(entry, {"text": "a"}) == {"text": "a", "least": 1}
    with pytest.raises(InvalidInput, match=r"text: Field required; least: .*greater"):
        checked_args(entry, {"least": 0})


def test_a_schema_in_json_has_defaults_too() -> None:
    """A rule about an argument is not walked around by leaving it to its default."""
    properties = {
        "to": {"type": "string", "default": "all"},
        "text": {"type": "string"},
        "copies": True,
    }
    tool = StructuredTool.from_function(
        func=lambda **given: given,
        name="send",
        description="Send.",
        args_schema={"type": "object", "properties": properties},
    )
    registry = Registry()
    registry.add(tool, "write", "at_most_once")
    entry = registry.get("send")
    assert checked_args(entry, {"text": "a"}) == {"text": "a", "to": "all"}
    assert checked_args(entry, {"to": "bob"}) == {"to": "bob"}

    policy = Policy((Rule(verdict="deny", args={"to": "all"}), Rule(verdict="allow")))
    assert policy.decide(entry, checked_args(entry, {}), "default").verdict == "deny"


def test_arguments_fit_the_record_with_what_a_person_makes_of_them() -> None:
    registry = Registry()
    registry.add(reads(CountWords, count_words), "read")
    with pytest.raises(InvalidInput, match="at most 150,000 fit"):
        checked_args(registry.get("count_words"), {"text": "語" * 30_000})


class TestPolicy:
    """What the policy says is decided by rules, in their order, and by nothing else."""

    @pytest.fixture
    def registry(self, tmp_path: Path) -> Registry:
        registry = Registry()
        registry.add(reads(CountWords, count_words), "read")
        registry.add(write_note_to(tmp_path / "n"), "write", "at_most_once")
        return registry

    def test_without_a_rule_everything_is_denied(self, registry: Registry) -> None:
        for entry in registry:
            rule = Policy().decide(entry, {}, "default")
            assert (rule.verdict, rule.why) == ("deny", "no rule allows it")

    def test_by_default_reads_are_allowed_and_writes_are_asked(self, registry: Registry) -> None:
        assert DEFAULT.decide(registry.get("count_words"), {}, "default").verdict == "allow"
        assert DEFAULT.decide(registry.get("write_note"), {}, "default").verdict == "ask"

    def test_the_first_rule_that_matches_decides(self, registry: Registry) -> None:
        policy = Policy(
            (
                Rule(verdict="deny", tool="write_*", args={"text": "*secret*"}, why="no secrets"),
                Rule(verdict="allow", tool="write_*", workspace="drafts-*"),
                Rule(verdict="ask", risk="write"),
            )
        )
        write = registry.get("write_note")
        denied = policy.decide(write, {"text": "a secret"}, "drafts-1")
        assert (denied.verdict, denied.why) == ("deny", "no secrets")
        assert policy.decide(write, {"text": "hello"}, "drafts-1").verdict == "allow"
        assert policy.decide(write, {"text": "hello"}, "default").verdict == "ask"
        assert policy.decide(registry.get("count_words"), {}, "default").verdict == "deny"

    def test_an_absent_argument_matches_no_pattern(self, registry: Registry) -> None:
        policy = Policy((Rule(verdict="allow", args={"text": "*"}),))
        assert policy.decide(registry.get("write_note"), {}, "default").verdict == "deny"
