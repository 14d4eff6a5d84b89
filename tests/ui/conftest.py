"""A desk of one's own for each test of the pages, and what several of them need."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest
import streamlit as st
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from streamlit.testing.v1 import AppTest

from graph import Context, Orchestrator, act, call_tools
from storage.records import Answer, Document, Identity, Run
from tests.scripted import calls
from tools.policy import DEFAULT, Policy, Rule
from ui import parts

LEASE = """LEASE AGREEMENT between Harbor Street Holdings and Blue Kettle Coffee.

1. Term. The lease begins on March 1, 2024 and ends on February 28, 2029.

2. Termination. The tenant may terminate this lease early by giving the landlord nine months' \
prior written notice.

3. Deposit. The security deposit amounts to 12,000 euros and is due before the keys are handed over.
"""
HOSTILE = (
    '<script>window.harm=1</script><img src="http://203.0.113.7/a.png" onerror="window.harm=1"> '
    "![pixel](http://203.0.113.7/b.png) [link](http://203.0.113.7/c) :material/home: **bold** $x$"
)


@pytest.fixture
def given() -> SimpleNamespace:
    """The document and the questions of these tests."""
    return SimpleNamespace(
        lease=LEASE,
        question="On what notice may the tenant terminate the lease early?",
        quote="nine months' prior written notice",
        memo="Write a memo about how the tenant may terminate the lease early and publish it",
        objects="List the objects in the bucket deliverables",
        nothing="Which colour has the moon of Jupiter?",
        hostile=HOSTILE,
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that point to nothing but this test."""
    monkeypatch.chdir(tmp_path)  # no .env of whoever runs the tests
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AFFIDAVIT_SIGNING_KEY", str(tmp_path / "signing.key"))
    for name in ("OPENAI_API_KEY", "AFFIDAVIT_MODEL", "AFFIDAVIT_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def desk(home: Path) -> Iterator[Orchestrator]:
    """The very orchestrator that the pages of this test use."""
    st.cache_resource.clear()
    yield parts.opened("")
    st.cache_resource.clear()  # which closes them


@pytest.fixture
def lease(desk: Orchestrator, given: SimpleNamespace) -> Document:
    return desk.documents.add(given.lease.encode(), name="lease.txt")


@pytest.fixture
def asks(desk: Orchestrator, lease: Document, given: SimpleNamespace) -> Run:
    """A run that waits for a person."""
    run = desk.invoke(given.memo)
    assert run.status == "interrupted"
    return run


class Fixed(TypedDict, total=False):
    messages: list[Any]
    answer: Answer


@pytest.fixture
def make_run(desk: Orchestrator) -> Callable[..., Run]:
    """Make a run that answers what it is told to, or fails as it is told to."""

    def make(answer: Answer | Exception, question: str = "What?", thread: str | None = None) -> Run:
        def say(state: Fixed) -> Fixed:
            if isinstance(answer, Exception):
                raise answer
            return {"answer": answer}

        graph = StateGraph(Fixed)
        graph.add_node("say", say)
        graph.add_edge(START, "say")
        with Orchestrator.open(graphs={"fixed": graph}) as other:
            return other.invoke(question, graph="fixed", thread=thread)

    return make


Wanted = tuple[str, dict[str, Any]]
NOTES: tuple[Wanted, ...] = (
    ("publish_deliverable", {"name": "notice.md", "text": "# Notice\n\nNine months."}),
    ("publish_deliverable", {"name": "deposit.md", "text": "# Deposit\n\n12,000 euros."}),
)
"""Two tool calls that a person has to approve."""


@pytest.fixture
def open_own(desk: Orchestrator) -> Iterator[Callable[..., Orchestrator]]:
    """Open desks whose graph `own` has an agent that calls tools as it is told to, at once."""
    opened: list[Orchestrator] = []

    def open_one(
        *wanted: Wanted, rules: tuple[Rule, ...] = (), identity: Identity | None = None
    ) -> Orchestrator:
        async def agent(state: MessagesState, runtime: Runtime[Context]) -> Command[str]:
            back = state["messages"][-1].type == "tool"
            return call_tools("agent", AIMessage("Done.") if back else calls(*wanted), runtime)

        builder = StateGraph(MessagesState, context_schema=Context)
        builder.add_node("agent", agent, destinations=("act", END))
        builder.add_node("act", act, destinations=("agent",))
        builder.set_entry_point("agent")
        own = Orchestrator.open(graphs={"own": builder}, identity=identity)
        own.resources.policy = Policy((*rules, *DEFAULT.rules))
        opened.append(own)
        return own

    yield open_one
    for each in opened:
        each.close()


class _Parsed(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class Pages:
    """Opens pages, and reads them."""

    def open(self, page: str = "chat.py", **address: str) -> AppTest:
        """Open a page with an empty session, as a reload does."""
        at = AppTest.from_file(str(Path(parts.__file__).with_name("app.py")), default_timeout=30)
        if page != "chat.py":
            at.run()
            at.switch_page(page)
        at.query_params.update(address)
        return self.run(at)

    def run(self, at: AppTest) -> AppTest:
        """Run a page, which must not raise."""
        at.run()
        assert not at.exception, at.exception
        return at

    def _parsed(self, at: AppTest) -> _Parsed:
        made = (str(each.proto.body) for each in at.get("html"))
        return _Parsed(
            "\n".join(body for body in made if not body.startswith(("<style", "<script")))
        )

    def text(self, at: AppTest) -> str:
        """Return what a page says in its HTML, as a person reads it."""
        return "".join(self._parsed(at).texts)

    def tags(self, at: AppTest) -> list[tuple[str, dict[str, str | None]]]:
        """Return the elements that the HTML of a page makes."""
        return self._parsed(at).tags

    def labels(self, at: AppTest) -> list[str]:
        """Return the labels of the buttons; that of the open conversation is in bold."""
        return [b.label.removeprefix("**").removesuffix("**") for b in at.button]

    def press(self, at: AppTest, label: str = "", key: str = "") -> AppTest:
        """Press the button with this key or label, or the one whose label contains it."""
        if key:
            at.button(key=key).click()
            return self.run(at)
        named = [each for each in at.button if label == each.label]
        (button,) = named or [each for each in at.button if label in each.label]
        button.click()
        return self.run(at)


@pytest.fixture
def pages(desk: Orchestrator) -> Pages:
    return Pages()
