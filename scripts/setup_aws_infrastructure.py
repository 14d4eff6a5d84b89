"""Sets up an AWS account: `affidavit setup`, or `python scripts/setup_aws_infrastructure.py`.

It shows what it would do and asks; `--yes` does not ask. What is set up is said in
`storage/aws/infrastructure.yaml`, and how in `storage/aws/infrastructure.py`.
"""

import json
import sys
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from graph.installation import open_infrastructure
from scripts import printing
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from storage.aws.infrastructure import Plan
    from storage.aws.removal import Kept


def set_up(yes: bool, as_json: bool) -> int:
    """Compare, ask, put right; return the exit code.

    Raises:
        AffidavitError: it could not be done; the message holds the remedy.
    """
    infrastructure = open_infrastructure()
    with printing.err.status("Asking who is calling …") as status:
        plan = infrastructure.plan(status.update)
    if as_json and not yes:
        _emit(plan.as_json() | {"done": plan.empty})
        return 0 if plan.empty else 1
    _show(plan)
    if plan.empty:
        return _finish(plan, as_json)
    if yes:
        _refuse_loss(plan)
    elif not _asked(plan):
        return 1
    with printing.err.status("Starting …") as status:
        after = infrastructure.apply(plan, status.update)
    return _finish(after, as_json)


def take_down(yes: bool, and_data: str, as_json: bool) -> int:
    """Remove what holds no data and, told by the prefix, the data too; return the exit code.

    Raises:
        AffidavitError: it could not be done; the message holds the remedy.
    """
    infrastructure = open_infrastructure()
    prefix = infrastructure.prefix
    if and_data and and_data != prefix:
        raise InvalidInput(
            f"--and-data names {and_data!r}, but AFFIDAVIT_PREFIX is {prefix!r}. Nothing was done."
        )
    what = "everything and ALL DATA" if and_data else "everything but the data"
    if not yes and not _typed(f"This removes {what} of {prefix}. Type the prefix to go on", prefix):
        return 1
    with printing.err.status("Starting …") as status:
        stays = infrastructure.take_down(status.update)
        kept = infrastructure.delete_data(status.update) if and_data else None
    if kept is None:
        return _removed([str(resource) for resource in stays], as_json)
    return _deleted(kept, as_json)


def _show(plan: "Plan") -> None:
    """Print the plan on standard error, where it does not disturb `--json`."""
    names = plan.names
    printing.err.print(
        f"Account {names.account} ({escape(plan.caller.arn)}), region {names.region}, prefix "
        f"{names.prefix}.",
        soft_wrap=True,
    )
    if not plan.over_tls:
        printing.err.print("The endpoint has no TLS, so the buckets will not ask for it.")
    if plan.deploy:
        verb = "is made" if not plan.status else f"({plan.status}) is brought up to date"
        printing.err.print(f"The stack {names.stack} {verb}.")
    for difference in plan.differences:
        printing.err.print(f"  {escape(str(difference))}", soft_wrap=True)
        if difference.remedy:
            printing.err.print(f"    {escape(difference.remedy)}", soft_wrap=True)


def _loss(plan: "Plan") -> str:
    names = ", ".join(str(resource) for resource in plan.lost)
    return (
        f"Gone, with what was in it: {names}. Restore it first, a table from its point-in-time "
        "recovery, if what was in it is needed; otherwise it is made anew, empty."
    )


def _refuse_loss(plan: "Plan") -> None:
    if plan.lost:
        raise InvalidInput(f"{_loss(plan)} Run `affidavit setup` without --yes to have it made.")


def _asked(plan: "Plan") -> bool:
    if plan.lost:
        printing.err.print(f"[red]{escape(_loss(plan))}[/red]", soft_wrap=True)
    question = f"Do this in account {plan.names.account}, region {plan.names.region}?"
    if sys.stdin is None or not typer.confirm(question, err=True):
        printing.err.print("Nothing was changed.")
        return False
    return True


def _typed(question: str, expected: str) -> bool:
    if typer.prompt(question, err=True) == expected:
        return True
    printing.err.print("That is not the prefix. Nothing was changed.")
    return False


def _finish(plan: "Plan", as_json: bool) -> int:
    if as_json:
        _emit(plan.as_json() | {"done": plan.empty})
    elif plan.empty:
        printing.out.print("Everything stands as it should; each property was read back.")
    else:
        printing.out.print("[red]Not everything could be put right:[/red]")
        for difference in plan.differences:
            printing.out.print(f"  {escape(str(difference))}")
        printing.out.print("Run it again; if it stays, see docs/aws.md.")
    return 0 if plan.empty else 1


def _removed(stays: list[str], as_json: bool) -> int:
    if as_json:
        _emit({"done": True, "kept": stays})
    else:
        printing.out.print("Taken down. The data stay:")
        for name in stays:
            printing.out.print(f"  {escape(name)}")
    return 0


def _deleted(kept: list["Kept"], as_json: bool) -> int:
    if as_json:
        rows = [{"bucket": k.bucket, "objects": k.objects, "until": _date(k)} for k in kept]
        _emit({"done": not kept, "kept": rows})
    elif not kept:
        printing.out.print("All is gone.")
    for each in [] if as_json else kept:
        printing.out.print(
            f"{each.bucket} keeps {each.objects} locked versions until {_date(each)}; run this "
            "again then."
        )
    return 1 if kept else 0


def _date(kept: "Kept") -> str:
    return (
        kept.until.isoformat()
        if kept.until
        else "a legal hold is lifted, or the credentials may delete"
    )


def _emit(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def main() -> None:
    """Run `affidavit setup` with the arguments given."""
    from scripts.cli import app

    app(["setup", *sys.argv[1:]])


if __name__ == "__main__":
    main()
