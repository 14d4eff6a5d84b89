"""The table of an evaluation: rates by category and pooled, of the product and the baselines."""

import math
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from scripts.evaluate import BASELINES, PRODUCT, Asked
from scripts.labelled import MAIN
from scripts.scoring import Score, score, total

EIGHT: Final = "The eight"
ALL: Final = "All"
POOLS: Final = (EIGHT, ALL)

Rows = dict[str, dict[str, Score]]


def rows_of(asked: Sequence[Asked]) -> Rows:
    """Return the scores by category, those of the eight first, then pooled, for each answerer."""
    by_name = {name: score(each.cases[name] for each in asked) for name in (PRODUCT, *BASELINES)}
    found = by_name[PRODUCT]
    main: list[str] = [category for category in MAIN if category in found]
    categories = [*main, *sorted(found.keys() - set(main))]
    rows = {c: {name: scores[c] for name, scores in by_name.items()} for c in categories}
    pools = {EIGHT: main} if len(main) == len(MAIN) else {}
    for title, pool in {**pools, ALL: categories}.items():
        rows[title] = {name: total(scores[c] for c in pool) for name, scores in by_name.items()}
    return rows


HEADINGS: Final = (
    *("has it", "recall", "precision", "absent", "said absent", "value right"),
    *(f"{name}: {rate}" for name in BASELINES for rate in ("recall", "precision")),
)


def cells(scores: dict[str, Score]) -> list[str]:
    """Return a row of the table, by `HEADINGS`; a rate of nothing is a dash."""
    ours = scores[PRODUCT]
    rates = [ours.recall, ours.precision, ours.silence, ours.agreement]
    for name in BASELINES:
        rates += [scores[name].recall, scores[name].precision]
    recall, precision, silence, agreement, *baselines = [
        "–" if math.isnan(rate) else f"{rate:.2f}" for rate in rates
    ]
    counts = str(ours.present), str(ours.absent)
    return [counts[0], recall, precision, counts[1], silence, agreement, *baselines]


def print_table(rows: Rows, console: Console) -> None:
    """Print the table."""
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for category, scores in rows.items():
        table.add_row(category, *cells(scores), style="bold" if category in POOLS else None)
        if category == EIGHT or (category == MAIN[-1] and EIGHT in rows):
            table.add_section()
    console.print(table)


def as_json(rows: Rows) -> dict[str, Any]:
    """Return the table as JSON: rates from 0 to 1, or null where there is nothing to rate."""

    def rate(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    return {
        category: {
            name: {
                "recall": rate(found.recall),
                "precision": rate(found.precision),
                "said_absent": rate(found.silence),
                "value_right": rate(found.agreement),
                "present": found.present,
                "absent": found.absent,
                "quotes": found.quotes,
                "values": found.valued,
            }
            for name, found in scores.items()
        }
        for category, scores in rows.items()
    }
