"""What is asked of a child that draws a page, and what it answers.

Nothing here draws: that is in `tools.parsers.pdf_picture`, and who asks is `tools.pictures`.
"""

from typing import Final, NamedTuple

from pydantic import ConfigDict, Field

from storage.records import Record

SCALE: Final = 2.0
"""Pixels of a point, where nothing else is said."""
MOST_MARKS: Final = 50


class Box(NamedTuple):
    """A rectangle in points, from the left and upper edges of the page as it is shown."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, across: float, down: float) -> bool:
        """Whether a place is in it."""
        return self.left <= across <= self.right and self.top <= down <= self.bottom

    def touches(self, other: "Box") -> bool:
        """Whether another reaches into it, by more than a hair."""
        hair = 0.1 * min(other.right - other.left, other.bottom - other.top)
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > hair and down > hair

    def joined(self, other: "Box") -> "Box":
        """The smallest box around both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle: a mark covers a character if it covers the middle of its ink."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.right <= self.left or self.bottom <= self.top


class Order(Record):
    """What is to be drawn."""

    page: int = Field(ge=1)
    text: str
    """The stored text of the page."""
    marks: list[tuple[int, int]] = Field(default_factory=list)
    """Stretches of that text, in code points, half open."""
    scale: float = Field(SCALE, ge=0.1, le=20)
    """Pixels of a point; fewer where the picture would become too large."""


class Picture(Record):
    """A page as a picture."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    png: bytes = b""
    """Empty where the page cannot be drawn; `reason` says why."""
    width: float = 0.0
    """Of the page as it is shown, in points."""
    height: float = 0.0
    scale: float = 0.0
    """Pixels of a point."""
    marks: list[list[Box]] = Field(default_factory=list)
    """For each stretch, a box for each of its lines; none where it cannot be marked exactly."""
    reason: str = ""
