"""The pages in a browser: what `affidavit up` serves, driven by headless Chromium.

Each test has a home, a port and processes of its own, and sees to it that they are gone. No page
may ask anything of another machine, whatever the documents hold.
"""

import os
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import STDOUT, Popen
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from graph import Orchestrator
from scripts.serving import page_command, worker_command
from storage.records import Answer, Budget, Citation, Claim, Run
from tests import children

from .conftest import NOTES

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000
FLAGS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
Serve = Callable[[], str]


@pytest.fixture
def home(home: Path, chosen: str) -> Path:
    """The home of these tests, on either back end."""
    assert chosen
    return home


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser's page that may talk to this machine only."""
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(chromium).exists():
        why = "Chromium is not installed, so that no page was driven: apt-get install chromium"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda websocket: asked.append(websocket.url))
        yield page
        browser.close()
    here = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:http://127.0.0.1:")
    assert asked
    assert [url for url in asked if not url.startswith(here)] == []


@contextmanager
def process(command: list[str], log: Path) -> Iterator[None]:
    """Run a command until the block ends; it must take its children along."""
    started = children.start(command, log)
    with _watched(started, log):
        yield
    started.close()


@contextmanager
def _watched(started: BaseProcess | Popen[bytes], log: Path) -> Iterator[None]:
    assert started.pid
    try:
        yield
    finally:
        family = _descendants(started.pid)
        started.terminate()
        started.wait(30) if isinstance(started, Popen) else started.join(30)
        until = time.monotonic() + 10
        while (left := [pid for pid in family if _alive(pid)]) and time.monotonic() < until:
            time.sleep(0.05)
    assert not left, f"{started} left {left} behind; see {log.read_text()}"


