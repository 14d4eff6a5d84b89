"""What goes wrong between a program and AWS: every write is right all the same, and done once."""

from collections.abc import Callable, Iterator

import pytest

from storage.aws import dynamodb, s3
from storage.aws.clients import Clients
from storage.aws.dynamodb import DynamoTable
from storage.aws.s3 import S3Blobs
from storage.errors import ConditionFailed, Unavailable
from storage.ports import Absent, Delete, Item, Put, VersionIs
from tests.aws import Aws
from tests.faults import (
    Fault,
    Faults,
    breaks_off,
    fails_after,
    hangs_up,
    leaves_unprocessed,
    loses_the_answer,
    never_answers,
    refuses,
)

throttled = refuses("ProvisionedThroughputExceededException")
failed = refuses("InternalServerError", 500)
conflict = refuses("TransactionConflictException")
cancelled = refuses(
    "TransactionCanceledException",
    CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}, {"Code": "None"}],
)
slow_down = refuses("SlowDown", 503)
conflicting_put = refuses("ConditionalRequestConflict", 409)

NOT_DONE = {"throttled": throttled, "failed": failed, "hangs_up": hangs_up}
DONE = {
    "loses_the_answer": loses_the_answer,
    "never_answers": never_answers,
    "fails_after": fails_after,
}
FAULTS = [pytest.param(fault, id=name) for name, fault in {**NOT_DONE, **DONE}.items()]
DOUBTS = [pytest.param(fault, id=name) for name, fault in DONE.items()]


@pytest.fixture(autouse=True)
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0)
    for module in (dynamodb, s3):
        monkeypatch.setattr(module, "PAUSES", (0.001,) * 8)


@pytest.fixture
def faults(aws: Aws) -> Iterator[Faults]:
    with Faults(aws.endpoint) as faults:
        yield faults


@pytest.fixture
def table(aws: Aws, faults: Faults) -> Iterator[DynamoTable]:
    """A table behind the faults, whose client waits less than a slow answer takes."""
    clients = aws.clients(endpoint=faults.endpoint, read_seconds=0.5)
    sisters = {"audit": aws.names.table("audit")}
    yield DynamoTable(clients.dynamodb, aws.names.table("runs"), sisters)
    clients.close()


@pytest.fixture(scope="module")
def past_the_faults(aws_server: Aws) -> Iterator[Clients]:
    clients = aws_server.clients()
    yield clients
    clients.close()


@pytest.fixture
def behind(aws: Aws, past_the_faults: Clients) -> DynamoTable:
    """The same table, past the faults."""
    return DynamoTable(past_the_faults.dynamodb, aws.names.table("runs"))


@pytest.fixture
def blobs(aws: Aws, faults: Faults) -> Iterator[S3Blobs]:
    clients = aws.clients(endpoint=faults.endpoint, read_seconds=0.5)
    yield S3Blobs(clients.s3, aws.names.bucket("state"))
    clients.close()


