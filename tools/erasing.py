"""The tool that erases a document: for good, everywhere, once a person has approved exactly that.

What is approved names the versions, the conversations and runs that lose what they have kept of the
document, and what stays nevertheless. If any of that has changed by the time of the decision, the
person is asked anew. It is a `repeatable` effect: the document is gone in the transaction that says
it was begun, and what is deleted after that may be deleted again. An erasure that was broken off
for good (its run was cancelled, say) is gone on with by whoever asks for it again.
"""

from langchain_core.runnables.config import ensure_config
from pydantic import BaseModel, Field

from storage.erasure import Erasure
from storage.errors import NotAllowed, NotFound
from storage.times import utc
from storage.tombstones import Tombstone
from tools.registry import Plan, Registry, plans

NAME = "erase_document"


class EraseDocument(BaseModel):
    """Arguments of `erase_document`."""

    document_id: str = Field(description="The document's id, as name_documents gives it")


def add_erasing_tools(registry: Registry, erasure: Erasure) -> None:
    """Register the tool that erases documents."""

    def erase_document(document_id: str) -> Plan:
        """Erase a document for good: every version, and all that conversations have kept of it."""
        run_id, thread_id = _asking()
        if gone := erasure.tombstone(document_id):
            return _go_on(erasure, gone, run_id)
        survey = erasure.survey(document_id)
        if thread_id in survey.threads:
            raise NotAllowed(
                f"This conversation holds text of {survey.document.name} itself, and cannot end "
                f"while it is emptied: ask in a new one, or `affidavit erase {document_id}`."
            )
        shows = erasure.shows(survey)
        return Plan(
            shows=shows,
            done=f"Erased {survey.document.name} ({document_id}).",
            actions=erasure.begin(survey, run_id, shows),
            call=lambda: erasure.finish(document_id),
            as_it_is=True,
        )

    registry.add(plans(EraseDocument, erase_document), "destructive", "repeatable")


def _go_on(erasure: Erasure, gone: Tombstone, run_id: str) -> Plan:
    """Plan to go on with an erasure: this run's own after a crash, or one that was broken off."""
    shows = gone.approved.get(run_id)
    mine = shows is not None
    if shows is None:
        if gone.done:
            raise NotFound(f"Document {gone.document_id} was erased on {utc(gone.at)}.")
        begun = f"Go on with what run {gone.by} has begun on {utc(gone.at)}, and not ended:"
        shows = f"{begun}\n{gone.approved[gone.by]}"
    return Plan(
        shows=shows,
        done=f"Erased {gone.document_id}.",
        actions=[] if mine else erasure.take_over(gone, run_id, shows),
        call=lambda: erasure.finish(gone.document_id),
        as_it_is=True,
    )


def _asking() -> tuple[str, str]:
    """Return the run that asks, and its thread, by LangChain's own context; empty: none does."""
    configurable = ensure_config().get("configurable") or {}
    return str(configurable.get("run_id", "")), str(configurable.get("thread_id", ""))
