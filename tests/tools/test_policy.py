"""A file of rules: what it may hold, and that each mistake in it is named with its place."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from storage.errors import InvalidInput
from tools.policy import MOST_POLICY_BYTES, Policy, Rule, read_policy
from tools.registry import Plan, Registry, plans

ROOT = Path(__file__).parents[2]
RULES = """
rules:
  - {verdict: deny, tool: delete_object, why: nothing is deleted here}
  - {verdict: ask, tool: publish_*, args: {name: "board-*"}, approvals: 2}
  - {verdict: ask, risk: write, workspace: drafts-*, expires_after_hours: 0.5}
  - {verdict: allow, risk: read}
"""


class Publish(BaseModel):
    """Arguments of the test's tool."""

    name: str
    pages: int | None = None


def publish_note(name: str, pages: int | None = None) -> Plan:
    """Publish."""
    return Plan(shows="", done="")


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a policy file; return its path."""

    def write_to(text: str | bytes, name: str = "policy.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_to


class TestRules:
    def test_yaml_and_json_are_read(self, write: Any) -> None:
        policy = read_policy(write(RULES))
        assert policy.rules[0] == Rule(
            verdict="deny", tool="delete_object", why="nothing is deleted here"
        )
        assert policy.rules[1].approvals == 2
        assert policy.rules[1].args == {"name": "board-*"}
        assert policy.rules[2].expires_after_hours == 0.5
        as_json = json.dumps(yaml.safe_load(RULES))
        assert read_policy(write(as_json, "policy.json")) == policy

    def test_a_rule_may_be_repeated_by_an_anchor(self, write: Any) -> None:
        policy = read_policy(write("rules: [&same {verdict: ask, tool: a_*}, *same]"))
        assert policy.rules[0] == policy.rules[1]

    def test_a_file_without_rules_denies_everything(self, write: Any) -> None:
        assert read_policy(write("rules: []")) == Policy()

    def test_the_first_that_matches_decides(self, write: Any) -> None:
        registry = Registry()
        registry.add(plans(Publish, publish_note), "write", "transaction")
        entry = registry.get("publish_note")
        policy = read_policy(write(RULES))
        assert policy.decide(entry, {"name": "board-1"}, "default").approvals == 2
        assert policy.decide(entry, {"name": "a"}, "drafts-1").expires_after_hours == 0.5
        assert policy.decide(entry, {"name": "a"}, "default").verdict == "deny"
        assert policy.decide(entry, {"name": "Board-1"}, "default").verdict == "deny"

    def test_rules_that_speak_of_no_tool_are_found(self, write: Any) -> None:
        registry = Registry()
        registry.add(plans(Publish, publish_note), "write", "transaction")
        assert read_policy(write(RULES)).idle(registry) == [1, 4]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "rules: [{verdict: allow}, {verdict: allow, risks: read}]",
            "Rule 2, risks: Extra inputs",
            id="unknown field",
        ),
        pytest.param("rules: [{verdict: perhaps}]", "Rule 1, verdict: ", id="wrong verdict"),
        pytest.param("rules: [{tool: a}]", "Rule 1, verdict: Field required", id="no verdict"),
        pytest.param("rules: [{verdict: ask, risk: high}]", "Rule 1, risk: ", id="wrong risk"),
        pytest.param(
            "rules: [{verdict: deny, approvals: 2}]",
            "Rule 1: .*approvals .*go with the verdict ask",
            id="approvals on a deny",
        ),
        pytest.param(
            "rules: [{verdict: allow, expires_after_hours: 2}]",
            "Rule 1: .*expires_after_hours go with the verdict ask",
            id="expiry on an allow",
        ),
        pytest.param("rules: [{verdict: ask, approvals: 0}]", "Rule 1, approvals: ", id="nobody"),
        pytest.param("rules: [{verdict: ask, approvals: 11}]", "Rule 1, approvals: ", id="all"),
        pytest.param(
            "rules: [{verdict: ask, expires_after_hours: 0}]",
            "Rule 1, expires_after_hours: ",
            id="expires at once",
        ),
        pytest.param(
            "rules: [{verdict: ask, expires_after_hours: .nan}]",
            "Rule 1, expires_after_hours: ",
            id="expires at no time",
        ),
        pytest.param(
            "rules: [{verdict: ask, expires_after_hours: 1.0e+300}]",
            "Rule 1, expires_after_hours: ",
            id="expires after the end of time",
        ),
        pytest.param(
            "rules: [{verdict: ask, args: {pages: 3}}]",
            "Rule 1, args, pages: Input should be a valid string",
            id="a pattern that is no text",
        ),
        pytest.param("rules: [allow]", "Rule 1: ", id="a rule that is a word"),
        pytest.param("rules: [null]", "Rule 1: ", id="a rule that is nothing"),
        pytest.param("rules: {verdict: allow}", "rules: .*valid list", id="no list"),
        pytest.param("- {verdict: allow}", "a mapping with the list `rules`", id="only a list"),
        pytest.param("", "a mapping with the list `rules`", id="empty"),
        pytest.param("rule: []", "rules: Field required", id="another name"),
        pytest.param("rules: [", "no YAML at line 1", id="no YAML"),
        pytest.param("rules:\n\t- {verdict: allow}", "no YAML at line 2", id="a tab"),
        pytest.param("rules: []\n---\nrules: []", "no YAML at line 2", id="two documents"),
        pytest.param(b"rules: \xff\x00", "no YAML", id="no text"),
        pytest.param('rules: [{verdict: ask, approvals: !!int ""}]', "no YAML", id="no number"),
        pytest.param("rules: [{verdict: ask, why: !!bool si}]", "no YAML", id="neither yes nor no"),
        pytest.param("rules: [{verdict: ask, why: !!timestamp now}]", "no YAML", id="no date"),
        pytest.param(
            "rules: [{verdict: deny, verdict: allow}]", "verdict", id="a field that is there twice"
        ),
        pytest.param(
            "rules: [{verdict: deny, tool: delete_*}]\nrules: [{verdict: allow}]",
            "rules",
            id="two lists of rules, of which one would count",
        ),
        pytest.param("rules: &all [*all]", "Rule 1: ", id="a list in itself"),
        pytest.param("rules: " + "[" * 20_000, "no YAML", id="deeper than anyone reads"),
        pytest.param(
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nrules: *d",
            "Rule 1: ",
            id="aliases of aliases",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(write: Any, text: str | bytes, said: str) -> None:
    path = write(text)
    with pytest.raises(InvalidInput, match=said) as refused:
        read_policy(path)
    assert str(path) in str(refused.value)


class TestFiles:
    def test_a_file_that_is_not_there_is_named_with_the_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"nothing\.yaml.*AFFIDAVIT_POLICY"):
            read_policy(tmp_path / "nothing.yaml")
        with pytest.raises(InvalidInput, match="AFFIDAVIT_POLICY"):
            read_policy(tmp_path)

    def test_a_huge_file_is_not_read(self, write: Any) -> None:
        with pytest.raises(InvalidInput, match=r"more than 1,000,000 bytes"):
            read_policy(write(b"#" * (MOST_POLICY_BYTES + 1)))

    @pytest.mark.parametrize(
        "tag",
        [
            "!!python/object/apply:pathlib.Path.touch [{path}]",
            "!!python/object/new:os.mkdir [{path}]",
            "!!python/name:os.system",
            "!!python/module:antigravity",
        ],
    )
    def test_nothing_in_it_is_carried_out(self, write: Any, tmp_path: Path, tag: str) -> None:
        made = tmp_path / "made"
        with pytest.raises(InvalidInput, match="no YAML"):
            read_policy(write(f"rules: {tag.format(path=made)}"))
        assert not made.exists()

    def test_a_few_lines_do_not_grow_without_bounds(self, write: Any) -> None:
        """Each line merges ten times the one before it: a hundred million fields in the end."""
        lines = ["a0: &a0 {x: 1}"]
        lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
        path = write("\n".join([*lines, "rules: []"]))
        program = (
            "import resource, sys; from pathlib import Path\n"
            "from tools.policy import read_policy; from storage.errors import InvalidInput\n"
            "used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))\n"
            "resource.setrlimit(resource.RLIMIT_CPU, (used + 2, used + 3))\n"
            "try: read_policy(Path(sys.argv[1]))\n"
            "except InvalidInput: print('refused')\n"
        )
        read = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert read.stdout == "refused\n", read.returncode
