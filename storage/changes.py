"""The changes of a workspace's catalogue, numbered without a gap.

Whoever adds a document, gives it a new version or removes it notes in the same transaction that it
changed. So what follows the catalogue (the search index, on every machine) asks one small question,
"what came after number n", instead of reading the catalogue. A change says which document, not how:
the catalogue itself says what became of it, so following a change twice, or late, does no harm.

A number is taken on the condition that nothing stands there, by whoever has seen the one before it:
none is ever filled in later.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from storage.errors import ConditionFailed, Unavailable
from storage.keys import key
from storage.ports import Absent, Action, Item, Put, Table

_CHANGES: Final = "changes"
_TRIES: Final = 50
_PAUSE: Final = 0.05
"""Seconds, at most, before a number is looked for again that another writer took."""


@dataclass(frozen=True, slots=True)
class Change:
    """That a document is to be looked at again."""

    number: int
    document_id: str


class Changes:
    """The changes of a workspace's catalogue."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def last(self) -> int:
        """Return the number of the last change; 0 if there was none."""
        found = next(self._table.query(_CHANGES, reverse=True, limit=1), None)
        return int(found.sk) if found else 0

    def after(self, number: int, limit: int | None = None) -> Iterator[Change]:
        """Yield the changes behind a number, oldest first."""
        for item in self._table.query(_CHANGES, after=key(number), limit=limit):
            yield Change(int(item.sk), cast(str, item.body["document_id"]))

    def commit(self, document_id: str, actions: Sequence[Action] = ()) -> int:
        """Do actions on the table and note that they changed a document, all or nothing.

        Returns the number of the change.

        Raises:
            ConditionFailed: a condition of the actions does not hold; nothing was written.
            Unavailable: others kept writing at the same time.
        """
        for _ in range(_TRIES):
            number = self.last() + 1
            noted = Put(Item(_CHANGES, key(number), {"document_id": document_id}), Absent())
            try:
                self._table.transact([*actions, noted])
            except ConditionFailed as error:
                if error.failed != (len(actions),):
                    raise
                time.sleep(random.uniform(0, _PAUSE))  # another writer was first: the next number
            else:
                return number
        raise Unavailable("Others keep changing the catalogue at the same time. Try again.")
