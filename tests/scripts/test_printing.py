"""What the command line shows of strangers and models: a terminal obeys none of it."""

import pytest

from scripts import printing
from storage.records import Interrupt, Run


def test_what_is_to_be_approved_cannot_rewrite_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = {"name": "memo.md\x1b[2J\x9b31m\u202e", "text": "One.\nTwo [bold]three[/bold].\x08"}
    value = {"action_requests": [{"name": "publish", "args": args, "description": "\x1b]0;x\x07"}]}
    run = Run(id="r-1", thread_id="t-1", status="interrupted")
    printing.question(run, Interrupt(id="i-1", kind="approval", value=value))
    shown = capsys.readouterr().out
    assert "One.\nTwo [bold]three[/bold]." in shown
    assert not [c for c in shown if not (c.isprintable() or c == "\n")]