def _descendants(pid: int) -> list[int]:
    """Return the processes below a process; Linux lists them."""
    found: list[int] = []
    for listed in Path("/proc", str(pid), "task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> str:
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()  # noqa: S310
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return url


@pytest.fixture
def up(home: Path) -> Iterator[str]:
    """`affidavit up`: the page and a worker."""
    port, log = _free_port(), home / "up.log"
    command = [sys.executable, "-m", "scripts.cli", "up", "--port", str(port)]
    with log.open("ab") as out:
        started = Popen(command, stdout=out, stderr=STDOUT)
    with _watched(started, log):
        yield _wait_for(port)


@pytest.fixture
def page_alone(home: Path) -> Iterator[str]:
    """The page without a worker."""
    port = _free_port()
    with process(page_command(port), home / "page.log"):
        yield _wait_for(port)


@pytest.fixture
def page_and_worker(home: Path, page_alone: str) -> Iterator[str]:
    """What `affidavit up` starts, but sooner."""
    with process(worker_command(), home / "worker.log"):
        yield page_alone


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def says(page: Page, text: str) -> None:
    expect(page.get_by_text(text).first).to_be_visible()


def test_upload_ask_read_the_page_and_give_an_opinion(
    page: Page, up: str, home: Path, given: SimpleNamespace
) -> None:
    file = home / "lease.txt"
    file.write_text("Preface.\n\n" * 60 + given.lease + "\n\nAnnex." * 60)
    page.goto(up)
    says(page, "Add a document to begin")
    told = (home / "up.log").read_text()
    assert told.count("http") == told.count(f"Affidavit is at {up} ") == 1
    page.set_input_files("input[type=file]", file)
    says(page, "Ready to be asked about")

    ask(page, given.question)
    says(page, "Every statement proven by its quote")
    page.get_by_role("button", name="lease.txt, line").click()
    marked = page.locator("mark")
    expect(marked).to_contain_text(given.quote)
    expect(marked).to_be_in_viewport()
    assert page.locator(".aff-page").evaluate("box => box.scrollTop") > 0
    page.keyboard.press("Escape")

    page.get_by_role("radio", name="Thumbs down").click()
    page.get_by_role("button", name="Comment").click()
    page.get_by_label("What should be known about this answer?").fill("It leaves out the fee.")
    page.get_by_role("button", name="Keep").click()
    says(page, "It leaves out the fee.")
    page.reload()
    says(page, "It leaves out the fee.")
    thumb = page.get_by_role("radio", name="Thumbs down")
    expect(thumb).to_have_attribute("aria-checked", "true")
    says(page, given.quote)


@pytest.mark.usefixtures("lease")
def test_a_memo_is_published_once_however_often_one_clicks(
    page: Page, page_and_worker: str, desk: Orchestrator, given: SimpleNamespace
) -> None:
    page.goto(page_and_worker)
    ask(page, given.memo)
    says(page, "You decide as")
    says(page, "## Sources")
    page.get_by_role("button", name="Approve", exact=True).dblclick()
    says(page, "Published memo-")
    (entry,) = desk.runs.list()
    kinds = [linked.event.kind for linked in desk.runs.events(entry["run_id"])]
    assert (kinds.count("decision"), kinds.count("effect")) == (1, 1)

    ask(page, given.objects)
    expect(page.locator(".aff-question")).to_have_count(2)
    expect(page.locator(".aff-question").last).to_be_in_viewport()
    listed = page.get_by_test_id("stChatMessage").last
    expect(listed).to_contain_text("memo-how-the-tenant-may-terminate-the-lease-early.md")


@pytest.mark.usefixtures("lease")
def test_a_memo_is_rejected_with_a_reason(
    page: Page, page_and_worker: str, given: SimpleNamespace
) -> None:
    page.goto(page_and_worker)
    ask(page, given.memo)
    says(page, "You decide as")
    page.get_by_text("Reject …").click()
    page.get_by_label("Why? The agents are told.").fill("The client is not named.")
    page.get_by_role("button", name="Reject", exact=True).click()
    says(page, "A person rejected publish_deliverable: The client is not named.")


@pytest.mark.usefixtures("lease")
def test_a_reload_in_the_middle_of_a_run_loses_nothing(
    page: Page, page_alone: str, home: Path, given: SimpleNamespace
) -> None:
    page.goto(page_alone)
    ask(page, given.question)
    says(page, "No worker is running.")
    page.reload()
    says(page, given.question)
    says(page, "waits for a worker to take it up")
    with process(worker_command(), home / "worker.log"):
        says(page, "Every statement proven by its quote")
    says(page, given.quote)


@pytest.mark.usefixtures("lease")
def test_the_runs_page_shows_the_record_verifies_it_and_resumes(
    page: Page, page_and_worker: str, desk: Orchestrator, given: SimpleNamespace
) -> None:
    asks = desk.invoke(given.memo)
    done = desk.invoke(given.question)
    page.goto(f"{page_and_worker}/runs")
    cells = page.get_by_test_id("stDataFrame").locator("td")
    expect(cells.filter(has_text=done.id)).to_have_count(1)
    expect(cells.filter(has_text=asks.id)).to_have_count(1)
    page.get_by_test_id("stDataFrame").click(position={"x": 16, "y": 55})
    says(page, "What happened")
    says(page, "plans: librarian, then analyst")
    assert f"run={done.id}" in page.url
    page.get_by_role("button", name="Verify").click()
    says(page, "each as it was recorded.")

    page.goto(f"{page_and_worker}/runs?run={asks.id}")
    page.get_by_role("button", name="Approve", exact=True).click()
    says(page, "Published memo-")
    page.get_by_role("button", name="Open the conversation").click()
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    says(page, given.memo)


def test_two_things_are_approved_together_and_once(
    page: Page, page_alone: str, open_own: Callable[..., Orchestrator]
) -> None:
    own = open_own(*NOTES)
    run = own.invoke("Publish the two notes.", graph="own")
    page.goto(f"{page_alone}/?thread={run.thread_id}")
    says(page, "Publish notice.md")
    says(page, "Publish deposit.md")
    both = page.get_by_role("button", name="Approve all 2")
    both.dblclick()
    says(page, "waits for a worker to take it up")
    expect(both).to_have_count(0)
    own.drive(run.id)
    says(page, "This run ended without an answer.")
    kinds = [linked.event.kind for linked in own.runs.events(run.id)]
    assert (kinds.count("decision"), kinds.count("effect")) == (2, 2)


@pytest.mark.usefixtures("lease")
def test_a_budget_is_extended_by_numbers(
    page: Page, page_and_worker: str, desk: Orchestrator, given: SimpleNamespace
) -> None:
    budget = Budget(steps=2, tokens=1_000_000, dollars=5)
    run = desk.runs.submit(given.question, budget=budget)
    page.goto(f"{page_and_worker}/?thread={run.thread_id}")
    says(page, "The run would pass its budget of 2 steps.")
    expect(page.locator(".aff-table tr").nth(1)).to_have_text("Steps224")
    page.get_by_text("Change it, then approve …").click()
    steps, tokens = page.get_by_label("Steps"), page.get_by_label("Tokens")
    expect(steps).to_have_value("4")
    steps.fill("50")
    tokens.fill("")
    tokens.press("Tab")
    page.get_by_role("button", name="Approve as changed").click()
    says(page, "Every statement proven by its quote")
    assert desk.runs.get(run.id).budget == Budget(steps=50, tokens=None, dollars=5)


@pytest.mark.usefixtures("lease")
def test_one_asks_on_while_an_answer_is_under_way(
    page: Page, page_alone: str, home: Path, given: SimpleNamespace
) -> None:
    page.goto(page_alone)
    ask(page, "Who is the landlord?")
    says(page, "waits for a worker to take it up")
    page.get_by_role("radio", name="Ask instead").click()
    box = page.get_by_test_id("stChatInputTextArea")
    expect(box).to_have_attribute("placeholder", "Ask instead: what is under way is cancelled")
    ask(page, given.question)
    says(page, "another question was asked instead")
    expect(box).to_have_attribute("placeholder", "Ask next: it waits for its turn")
    ask(page, given.nothing)
    says(page, "Waits for its turn")
    ask(page, "How much is the deposit?")
    page.get_by_role("button", name="Cancel question").nth(1).click()
    expect(page.get_by_text("This run was cancelled.", exact=True)).to_be_visible()

    box.fill("What I am still typing")
    with process(worker_command(), home / "worker.log"):
        says(page, given.quote)
        says(page, "Not in the documents")
    expect(page.get_by_role("radio", name="Ask instead")).to_have_count(0)
    expect(box).to_have_value("What I am still typing")


def test_what_strangers_wrote_is_shown_and_does_nothing(
    page: Page,
    page_alone: str,
    desk: Orchestrator,
    make_run: Callable[..., Run],
    given: SimpleNamespace,
) -> None:
    hostile = given.hostile
    document = desk.documents.add(f"{hostile}\n{given.lease}".encode(), name=f"{hostile}.txt")
    cited = Citation(
        document_id=document.id, document=document.name, sha256=document.sha256, page=1,
        start=0, end=len(hostile), quote=hostile,
    )  # fmt: skip
    claims = [
        Claim(text=hostile, verified=True, citations=[cited]),
        Claim(text=f"no {hostile}", verified=False),
    ]
    text = f"{hostile} [1]\n\nno {hostile}\n\n{hostile}"
    run = make_run(Answer(status="partial", text=text, claims=claims), hostile)
    failed = make_run(RuntimeError(hostile), hostile)
    desk.feedback.add(run.id, "up", hostile)

    for address in (f"?thread={run.thread_id}", f"?thread={failed.thread_id}"):
        page.goto(f"{page_alone}/{address}")
        expect(page.locator(".aff-question")).to_have_text(hostile)
        _is_harmless(page)
    expect(page.locator(".aff-callout")).to_contain_text(hostile)

    page.goto(f"{page_alone}/?thread={run.thread_id}")
    page.get_by_test_id("stMultiSelect").click()  # the names of the documents
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="page 1").click()
    expect(page.locator("mark")).to_have_text(hostile)
    _is_harmless(page)

    page.goto(f"{page_alone}/runs?run={failed.id}")
    says(page, "What happened")
    _is_harmless(page)


def _is_harmless(page: Page) -> None:
    """Nothing of the hostile text has become a part of the page, or run."""
    page.wait_for_timeout(300)
    assert page.evaluate("window.harm") is None
    assert page.locator("img[src*='203.0.113.7'], a[href*='203.0.113.7']").count() == 0
