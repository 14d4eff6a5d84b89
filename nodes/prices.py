"""What models take, in dollars: the prices that are known, and what tokens cost by them.

A price that nobody knows counts as nothing, and so a limit in dollars would never stop a run: it is
refused instead.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import Field

from nodes.offline import OFFLINE
from storage.errors import InvalidInput
from storage.records import Budget, Record, Usage


class Price(Record):
    """What a model takes, in dollars per million tokens."""

    input: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(None, ge=0, allow_inf_nan=False)
    """For input that the service has cached; None: as for other input."""
    output: float = Field(ge=0, allow_inf_nan=False)


PRICES: Final[Mapping[str, Price]] = {
    "gpt-4o": Price(input=2.50, cached=1.25, output=10.00),
    "gpt-4o-2024-05-13": Price(input=5.00, output=15.00),
    "gpt-4o-mini": Price(input=0.15, cached=0.075, output=0.60),
    OFFLINE: Price(input=0, output=0),
}
"""By name, unless the settings say otherwise. Source: OpenAI's price list, 2026."""
_DATED: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def price_of(model: str, prices: Mapping[str, Price] = PRICES) -> Price | None:
    """Return what a model takes, or None if no price is known.

    A dated version of a model costs what the model costs, unless it has a price of its own.
    """
    return prices.get(model) or prices.get(_DATED.sub("", model))


def cost_of(price: Price | None, usage: Usage) -> float:
    """Return what tokens cost in dollars; 0 without a price."""
    if price is None:
        return 0.0
    fresh = usage.input_tokens - usage.cached_tokens
    cached = price.input if price.cached is None else price.cached
    dollars = (
        fresh * price.input + usage.cached_tokens * cached + usage.output_tokens * price.output
    )
    return dollars / 1e6


def check_priced(model: str, price: Price | None, budget: Budget) -> None:
    """Check that a limit in dollars can be kept.

    Raises:
        InvalidInput: nobody knows what the model takes; the message says what to do.
    """
    if price is None and budget.dollars is not None:
        raise InvalidInput(
            f"No price is known for the model {model!r}, so no limit in dollars can be kept. Name "
            f'it, in dollars per million tokens: AFFIDAVIT_MODEL_PRICES=\'{{"{model}": '
            '{"input": 1.5, "output": 6}}\'; or limit tokens instead.'
        )