Write = Callable[[DynamoTable], None]
STOOD = Item("p", "old", {"n": 1}, version=1)
WRITES: dict[str, tuple[str, Write, list[Item]]] = {
    "put": (
        "PutItem",
        lambda t: t.put(Item("p", "new")),
        [Item("p", "new"), STOOD],
    ),
    "put if absent": (
        "PutItem",
        lambda t: t.put(Item("p", "new", {"a": 0.5}), Absent()),
        [Item("p", "new", {"a": 0.5}), STOOD],
    ),
    "put at a version": (
        "PutItem",
        lambda t: t.put(Item("p", "old", {"n": 2}, version=2), VersionIs(1)),
        [Item("p", "old", {"n": 2}, version=2)],
    ),
    "delete at a version": (
        "DeleteItem",
        lambda t: t.delete("p", "old", VersionIs(1)),
        [],
    ),
    "transact": (
        "TransactWriteItems",
        lambda t: t.transact(
            [
                Put(Item("p", "new", version=2), Absent()),
                Delete("p", "old", VersionIs(1)),
                Put(Item("q", "event"), Absent(), table="audit"),
            ]
        ),
        [Item("p", "new", version=2)],
    ),
    "delete several": (
        "TransactWriteItems",
        lambda t: t.transact([Delete("p", "old", VersionIs(1)), Delete("p", "none")]),
        [],
    ),
    "batch": (
        "BatchWriteItem",
        lambda t: t.batch_write([Item("p", "new")], [("p", "old")]),
        [Item("p", "new")],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_done_once(
    table: DynamoTable, behind: DynamoTable, faults: Faults, write: str, fault: Fault
) -> None:
    behind.put(STOOD)
    operation, act, left = WRITES[write]
    faults.on(operation, fault)

    act(table)

    assert list(behind.query("p")) == left
    assert faults.calls.count(operation) >= 2


@pytest.mark.parametrize("fault", DOUBTS)
@pytest.mark.parametrize("write", [name for name in WRITES if name != "batch"])
def test_a_write_none_of_whose_answers_arrives_is_read_back(
    table: DynamoTable, behind: DynamoTable, faults: Faults, write: str, fault: Fault
) -> None:
    behind.put(STOOD)
    operation, act, left = WRITES[write]
    faults.on(operation, *[fault] * 5)

    act(table)

    assert list(behind.query("p")) == left


@pytest.mark.parametrize("fault", FAULTS)
def test_another_writer_of_the_same_bytes_is_not_taken_for_oneself(
    table: DynamoTable, behind: DynamoTable, faults: Faults, fault: Fault
) -> None:
    """Two workers that claim alike do not both believe that they have won."""
    behind.put(Item("p", "claim", {"by": "either"}), Absent())
    faults.on("PutItem", fault)
    faults.on("TransactWriteItems", fault)

    with pytest.raises(ConditionFailed, match="claim"):
        table.put(Item("p", "claim", {"by": "either"}), Absent())
    with pytest.raises(ConditionFailed) as caught:
        table.transact([Put(Item("p", "more")), Put(Item("p", "claim", {"by": "e"}), Absent())])
    assert caught.value.failed == (1,)
    assert [item.sk for item in behind.query("p")] == ["claim"]


def test_what_conflicts_is_tried_again(
    table: DynamoTable, behind: DynamoTable, faults: Faults
) -> None:
    behind.put(STOOD)
    faults.on("PutItem", conflict, conflict)
    faults.on("TransactWriteItems", cancelled, cancelled, cancelled)

    WRITES["put if absent"][1](table)
    table.delete("p", "new")
    WRITES["transact"][1](table)

    assert list(behind.query("p")) == WRITES["transact"][2]


def test_a_lost_answer_and_then_a_conflict_is_still_one_write(
    table: DynamoTable, behind: DynamoTable, faults: Faults
) -> None:
    behind.put(STOOD)
    faults.on("TransactWriteItems", loses_the_answer, cancelled)

    WRITES["transact"][1](table)

    assert list(behind.query("p")) == WRITES["transact"][2]


@pytest.mark.parametrize("fault", [conflict, throttled, failed, hangs_up])
def test_what_never_gets_through_can_be_tried_later(
    table: DynamoTable, behind: DynamoTable, faults: Faults, fault: Fault
) -> None:
    faults.choose(lambda request: fault)
    with pytest.raises(Unavailable):
        table.put(Item("p", "s"), Absent())
    assert behind.get("p", "s") is None


def test_what_cannot_be_read_back_is_not_known(table: DynamoTable, faults: Faults) -> None:
    faults.on("PutItem", *[loses_the_answer] * 5)
    faults.on("GetItem", *[failed] * 5)
    with pytest.raises(Unavailable, match="not known"):
        table.put(Item("p", "s"), Absent())


def test_what_was_left_unprocessed_is_sent_again(table: DynamoTable, faults: Faults) -> None:
    items = [Item("p", f"{n}") for n in range(4)]
    faults.on("BatchWriteItem", leaves_unprocessed, leaves_unprocessed)
    faults.on("BatchGetItem", leaves_unprocessed, leaves_unprocessed)

    table.batch_write(items)
    found = table.batch_get([(item.pk, item.sk) for item in items])

    assert sorted(found) == [("p", f"{n}") for n in range(4)]
    assert faults.calls.count("BatchWriteItem") >= 3
    assert faults.calls.count("BatchGetItem") >= 3


def test_a_batch_of_which_nothing_is_taken_ends(table: DynamoTable, faults: Faults) -> None:
    faults.choose(lambda request: leaves_unprocessed)
    with pytest.raises(Unavailable, match="takes no more"):
        table.batch_write([Item("p", f"{n}") for n in range(40)])


S3_FAULTS = [
    *DOUBTS,
    pytest.param(slow_down, id="slow_down"),
    pytest.param(conflicting_put, id="conflict"),
    pytest.param(hangs_up, id="hangs_up"),
]


@pytest.mark.parametrize("fault", S3_FAULTS)
def test_an_object_is_stored_once_and_by_whom(blobs: S3Blobs, faults: Faults, fault: Fault) -> None:
    faults.on("PUT", fault)
    assert blobs.put("mine", b"mine")
    assert blobs.get("mine") == b"mine"

    faults.on("PUT", fault)
    assert not blobs.put("mine", b"yours")
    assert blobs.get("mine") == b"mine"


@pytest.mark.parametrize("fault", DOUBTS)
def test_an_object_none_of_whose_answers_arrives_is_read_back(
    blobs: S3Blobs, faults: Faults, fault: Fault
) -> None:
    faults.on("PUT", *[fault] * 5)
    assert blobs.put("k", b"bytes")


@pytest.mark.parametrize("fault", [breaks_off, hangs_up, slow_down])
def test_an_object_is_read_whole(blobs: S3Blobs, faults: Faults, fault: Fault) -> None:
    data = bytes(range(256)) * 4000
    blobs.put("k", data)
    faults.on("GET", fault, fault)
    assert blobs.get("k") == data


def test_an_object_that_never_arrives_can_be_read_later(blobs: S3Blobs, faults: Faults) -> None:
    blobs.put("k", b"bytes" * 1000)
    faults.choose(lambda request: breaks_off)
    with pytest.raises(Unavailable):
        blobs.get("k")
