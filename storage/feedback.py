"""What people thought of answers and tables: thumbs, and values of cells that should be others.

run/{run}     {id}      a thumb with a comment
cells/{run}   {id}      a correction of one cell; the cell itself stays as it was extracted
"""

import time
from typing import Literal

from storage.audit import digest
from storage.errors import ConditionFailed, NotFound
from storage.keys import key
from storage.ports import Absent, Check, Delete, FieldIs, Item, Put, Table
from storage.records import CellValue, Correction, Feedback, Identity
from storage.texts import readable


class FeedbackStore:
    """The feedback of a workspace."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self, run_id: str, rating: Literal["up", "down"], comment: str, identity: Identity
    ) -> Feedback:
        """Keep what someone thought; who says the same twice in a row has said it once."""
        mine = [each for each in self.of(run_id) if each.created_by == identity.name]
        last = mine[-1] if mine else None
        if last and (last.rating, last.comment) == (rating, readable(comment)):
            return last
        # Of two at once, a doubled click say, both have the same id, and one is kept.
        after = last.id if last else ""
        feedback = Feedback(
            id=digest([run_id, identity.name, rating, readable(comment), after])[:32],
            run_id=run_id,
            rating=rating,
            comment=comment,
            created_at=time.time(),
            created_by=identity.name,
        )
        item = Item(key("run", run_id), key(feedback.id), feedback.model_dump(mode="json"))
        try:
            self._table.put(item, Absent())
        except ConditionFailed:
            found = self._table.get(item.pk, item.sk)
            return Feedback.model_validate(found.body) if found else feedback
        return feedback

    def blank(self, feedback: Feedback) -> Put:
        """Return the action that takes the comment out of what someone thought."""
        body = feedback.model_copy(update={"comment": ""}).model_dump(mode="json")
        item = Item(key("run", feedback.run_id), key(feedback.id), body)
        return Put(item, table="feedback")

    def of(self, run_id: str) -> list[Feedback]:
        """Return the feedback on a run, oldest first."""
        found = [Feedback.model_validate(i.body) for i in self._table.query(key("run", run_id))]
        return sorted(found, key=lambda each: each.created_at)

    def drop(self, correction: Correction) -> Delete:
        """Return the action that removes a correction."""
        at = key("cells", correction.run_id), key(correction.id)
        return Delete(*at, table="feedback")

    def correct(
        self,
        run_id: str,
        cell: tuple[str, str],
        value: CellValue,
        comment: str,
        identity: Identity,
    ) -> Correction:
        """Keep what someone says that a cell, named by document and column, should have held.

        Who says the same as the last time has said it once.

        Raises:
            NotFound: the document has been erased.
        """
        document_id, field = cell
        same = [c for c in self.corrections(run_id) if (c.document_id, c.field) == cell]
        last = same[-1] if same else None
        said = (identity.name, value, readable(comment))
        if last and (last.created_by, last.value, last.comment) == said:
            return last
        # Of two at once, a doubled click say, both have the same id, and one is kept.
        made_of = [run_id, document_id, field, *said, last.id if last else ""]
        correction = Correction(
            id=digest(made_of)[:32],
            run_id=run_id,
            document_id=document_id,
            field=field,
            value=value,
            comment=comment,
            created_at=time.time(),
            created_by=identity.name,
        )
        item = Item(key("cells", run_id), key(correction.id), correction.model_dump(mode="json"))
        # An erasure finds what was said before it began, and nothing is said after that.
        at, there = key("document", document_id), FieldIs("id", document_id)
        still = Check(at, "document", there, table="documents")
        try:
            self._table.transact([Put(item, Absent()), still])
        except ConditionFailed as failure:
            if 1 in failure.failed:
                raise NotFound(f"There is no document {document_id} here any more.") from None
            found = self._table.get(item.pk, item.sk)
            return Correction.model_validate(found.body) if found else correction
        return correction

    def corrections(self, run_id: str) -> list[Correction]:
        """Return the corrections of cells of a run's table, oldest first."""
        found = self._table.query(key("cells", run_id))
        kept = [Correction.model_validate(item.body) for item in found]
        return sorted(kept, key=lambda each: each.created_at)
