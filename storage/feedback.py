"""What people thought of answers: a thumb and a comment, kept with the run."""

import time
import uuid
from collections.abc import Iterator
from typing import Literal

from storage.keys import key
from storage.ports import Item, Table
from storage.records import Feedback, Identity


class FeedbackStore:
    """The feedback of a workspace."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self, run_id: str, rating: Literal["up", "down"], comment: str, identity: Identity
    ) -> Feedback:
        """Keep what someone thought; saying it again keeps both, the later one last."""
        feedback = Feedback(
            id=uuid.uuid4().hex,
            run_id=run_id,
            rating=rating,
            comment=comment,
            created_at=time.time(),
            created_by=identity.name,
        )
        body = feedback.model_dump(mode="json")
        sk = key(int(feedback.created_at * 1000), feedback.id)
        self._table.put(Item(key("run", run_id), sk, body))
        return feedback

    def of(self, run_id: str) -> Iterator[Feedback]:
        """Yield the feedback on a run, oldest first."""
        for item in self._table.query(key("run", run_id)):
            yield Feedback.model_validate(item.body)
