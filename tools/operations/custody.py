"""Operations on what surrounds a deliverable: its tags, its retention, and links to it.

A link gives the bytes to whoever holds it, without signing in, until it expires. So making one is
no read: it asks for approval like a write, it points to the version that was approved, and it lives
for a day at most. It stands in the record of the run that made it, where those who may read the
workspace find it as long as it works.
"""

import time
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from storage.errors import InvalidInput
from storage.objects import ObjectStore
from storage.times import utc
from tools.operations.objects import described, existing
from tools.registry import Plan, Registry, plans

MOST_MINUTES: Final = 24 * 60
MOST_YEARS: Final = 30

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_TAG: Final = r"^[\w +=.:/@-]*$"
TagKey = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_TAG)]
TagValue = Annotated[str, StringConstraints(max_length=256, pattern=_TAG)]


class TagObject(BaseModel):
    """Arguments of `tag_object`."""

    key: str = Field(min_length=1, max_length=512)
    tags: dict[TagKey, TagValue] = Field(max_length=10, description="All tags; {} removes them")


class SetRetention(BaseModel):
    """Arguments of `set_retention`."""

    key: str = Field(min_length=1, max_length=512)
    until: date = Field(description="The last day on which it is kept, such as 2030-12-31")


class PresignObject(BaseModel):
    """Arguments of `presign_object`."""

    key: str = Field(min_length=1, max_length=512)
    minutes: int = Field(60, ge=1, le=MOST_MINUTES, description="How long the link works")


def add_custody_tools(registry: Registry, objects: ObjectStore) -> None:
    """Register the operations on tags, retention and links."""

    def tag_object(key: str, tags: dict[str, str]) -> Plan:
        """Give an object of the bucket deliverables these tags, and no others."""
        before = existing(objects, key)
        told = ", ".join(f"{name}={value}" for name, value in sorted(tags.items())) or "none"
        had = ", ".join(f"{name}={value}" for name, value in sorted(before.tags.items())) or "none"
        return Plan(
            shows=f"Set the tags of {described(before)} to: {told}; they are: {had}.",
            done=f"The tags of {key} are: {told}.",
            actions=objects.tag(before, tags),
        )

    def set_retention(key: str, until: date) -> Plan:
        """Let nobody delete an object of the bucket deliverables up to the end of a day (UTC)."""
        before, end = existing(objects, key), _end_of(until)
        if end < before.retain_until:
            raise InvalidInput(
                f"{key} is retained until {utc(before.retain_until)}, and that can only be "
                "prolonged."
            )
        # What is shown is the same when a plan that was begun is made again.
        return Plan(
            shows=f"Retain {described(before)} until {utc(end)}: nobody can delete it before.",
            done=f"{key}, version {before.version}, is retained until {utc(end)}.",
            actions=objects.retain(before, end),
            call=lambda: objects.apply_retention(before, end),
        )

    def presign_object(key: str, minutes: int = 60) -> Plan:
        """Make a link from which anyone can download an object of the bucket deliverables."""
        found = existing(objects, key)
        objects.link(found, 60)  # where there are no links, nobody is asked
        return Plan(
            shows=f"Make a link to {described(found)} that works for {minutes} minutes. Whoever "
            "has the link can download it without signing in.",
            done=f"This link to {key}, version {found.version}, works for {minutes} minutes:",
            call=lambda: objects.link(found, 60 * minutes),
        )

    registry.add(plans(TagObject, tag_object), "write", "transaction")
    registry.add(plans(SetRetention, set_retention), "write", "repeatable")
    registry.add(plans(PresignObject, presign_object), "write", "repeatable")


def _end_of(day: date) -> float:
    """Return the last second of a day in UTC, in seconds since the epoch.

    Raises:
        InvalidInput: it is past, or so far that it must be a mistake.
    """
    today = datetime.fromtimestamp(time.time(), UTC).date()
    if not today <= day or day.year - today.year > MOST_YEARS:
        raise InvalidInput(
            f"An object is retained until a day from {today} on, {MOST_YEARS} years at most; "
            f"{day} is none."
        )
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC).timestamp()
