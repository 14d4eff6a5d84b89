"""How a moment is written for a person: in UTC, as ISO 8601 has it."""

from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def utc(seconds: float) -> str:
    """Return seconds since the epoch as in `2026-03-01T09:30:00Z`, milliseconds only if any."""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def day(seconds: float) -> str:
    """Return the day of a moment, in UTC, as in `3 March 2026`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
