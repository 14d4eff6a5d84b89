"""The suite of the ports: whatever a back end is, this is how it behaves."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.backend import Backend
from storage.errors import ConditionFailed, InvalidInput, NotAllowed, NotFound, TooLarge
from storage.ports import (
    Absent,
    Check,
    Delete,
    FieldIs,
    Item,
    Put,
    Table,
    Value,
    VersionIs,
)
from storage.workspace import Workspace


@pytest.fixture
def table(workspace: Workspace) -> Table:
    return workspace.tables.documents


NAMED = st.characters(exclude_categories=["Cs"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(NAMED)
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(NAMED), inner, max_size=4),
    max_leaves=8,
)
SOME_KEYS = sorted(["a", "a/1", "a/1/x", "a/2", "aa", "ab", "b", "b!", "ä", "\uffff", "😀"])
KEYS = st.sampled_from([*SOME_KEYS, "a/", "a/0", "c", "Z"])


@pytest.fixture
def filled(table: Table) -> Table:
    """A partition with some keys, one of them expired, and another partition beside it."""
    table.batch_write([Item("p", key) for key in SOME_KEYS])
    table.put(Item("p", "a/15", expires_at=1))
    table.put(Item("q", "a/1"))
    return table


class TestTable:
    def test_what_is_put_is_read_back(self, table: Table) -> None:
        body = {"n": 7, "f": 0.5, "s": "ü", "b": b"\0\xff", "none": None, "l": [1, {"k": True}]}
        table.put(Item("p", "s", body, version=3))

        assert table.get("p", "s") == Item("p", "s", body, version=3)
        assert table.get("p", "other") is None

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.dictionaries(st.text(NAMED, min_size=1), VALUES, max_size=6))
    def test_every_value_comes_back_as_what_it_was(
        self, table: Table, body: dict[str, Value]
    ) -> None:
        """By type too: 1, 1.0 and True are three values, and so are nothing and an empty text."""
        table.put(Item("p", "s", body))

        found = table.get("p", "s")
        assert found
        # The text of a value tells types apart, -0.0 from 0.0, and knows that nan is nan.
        assert sorted(map(repr, found.body.items())) == sorted(map(repr, body.items()))

    def test_values_of_any_depth_and_64_bits(self, table: Table) -> None:
        deep: Value = "bottom"
        for _ in range(60):
            deep = {"": [deep]}
        body: dict[str, Value] = {"deep": deep, "most": 2**63 - 1, "least": -(2**63)}
        table.put(Item("p", "s", body))

        found = table.get("p", "s")
        assert found
        assert found.body == body
        for n in (2**63, -(2**63) - 1):
            with pytest.raises(InvalidInput, match="64 bits"):
                table.put(Item("p", "s", {"l": [n]}))

    @pytest.mark.parametrize("value", [None, True, 0, 1, "", "1", b"", b"1"])
    def test_a_field_is_compared_by_its_type(
        self, table: Table, value: None | bool | int | str | bytes
    ) -> None:
        table.put(Item("p", "s", {"f": value}))

        others: list[None | bool | int | str | bytes] = [None, True, False, 0, 1, "", "1", b"1"]
        for other in others:
            if (type(other), other) != (type(value), value):
                with pytest.raises(ConditionFailed):
                    table.put(Item("p", "s", {"f": "changed"}), FieldIs("f", other))
        table.put(Item("p", "s", {"f": "changed"}), FieldIs("f", value))

    def test_put_writes_the_item_whole(self, table: Table) -> None:
        table.put(Item("p", "s", {"a": 1, "b": 2}))
        table.put(Item("p", "s", {"a": 3}))

        found = table.get("p", "s")
        assert found
        assert found.body == {"a": 3}

    def test_a_condition_that_does_not_hold_writes_nothing(self, table: Table) -> None:
        table.put(Item("p", "s", {"owner": "a"}, version=2))

        for when in (Absent(), VersionIs(1), FieldIs("owner", "b"), FieldIs("unknown", None)):
            with pytest.raises(ConditionFailed):
                table.put(Item("p", "s", {"owner": "z"}), when)
            with pytest.raises(ConditionFailed):
                table.delete("p", "s", when)
        found = table.get("p", "s")
        assert found
        assert found.body == {"owner": "a"}

    def test_a_condition_that_holds_lets_the_write_through(self, table: Table) -> None:
        table.put(Item("p", "s", {"owner": "a"}), Absent())
        table.put(Item("p", "s", {"owner": "b"}, version=2), VersionIs(1))
        table.put(Item("p", "s", {"owner": "c"}, version=3), FieldIs("owner", "b"))
        table.delete("p", "s", VersionIs(3))

        assert table.get("p", "s") is None

    def test_a_condition_on_what_is_not_there_fails(self, table: Table) -> None:
        for when in (VersionIs(1), FieldIs("a", 1)):
            with pytest.raises(ConditionFailed):
                table.put(Item("p", "s"), when)

    def test_deleting_twice_is_fine(self, table: Table) -> None:
        table.put(Item("p", "s"))
        table.delete("p", "s")
        table.delete("p", "s")

    def test_query_reads_a_partition_in_order_of_its_bytes(self, table: Table) -> None:
        for sk in ("b", "a", "Z", "ä", "a/2", "a/1", "aa", "😀", "\uffff"):
            table.put(Item("p", sk))
        table.put(Item("q", "a"))

        def keys(**options: object) -> list[str]:
            return [item.sk for item in table.query("p", **options)]  # type: ignore[arg-type]

        assert keys() == ["Z", "a", "a/1", "a/2", "aa", "b", "ä", "\uffff", "😀"]
        assert keys(reverse=True, limit=2) == ["😀", "\uffff"]
        assert keys(prefix="a/") == ["a/1", "a/2"]
        assert keys(prefix="a", reverse=True) == ["aa", "a/2", "a/1", "a"]
        assert keys(between=("a/1", "aa")) == ["a/1", "a/2", "aa"]
        assert keys(prefix="a", after="a/1") == ["a/2", "aa"]
        assert keys(prefix="a", after="a/2", reverse=True) == ["a/1", "a"]
        assert keys(prefix="none") == []
        assert keys(limit=0) == []

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.sampled_from(["", "a", "a/", "b", "ab"]),
        st.none() | st.tuples(KEYS, KEYS),
        st.just("") | KEYS,
        st.booleans(),
        st.none() | st.integers(0, 9),
    )
    def test_a_query_is_a_slice_of_the_sorted_keys(
        self,
        filled: Table,
        prefix: str,
        between: tuple[str, str] | None,
        after: str,
        reverse: bool,
        limit: int | None,
    ) -> None:
        given: dict[str, Any] = {"between": between} if between else {"prefix": prefix}
        found = filled.query("p", **given, after=after, reverse=reverse, limit=limit)

        low, high = between or (prefix, prefix + "\U0010ffff")
        inside = [key for key in SOME_KEYS if low <= key <= high]
        if after:
            inside = [key for key in inside if (key < after if reverse else key > after)]
        assert [item.sk for item in found] == inside[:: -1 if reverse else 1][:limit]

    def test_query_reads_past_one_page(self, table: Table) -> None:
        table.batch_write([Item("p", f"{n:04}", {"fill": "x" * 3000}) for n in range(700)])

        assert [i.sk for i in table.query("p")] == [f"{n:04}" for n in range(700)]
        assert len(list(table.query("p", limit=600))) == 600
        assert next(table.query("p", reverse=True)).sk == "0699"

    def test_batches_have_any_size(self, table: Table) -> None:
        table.batch_write([Item("p", f"{n:03}", {"n": n}) for n in range(230)])
        table.batch_write([Item("p", "new")], [("p", f"{n:03}") for n in range(10)])

        found = table.batch_get([("p", f"{n:03}") for n in range(240)] + [("p", "new")])
        assert len(found) == 221
        assert found["p", "017"].body == {"n": 17}

    def test_an_expired_item_counts_as_absent(self, table: Table) -> None:
        past, later = int(time.time()) - 10, int(time.time()) + 1000
        table.put(Item("p", "old", {"a": 1}, expires_at=past))
        table.put(Item("p", "new", {"a": 1}, expires_at=later))

        assert table.get("p", "old") is None
        assert [item.sk for item in table.query("p")] == ["new"]
        assert table.batch_get([("p", "old"), ("p", "new")]).keys() == {("p", "new")}
        with pytest.raises(ConditionFailed):
            table.put(Item("p", "old"), VersionIs(1))
        table.put(Item("p", "old"), Absent())

    def test_limits_are_those_of_dynamodb(self, table: Table) -> None:
        with pytest.raises(TooLarge, match="409600"):
            table.put(Item("p", "s", {"fill": "x" * 410_000}))
        with pytest.raises(TooLarge):
            table.put(Item("p", "s" * 1025))
        with pytest.raises(TooLarge):
            table.transact([Put(Item("p", f"{n}")) for n in range(101)])
        with pytest.raises(TooLarge):
            table.transact([Put(Item("p", f"{n}", {"x": "x" * 390_000})) for n in range(11)])
        with pytest.raises(InvalidInput):
            table.put(Item("p", ""))
        with pytest.raises(InvalidInput):
            table.put(Item("p", "s", {"not text": "\ud800"}))
        assert list(table.query("p")) == []


class TestTransactions:
    def test_all_or_none_over_several_tables(self, workspace: Workspace) -> None:
        runs, audit = workspace.tables.runs, workspace.tables.audit
        runs.put(Item("r", "run", {"status": "pending"}, version=1))

        with pytest.raises(ConditionFailed) as caught:
            runs.transact(
                [
                    Put(Item("r", "run", {"status": "running"}, version=2), VersionIs(1)),
                    Put(Item("r", "0", {"event": "claimed"}), Absent(), table="audit"),
                    Check("r", "lease", FieldIs("epoch", 1)),
                    Delete("r", "due", VersionIs(9)),
                ]
            )
        assert caught.value.failed == (2, 3)
        assert list(audit.query("r")) == []
        assert [item.version for item in runs.query("r")] == [1]

        runs.transact(
            [
                Put(Item("r", "run", {"status": "running"}, version=2), VersionIs(1)),
                Put(Item("r", "0", {"event": "claimed"}), Absent(), table="audit"),
            ]
        )
        assert [item.body for item in audit.query("r")] == [{"event": "claimed"}]
        assert [item.version for item in runs.query("r")] == [2]

    def test_one_item_is_touched_once(self, table: Table) -> None:
        with pytest.raises(InvalidInput):
            table.transact([Put(Item("p", "s")), Delete("p", "s")])

    def test_of_many_writers_at_one_version_one_wins(self, table: Table) -> None:
        table.put(Item("p", "s", {"n": 0}, version=0))

        def add_twenty() -> None:
            added = 0
            while added < 20:
                found = table.get("p", "s")
                assert found
                body = {"n": found.body["n"] + 1}  # type: ignore[operator]
                try:
                    table.transact(
                        [
                            Put(
                                Item("p", "s", body, found.version + 1),
                                VersionIs(found.version),
                            )
                        ]
                    )
                    added += 1
                except ConditionFailed:
                    pass

        _together(add_twenty, times=8)

        found = table.get("p", "s")
        assert found
        assert found.body == {"n": 160}

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.lists(
            st.lists(
                st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 3)),
                min_size=1,
                max_size=3,
                unique_by=lambda action: action[0],
            ),
            max_size=12,
        )
    )
    def test_a_table_is_a_dictionary_with_conditions(
        self, table: Table, history: list[list[tuple[str, bool, int]]]
    ) -> None:
        """Any history of transactions leaves what a plain dictionary would hold."""
        table.batch_write((), [("p", sk) for sk in "abc"])
        model: dict[str, int] = {}
        for actions in history:
            holds = all(model.get(sk, 0) == seen for sk, _, seen in actions)
            batch = [
                Put(Item("p", sk, version=seen + 1), VersionIs(seen) if seen else Absent())
                if write
                else Delete("p", sk, VersionIs(seen) if seen else Absent())
                for sk, write, seen in actions
            ]
            if holds:
                table.transact(batch)
                for sk, write, seen in actions:
                    model[sk] = seen + 1
                    if not write:
                        del model[sk]
            else:
                with pytest.raises(ConditionFailed):
                    table.transact(batch)
        assert {item.sk: item.version for item in table.query("p")} == model


class TestBlobs:
    def test_an_object_is_written_once(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.artifacts

        assert blobs.put("a/b", b"first")
        assert not blobs.put("a/b", b"second")
        assert blobs.get("a/b") == b"first"
        assert blobs.get("a/b", start=1, size=3) == b"irs"
        head = blobs.head("a/b")
        assert head
        assert (head.key, head.size) == ("a/b", 5)
        assert abs(head.modified - time.time()) < 3600

    def test_what_is_not_there(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.artifacts

        assert blobs.head("none") is None
        assert list(blobs.list()) == []
        blobs.delete("none")
        with pytest.raises(NotFound, match="none"):
            blobs.get("none")

    def test_keys_are_listed_in_order(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.artifacts
        for key in ("b", "a/2", "a/1", "a", "ab", "a/1/x"):
            blobs.put(key, b"")

        def keys(*args: str, **options: object) -> list[str]:
            return [info.key for info in blobs.list(*args, **options)]  # type: ignore[arg-type]

        assert keys() == ["a", "a/1", "a/1/x", "a/2", "ab", "b"]
        assert keys("a/") == ["a/1", "a/1/x", "a/2"]
        assert keys("a/1") == ["a/1", "a/1/x"]
        assert keys("a/", after="a/1", limit=1) == ["a/1/x"]
        blobs.delete("a/1")
        assert keys("a/") == ["a/1/x", "a/2"]

    @settings(
        max_examples=80,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
            st.sampled_from(
                ["..", "../../x", "/etc", "a//b", "A", "a", "CON", "x" * 900, ".tmp", "%", "a\0b"]
            ),
        )
    )
    def test_a_key_may_hold_anything(self, workspace: Workspace, key: str) -> None:
        blobs = workspace.buckets.documents
        blobs.put(key, key.encode())

        assert blobs.get(key) == key.encode()
        assert key in [info.key for info in blobs.list()]

    def test_of_many_writers_of_one_key_one_wins(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.state
        won: list[bytes] = []

        def put() -> None:
            mine = str(threading.get_ident()).encode()
            if blobs.put("k", mine):
                won.append(mine)

        _together(put, times=8)
        assert [blobs.get("k")] == won


class TestErasing:
    """An object goes with every version that its bucket keeps."""

    def test_put_again_it_is_another(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.documents
        blobs.put("a", b"one")
        blobs.delete("a")
        blobs.put("a", b"two")
        blobs.put("a.1", b"another")
        for _ in range(2):
            blobs.erase("a")
        assert [info.key for info in blobs.list()] == ["a.1"]
        blobs.put("a", b"three")
        assert blobs.get("a") == b"three"

    def test_what_is_retained_stays(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.deliverables
        blobs.put("memo", b"text")
        blobs.retain("memo", time.time() + 3600)
        with pytest.raises(NotAllowed, match="retained until"):
            blobs.erase("memo")
        assert blobs.get("memo") == b"text"


class TestRetention:
    """An object of the bucket `deliverables` can be kept from being deleted."""

    def test_what_is_retained_is_not_deleted_before(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.deliverables
        blobs.put("memo", b"text")
        blobs.put("other", b"text")
        blobs.retain("memo", time.time() + 3600)
        blobs.retain("memo", time.time() + 60)  # for shorter: changes nothing
        blobs.retain("memo", time.time() + 3600)

        for _ in range(2):
            with pytest.raises(NotAllowed, match="retained until"):
                blobs.delete("memo")
        assert blobs.get("memo") == b"text"
        assert [info.key for info in blobs.list()] == ["memo", "other"]
        blobs.delete("other")
        assert blobs.head("other") is None

    def test_once_it_is_over_it_can_be_deleted(self, workspace: Workspace) -> None:
        blobs = workspace.buckets.deliverables
        blobs.put("memo", b"text")
        blobs.retain("memo", time.time() + 1.2)
        with pytest.raises(NotAllowed):
            blobs.delete("memo")
        time.sleep(1.3)
        blobs.delete("memo")
        assert blobs.head("memo") is None

    def test_only_what_is_there_is_retained(self, workspace: Workspace) -> None:
        with pytest.raises(NotFound):
            workspace.buckets.deliverables.retain("none", time.time() + 60)


class TestQueue:
    def test_a_hint_is_received_until_it_is_deleted(self, workspace: Workspace) -> None:
        workspace.queue.send("run-1")
        (message,) = workspace.queue.receive(wait=2)
        assert message.body == "run-1"
        workspace.queue.delete(message)
        assert workspace.queue.receive() == []

    def test_a_hint_of_another_workspace_is_not_swallowed(self, backend: Backend) -> None:
        ours, theirs = backend.workspace("ours").queue, backend.workspace("theirs").queue
        theirs.send("run-1")
        assert ours.receive() == []
        assert [message.body for message in theirs.receive(wait=20)] == ["run-1"]


class TestTelemetry:
    def test_events_are_read_newest_first(self, workspace: Workspace) -> None:
        telemetry = workspace.telemetry
        telemetry.log("analyst", {"event": "started", "run": "r-1"})
        telemetry.log("analyst", {"event": "finished", "run": "r-1"})
        telemetry.log("writer", {"event": "started"})

        found = telemetry.logs("analyst", start=0, end=time.time() + 1)
        assert [event.record["event"] for event in found] == ["finished", "started"]
        found = telemetry.logs("analyst", start=0, end=time.time() + 1, contains="start")
        assert [event.record["event"] for event in found] == ["started"]
        assert telemetry.logs("analyst", start=0, end=1) == []
        with pytest.raises(InvalidInput, match="supervisor"):
            telemetry.logs("nobody", start=0, end=1)

    def test_an_event_may_say_when_it_happened(self, workspace: Workspace) -> None:
        telemetry, now = workspace.telemetry, time.time()
        for minutes in (30, 10, 20):
            telemetry.log("writer", {"minutes": minutes}, at=now - 60 * minutes)

        found = telemetry.logs("writer", start=now - 60 * 25, end=now - 60 * 5)
        assert [event.record["minutes"] for event in found] == [10, 20]
        assert [round(now - event.at) for event in found] == [600, 1200]
        assert len(telemetry.logs("writer", start=0, end=now, limit=2)) == 2

    def test_what_cannot_be_kept_is_dropped_and_fails_nobody(
        self, workspace: Workspace, caplog: pytest.LogCaptureFixture
    ) -> None:
        telemetry = workspace.telemetry
        telemetry.log("analyst", {"text": "x" * 300_000})
        telemetry.log("analyst", {"half a pair": "\ud800"})
        for name, value in (("m", math.nan), ("m", math.inf), ("ü", 1.0), ("", 1.0), (":m", 1.0)):
            telemetry.metric(name, value)
        telemetry.metric("m", 1.0, unit="Bananas")
        telemetry.metric("m", 2.0)

        (event,) = telemetry.logs("analyst", start=0, end=time.time() + 1)
        assert event.record.keys() == {"half a pair"}
        (found,) = telemetry.statistics(
            "m", start=time.time() - 60, end=time.time() + 1, period=86_400
        )
        assert (found.count, found.total) == (1, 2.0)
        assert len([r for r in caplog.records if "dropped" in r.message]) == 7

    def test_a_metric_comes_to_its_statistics(self, workspace: Workspace) -> None:
        for value in (3.0, 1.5, 2.5):
            workspace.telemetry.metric("latency", value, unit="Seconds")
        workspace.telemetry.metric("other", 9.0)

        found = workspace.telemetry.statistics(
            "latency", start=time.time() - 600, end=time.time() + 1, period=60
        )
        # The three may lie in two minutes.
        assert sum(each.count for each in found) == 3
        assert sum(each.total for each in found) == 7.0
        assert min(each.minimum for each in found) == 1.5
        assert max(each.maximum for each in found) == 3.0
        assert {each.unit for each in found} == {"Seconds"}
        assert all(each.start % 60 == 0 for each in found)
        assert found[0].average == found[0].total / found[0].count
        at = found[0].start
        assert workspace.telemetry.statistics("latency", start=at - 60, end=at, period=60) == []
        assert workspace.telemetry.statistics("none", start=0, end=60, period=60) == []

    @pytest.mark.parametrize(("end", "period"), [(60.0, 0), (60.0, 90), (60.0 * 1441, 60)])
    def test_periods_are_whole_minutes_and_not_too_many(
        self, workspace: Workspace, end: float, period: int
    ) -> None:
        with pytest.raises(InvalidInput, match="period"):
            workspace.telemetry.statistics("m", start=0, end=end, period=period)


def test_a_workspace_cannot_reach_into_another(backend: Backend) -> None:
    ours, theirs = backend.workspace("ours"), backend.workspace("theirs")
    theirs.tables.documents.put(Item("p", "s", {"secret": 1}))
    theirs.buckets.documents.put("k", b"secret")
    theirs.telemetry.log("analyst", {"secret": 1})
    theirs.telemetry.metric("m", 1)
    theirs.queue.send("secret")

    for pk in ("p", "theirs/p", "../theirs/p", "ours/../theirs/p"):
        assert ours.tables.documents.get(pk, "s") is None
        assert list(ours.tables.documents.query(pk)) == []
    assert list(ours.buckets.documents.list()) == []
    assert list(ours.buckets.documents.list("../")) == []
    assert ours.buckets.documents.head("../theirs/k") is None
    assert ours.telemetry.logs("analyst", start=0, end=time.time() + 1) == []
    now = time.time()
    assert ours.telemetry.statistics("m", start=now - 60, end=now + 1, period=60) == []
    assert ours.queue.receive() == []
    ours.tables.documents.delete("theirs/p", "s")
    ours.buckets.documents.delete("../theirs/k")
    assert theirs.tables.documents.get("p", "s")
    assert theirs.buckets.documents.get("k") == b"secret"


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a b", "-a", "a-", "x" * 41])
def test_a_workspace_has_a_plain_name(backend: Backend, name: str) -> None:
    with pytest.raises(InvalidInput, match="workspace"):
        backend.workspace(name)


def _together(work: Callable[[], None], *, times: int) -> None:
    """Run `work` in several threads at once; fail if one of them fails."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=guarded) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
