"""What people thought of answers: a thumb and a comment, kept with the run."""

import time
from typing import Literal

from storage.audit import digest
from storage.errors import ConditionFailed
from storage.keys import key
from storage.ports import Absent, Item, Put, Table
from storage.records import Feedback, Identity, readable


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
