"""What telemetry is on every back end: how an event is written, and which periods may be asked for.

An event that cannot be kept is dropped and logged here: telemetry never fails its caller.
"""

import json
import logging
import math
from collections.abc import Mapping
from typing import Final

from storage.errors import InvalidInput
from storage.ports import UNITS, Value

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MAX_EVENT_BYTES: Final = 256 * 1024 - 26
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
MAX_PERIODS: Final = 1440
PERIOD_UNIT: Final = 60
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
_LARGEST: Final = 2.0**360

logger = logging.getLogger(__name__)


def event_text(record: Mapping[str, Value]) -> str | None:
    """Return an event as one line of JSON, or None if it is too large for a log."""
    text = json.dumps(dict(record), default=str, ensure_ascii=False)
    data = text.encode(errors="backslashreplace")  # half a surrogate pair is no UTF-8
    if len(data) > MAX_EVENT_BYTES:
        logger.warning("An event of %d bytes was dropped: it is too large for a log.", len(data))
        return None
    return data.decode()


def is_measurable(name: str, value: float, unit: str) -> bool:
    """Return whether a value can be kept: a number of a known unit under a plain name."""
    plain = 0 < len(name) <= 255 and name.isascii() and name.isprintable() and name[0] != ":"
    if plain and unit in UNITS and math.isfinite(value) and abs(value) <= _LARGEST:
        return True
    logger.warning("A value of the metric %.60r was dropped: it cannot be kept.", name)
    return False


def first_period(start: float, end: float, period: int) -> int:
    """Return when the period begins in which `start` lies, in seconds since the epoch.

    Raises:
        InvalidInput: the period is no multiple of 60, or `[start, end)` has too many of them.
    """
    if period <= 0 or period % PERIOD_UNIT:
        raise InvalidInput(f"A period is a multiple of {PERIOD_UNIT} seconds, not {period}.")
    first = math.floor(start / period) * period
    if (end - first) / period > MAX_PERIODS:
        raise InvalidInput(
            f"There are more than {MAX_PERIODS:,} periods of {period} seconds in this time: ask "
            "for longer periods or for less time."
        )
    return first
