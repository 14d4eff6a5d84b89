"""Measure whether the right document comes first, through the whole product.

    python scripts/bench_routing.py [DIR] [--filings N] [--bare-names] [--json]

DIR holds labelled contracts, as for `affidavit evaluate`; all of them are added to one workspace
and asked for by a party and the kind of contract, as lawyers do. Without DIR, or with `--filings`,
filings are made up: N organisations with several years each. What counts is the document of the
first passage of `desk.documents.search`; where several contracts are of the same party and kind,
any of them is right. Prints the share that is right, and the time of a question.
"""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import track

from graph import Orchestrator
from graph.settings import OFFLINE
from scripts.evaluate import open_desk
from scripts.labelled import Label, read_labelled
from scripts.made_up_filings import MadeUp, Question, filings, questions

_TEMPLATES: Final = (
    "What law governs the {kind} between {party} and the other party?",
    "May {party} terminate the {kind} for convenience?",
    "When does {party}'s {kind} expire?",
    "{lower} {kind} cap on liability",
    "Is there an exclusivity clause in the contract of {party} ({kind})?",
)
_JOINT: Final = re.compile(
    r"\b(?:collectively|referred|each|individually|together)\b", re.IGNORECASE
)
_LEGAL: Final = re.compile(
    r"\b(?:inc|incorporated|llc|ltd|limited|corp|corporation|company|lp|plc|gmbh|bank|fund|university"
    r"|association|partnership|trust|s\.?a)\b",
    re.IGNORECASE,
)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def _parties(labels: dict[str, Label]) -> list[str]:
    """Return the names among the labels, which hold defined names ("Buyer") as well."""
    spans = [" ".join(s.split()).strip(" ,.;\"“”'()") for s in labels["Parties"].spans]
    whole = [s for s in spans if 0 < len(s) <= 70 and not _JOINT.search(s) and _LEGAL.search(s)]
    # "Company" is no name of anyone.
    return [s for s in whole if len(s.split()) > 1] or [s for s in spans if len(s.split()) > 1][:1]


def of_contracts(labels: dict[str, dict[str, Label]]) -> Iterator[Question]:
    """Yield questions that name a party and the kind of a contract, for each file."""
    kinds = {
        file: " ".join(each["Document Name"].spans[0].split()) for file, each in labels.items()
    }
    named = {file: {_plain(party) for party in _parties(each)} for file, each in labels.items()}
    for file, each in labels.items():
        for party in _parties(each):
            alike = frozenset(
                other
                for other in labels
                if other == file
                or (_plain(kinds[other]) == _plain(kinds[file]) and _plain(party) in named[other])
            )
            for template in _TEMPLATES:
                kind = kinds[file].title() if kinds[file].isupper() else kinds[file]
                text = template.format(kind=kind, party=party, lower=party.lower())
                yield Question(text, alike)


def measure(desk: Orchestrator, asked: Iterable[Question], names: dict[str, str]) -> dict[str, Any]:
    """Ask, and return the shares of right documents and the times; `names` are files by id."""
    right, heard, several, times, wrong = 0, 0, 0, [], []
    count = 0
    for question in asked:
        began = time.perf_counter()
        found = desk.documents.search(question.text)
        times.append(time.perf_counter() - began)
        files = [names[passage.document_id] for passage in found]
        count += 1
        if files and files[0] in question.right:
            right += 1
        else:
            wrong.append(
                {"question": question.text, "first": files[:1], "right": [*question.right]}
            )
        if question.named:
            several += 1
            heard += question.named <= set(files)
    return {
        "questions": count,
        "right_first": round(right / max(1, count), 4),
        "naming_several": several,
        "all_heard": round(heard / max(1, several), 4),
        "milliseconds": round(1000 * statistics.median(times), 1),
        "wrong": wrong,
    }


def _add_contracts(
    desk: Orchestrator, folder: Path, bare: bool
) -> tuple[dict[str, str], list[Question]]:
    contracts = read_labelled(folder).documents
    names = {}
    for number, each in enumerate(track(contracts, "adding", console=Console(stderr=True))):
        name = f"scan-{number:03}.pdf" if bare else each.name
        names[desk.documents.add(each.path, name=name).id] = each.name
    return names, [*of_contracts({each.name: each.labels for each in contracts})]


def _add_filings(desk: Orchestrator, made: list[MadeUp]) -> dict[str, str]:
    names = {}
    for each in track(made, "adding", console=Console(stderr=True)):
        names[desk.documents.add(each.text.encode(), name=each.file).id] = each.file
    return names


def main(
    folder: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, metavar="DIR")
    ] = None,
    organisations: Annotated[int, typer.Option("--filings", help="Organisations to make up.")] = 0,
    bare_names: Annotated[
        bool, typer.Option(help="Add the contracts under names that tell nothing.")
    ] = False,
    seed: Annotated[int, typer.Option()] = 1,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Ask which document comes first, and print how often it is the right one."""
    shown: dict[str, Any] = {}
    if folder:
        with tempfile.TemporaryDirectory() as home, open_desk(home, OFFLINE) as desk:
            names, asked = _add_contracts(desk, folder, bare_names)
            desk.documents.index()
            shown["contracts"] = measure(desk, asked, names)
    if organisations or not folder:
        made = filings(seed, organisations or 40, range(2015, 2023))
        with tempfile.TemporaryDirectory() as home, open_desk(home, OFFLINE) as desk:
            names = _add_filings(desk, made)
            desk.documents.index()
            shown[f"{len(made)} filings"] = measure(desk, questions(made, seed), names)
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    for title, found in shown.items():
        print(
            f"{title}: {found['right_first']:.3f} of {found['questions']} questions right first; "
            f"{found['all_heard']:.3f} of {found['naming_several']} that name several hear all; "
            f"{found['milliseconds']} ms"
        )
        for miss in found["wrong"][:20]:
            print(f"  {miss['question']}\n    first: {miss['first']}  right: {miss['right']}")


if __name__ == "__main__":
    typer.run(main)
