"""A run that gets the text of a document, by whatever way, stands in the document's list."""

from langchain_core.messages import AIMessage

from graph import Orchestrator
from storage.records import Document
from tests.scripted import Scripted, calls

from .conftest import LEASE, SUPPLY, OpenDesk


def lease(desk: Orchestrator) -> Document:
    desk.documents.add(SUPPLY.encode(), name="supply.txt")
    return desk.documents.add(LEASE.encode(), name="lease.txt")


def readers(desk: Orchestrator, document: Document) -> list[str]:
    return [each.run_id for each in desk.resources.uses.of(document.id)]


def test_a_question_and_its_fork(desk: Orchestrator) -> None:
    document = lease(desk)
    supply = desk.documents.list()[0]
    run = desk.invoke("What is the monthly rent?", documents=[document.id])
    assert run.answer
    assert run.answer.claims
    assert readers(desk, document) == [run.id]
    assert readers(desk, supply) == []  # it was indexed for the run, and no page of it shown

    fork = desk.runs.fork(run.id)
    assert readers(desk, document) == [run.id, fork.id]


def test_what_tools_read_in_the_records_of_other_runs(open_desk: OpenDesk) -> None:
    """An item that names a document may hold its text; a list of names holds none."""
    desk = open_desk()
    document = lease(desk)
    run = desk.invoke("What is the monthly rent?", documents=[document.id])

    def custodian(
        agent: str, form: str, payload: dict[str, list[str]]
    ) -> dict[str, object] | AIMessage:
        if agent == "supervisor":
            return {"question": "?", "agents": ["custodian"]}
        if payload["returned"]:
            return AIMessage("done")
        return calls(wanted)

    wanted: tuple[str, dict[str, object]] = ("list_objects", {"bucket": "artifacts"})
    other = open_desk(model=Scripted(script=custodian))
    assert other.invoke("List them").status == "success"
    assert readers(desk, document) == [run.id]

    wanted = ("list_documents", {})  # with their titles, parties and dates
    listed = other.invoke("List them")
    assert readers(desk, document) == [run.id, listed.id]

    wanted = ("get_item", {"table": "runs", "pk": f"run/{run.id}", "sk": "run"})
    looked = other.invoke("Look at the run")
    assert looked.status == "success"
    assert readers(desk, document) == [run.id, listed.id, looked.id]
