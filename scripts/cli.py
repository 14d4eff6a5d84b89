"""The command line: `affidavit --help` teaches it.

The commands are in `scripts/commands`; what a command needs is imported when it runs, so that help
comes at once.
"""

from scripts.commands import decisions, documents, evaluate, runs, service, tables
from scripts.commands.base import app

__all__ = ["app", "decisions", "documents", "evaluate", "runs", "service", "tables"]

# As one comes to need them; `--help` lists them so.
_ORDER = (
    *("demo", "up", "add", "documents", "ask", "search", "card", "page", "extract", "erase"),
    *("runs", "show", "resume", "cancel"),
    "fork",
    *("approve", "reject", "settle", "feedback", "evaluate", "worker", "setup", "doctor"),
)
app.registered_commands.sort(key=lambda each: _ORDER.index(each.callback.__name__))  # type: ignore[union-attr]


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
