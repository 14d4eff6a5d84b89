"""Files are read in child processes: whatever a file does, the caller gets a word on it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.errors import Unavailable
from tools.intake import take_in
from tools.sandbox import Sandbox

ROOT = str(Path(__file__).resolve().parents[2])
LEASE = b"# Lease\n\nThe term is two years.\n"


class Hooked(Sandbox):
    """A sandbox whose children read files by other code, given as the body of a function."""

    def __init__(self, body: str, **limits: float) -> None:
        super().__init__(processes=1, **limits)  # type: ignore[arg-type]
        lines = "\n    ".join(body.splitlines())
        self.code = f"""
import os, resource, subprocess, sys, time
from tools.parsing import Parsed, parse
def read(data, name, password):
    {lines}
    return parse(data, name, password)
"""

    def _read(self) -> str:
        return self.code


def told(reason: str) -> str:
    """The body of a reader that answers with the value of an expression."""
    return f'return Parsed(status="ready", reason=str({reason}))'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(processes=2) as sandbox:
        yield sandbox


class TestReading:
    def test_it_gives_what_the_reader_gives(self, sandbox: Sandbox) -> None:
        assert sandbox.parse(LEASE, "lease.md") == take_in(LEASE, "lease.md")

    def test_names_and_text_may_hold_any_characters(self, sandbox: Sandbox) -> None:
        parsed = sandbox.parse("Kündigung 🙂 签".encode(), "Vertrag\udce4 №1.txt")
        assert parsed.pages[0].text == "Kündigung 🙂 签"

    def test_a_password_is_on_no_command_line_and_in_no_environment(self) -> None:
        with Hooked(told("(password, password in str((sys.argv, os.environ)))")) as sandbox:
            assert sandbox.parse(b"a", "a.txt", "Sesame-ü").reason == "('Sesame-ü', False)"

    def test_no_garbage_is_looked_for_in_what_was_imported(self) -> None:
        with Hooked("import gc\n" + told("gc.get_freeze_count() > 10_000")) as sandbox:
            assert sandbox.parse(b"a", "a.txt").reason == "True"

    def test_readers_that_few_files_need_wait_for_the_first_of_them(self) -> None:
        class Telling(Sandbox):
            def _read(self) -> str:
                return f"""
{super()._read()}
import sys
from tools.parsers.result import Parsed
def read(data, name, password):
    formats = "pdf docx pptx html eml delimited".split()
    loaded = [each for each in formats if "tools.parsers." + each in sys.modules]
    return Parsed(status="ready", reason=" ".join(loaded))
"""

        with Telling(processes=1) as sandbox:
            assert sandbox.parse(b"a", "a.txt").reason == "pdf"

    def test_nothing_starts_before_it_is_needed(self) -> None:
        with Sandbox() as sandbox:
            assert not sandbox._children

    def test_the_current_directory_plays_no_part(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "tools.py").write_text("raise RuntimeError('not this one')")
        monkeypatch.chdir(tmp_path)
        with Sandbox(processes=1) as sandbox:
            assert sandbox.parse(LEASE, "lease.md").status == "ready"

    def test_many_threads_share_few_children(self, sandbox: Sandbox) -> None:
        texts = [f"Clause {number} is short." for number in range(40)]
        with ThreadPoolExecutor(8) as threads:
            parsed = list(threads.map(lambda text: sandbox.parse(text.encode(), "a.txt"), texts))
        assert [each.pages[0].text for each in parsed] == texts
        assert len(sandbox._children) <= 2

    def test_it_works_beside_a_running_event_loop(self, sandbox: Sandbox) -> None:
        async def several() -> list[str]:
            parsed = await asyncio.gather(
                *(asyncio.to_thread(sandbox.parse, LEASE, "lease.md") for _ in range(4))
            )
            return [each.status for each in parsed]

        assert asyncio.run(several()) == ["ready"] * 4

    def test_children_outlive_the_thread_that_asked_first(self) -> None:
        with Hooked(told("os.getpid()")) as sandbox:
            with ThreadPoolExecutor(1) as thread:
                first = thread.submit(sandbox.parse, b"a", "a.txt").result()
            assert sandbox.parse(b"b", "b.txt").reason == first.reason


class TestHarm:
    """What a file may do to its reader, and what is left of it for the next."""

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("it crashes", "os.abort()"),
            ("it ends", "os._exit(0)"),
            ("it is killed", "os.kill(os.getpid(), 9)"),
            ("it raises", "raise ZeroDivisionError"),
            (
                "it says what is no answer",
                "return type('X', (), {'model_dump_json': lambda _: '{}'})",
            ),
        ],
        ids=lambda each: each if each.startswith("it") else "",
    )
    def test_a_file_that_ends_its_reader_is_damaged(self, name: str, body: str) -> None:
        with Hooked(f"if data == b'bad':\n    {body}") as sandbox:
            assert sandbox.parse(b"good", "a.txt").status == "ready"
            bad = sandbox.parse(b"bad", "a.txt")
            assert (bad.status, bad.pages) == ("damaged", [])
            assert "crash" in bad.reason
            assert sandbox.parse(b"good", "a.txt").status == "ready"

    def test_a_file_that_stalls_its_reader_is_damaged(self) -> None:
        with Hooked("if data == b'bad':\n    time.sleep(600)", seconds=0.5) as sandbox:
            bad = sandbox.parse(b"bad", "a.txt")
            assert bad.status == "damaged"
            assert "more than 0.5 seconds" in bad.reason
            assert sandbox.parse(b"good", "a.txt").status == "ready"

    def test_a_watch_that_goes_off_behind_an_answer_is_not_the_next_files(self) -> None:
        with Hooked("") as sandbox:
            assert sandbox.parse(b"one", "a.txt").status == "ready"
            (child,) = sandbox._children
            child._stop()
            assert sandbox.parse(b"two", "a.txt").status == "ready"

    def test_a_stalled_reader_that_does_not_listen_is_no_different(self) -> None:
        body = "if len(data) > 9:\n    [None for _ in iter(int, 1)]"
        with Hooked(body, seconds=0.5) as sandbox:
            assert sandbox.parse(bytes(4 << 20), "a.txt").status == "damaged"

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
    def test_memory_is_limited(self) -> None:
        body = f"if data == b'bad':\n    {told('len(bytearray(4 << 30))')}"
        with Hooked(body, memory=1 << 30) as sandbox:
            assert sandbox.parse(b"bad", "a.txt").status == "damaged"
            assert sandbox.parse(b"good", "a.txt").status == "ready"

    def test_too_little_memory_is_said_by_the_reader_itself(self) -> None:
        with Hooked(
            "import tools.parsing as p\np._decide = lambda *_: bytearray(1 << 60)"
        ) as sandbox:
            parsed = sandbox.parse(b"x", "a.txt")
        assert (parsed.status, "memory" in parsed.reason) == ("damaged", True)

    def test_an_idle_child_that_died_costs_no_file_its_status(self) -> None:
        with Hooked(told("os.getpid()")) as sandbox:
            first = int(sandbox.parse(b"a", "a.txt").reason)
            os.kill(first, signal.SIGKILL)
            second = sandbox.parse(b"b", "b.txt")
            assert second.status == "ready"
            assert int(second.reason) != first

    def test_a_file_may_crash_a_child_that_is_not_new_and_gets_another_try(self) -> None:
        """Damage that an earlier file left behind must not be blamed on this one."""
        body = "global seen\nseen = globals().get('seen', 0) + 1\nif seen == 2: os.abort()"
        with Hooked(body) as sandbox:
            assert [sandbox.parse(b"a", "a.txt").status for _ in range(4)] == ["ready"] * 4

    def test_what_readers_print_reaches_nobody(self, capfd: pytest.CaptureFixture[str]) -> None:
        body = "print('noise')\nsys.stderr.write('noise')\nos.write(1, b'a')\nos.write(2, b'a')"
        with Hooked(body) as sandbox:
            assert sandbox.parse(b"a", "a.txt").status == "ready"
        assert capfd.readouterr() == ("", "")

    def test_the_environment_is_not_passed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        with Hooked(told("dict(os.environ)")) as sandbox:
            assert "secret" not in sandbox.parse(b"a", "a.txt").reason

    @pytest.mark.skipif(sys.platform != "linux", reason="macOS has other limits")
    def test_a_child_writes_no_files(self, tmp_path: Path) -> None:
        target = str(tmp_path / "file")
        body = f"try:\n    open({target!r}, 'w').write('x' * 10)\nexcept OSError: pass"
        with Hooked(body) as sandbox:
            assert sandbox.parse(b"a", "a.txt").status == "ready"
        assert not Path(target).exists() or not Path(target).read_bytes()


class TestEnd:
    def test_closing_ends_the_children(self) -> None:
        with Hooked(told("os.getpid()")) as sandbox:
            child = int(sandbox.parse(b"a", "a.txt").reason)
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)

    def test_after_closing_it_says_so(self) -> None:
        sandbox = Sandbox(processes=1)
        sandbox.close()
        sandbox.close()
        with pytest.raises(Unavailable, match="closed"):
            sandbox.parse(b"a", "a.txt")

    def test_closing_while_a_file_is_read_blames_no_file(self) -> None:
        sandbox = Hooked("time.sleep(600)")
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(sandbox.parse, b"a", "a.txt")
            while not any(child.files for child in sandbox._children):
                time.sleep(0.01)
            sandbox.close()
            with pytest.raises(Unavailable, match="closed"):
                reading.result()

    def test_a_child_that_cannot_start_is_no_fault_of_the_file(self) -> None:
        sandbox = Hooked("")
        sandbox.code = "raise ImportError"
        with sandbox, pytest.raises(Unavailable, match="did not start"):
            sandbox.parse(b"a", "a.txt")

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
    @pytest.mark.parametrize("body", ["time.sleep(600)", "[None for _ in iter(int, 1)]"])
    def test_children_die_with_a_parent_that_is_killed(self, tmp_path: Path, body: str) -> None:
        """Even in the midst of a file, when they do not see the end of their input."""
        stalled = tmp_path / "stalled"
        program = f"""
import sys; sys.path.insert(0, {ROOT!r})
from tools.sandbox import Sandbox
class Stalled(Sandbox):
    def _read(self): return '''
import os, time
def read(data, name, password):
    if data == b"pid":
        from tools.parsing import Parsed
        return Parsed(status="ready", reason=str(os.getpid()))
    open({str(stalled)!r}, "w").close()
    {body}
'''
sandbox = Stalled(processes=1)
print(sandbox.parse(b"pid", "a.txt").reason, flush=True)
sandbox.parse(b"stall", "a.txt")
"""
        parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        while not stalled.exists():
            time.sleep(0.01)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert gone(child)


def gone(process: int) -> bool:
    """Whether a process ends soon; a zombie has ended."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False
