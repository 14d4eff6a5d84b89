"""The AWS operations as tools: confined, bounded, and every write only a plan."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from langchain_core.messages import ToolMessage

from storage.backend import Backend
from storage.errors import AffidavitError, ConditionFailed, InvalidInput, NotAllowed, NotFound
from storage.objects import ObjectStore
from storage.ports import Item
from storage.times import utc
from storage.workspace import Workspace
from tools.operations import RESULT_CHARS, add_operation_tools
from tools.registry import Plan, Registry, checked_args

READS = {"list_objects", "get_object", "get_item", "query_items", "query_logs", "get_metrics"}
WRITES = {
    "put_object",
    "copy_object",
    "tag_object",
    "set_retention",
    "presign_object",
    "put_item",
    "put_metric",
}


class Desk:
    """The operations of a workspace, with plans carried out without asking anyone."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.registry = Registry()
        objects = ObjectStore(workspace.tables.documents, workspace.buckets.deliverables)
        add_operation_tools(self.registry, workspace, objects)

    def call(self, name: str, /, **args: Any) -> ToolMessage:
        entry = self.registry.get(name)
        checked = checked_args(entry, args)
        message = entry.tool.invoke({"name": name, "args": checked, "id": "c", "type": "tool_call"})
        assert isinstance(message, ToolMessage)
        return message

    def read(self, name: str, /, **args: Any) -> Any:
        return json.loads(str(self.call(name, **args).content))

    def do(self, name: str, /, **args: Any) -> str:
        plan = self.call(name, **args).artifact
        assert isinstance(plan, Plan)
        if plan.prepare:
            plan.prepare()
        if plan.actions:
            self.workspace.tables.documents.transact(plan.actions)
        said = plan.call() if plan.call else None
        return f"{plan.done}\n{said}" if said else plan.done


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    return Desk(workspace)


def test_each_operation_declares_its_risk(desk: Desk) -> None:
    by_risk: dict[str, set[str]] = {}
    for entry in desk.registry:
        by_risk.setdefault(entry.risk, set()).add(entry.name)
    assert by_risk == {
        "read": READS,
        "write": WRITES,
        "destructive": {"delete_object"},
    }
    assert all(entry.safety for entry in desk.registry if entry.risk != "read")


class TestObjects:
    def test_put_list_get_delete(self, desk: Desk) -> None:
        assert desk.do("put_object", key="notes/a.md", text="one") == (
            "Published notes/a.md, version 1."
        )
        desk.do("put_object", key="notes/a.md", text="two")
        desk.do("put_object", key="b.md", text="ü" * 3)

        assert desk.read("list_objects") == {
            "bucket": "deliverables",
            "objects": [
                {"key": "b.md", "size": 6, "version": 1},
                {"key": "notes/a.md", "size": 3, "version": 2},
            ],
            "next": None,
        }
        assert desk.read("list_objects", prefix="notes/")["objects"][0]["key"] == "notes/a.md"
        assert desk.read("get_object", key="notes/a.md")["text"] == "two"
        assert desk.do("delete_object", key="notes/a.md") == "Deleted notes/a.md."
        with pytest.raises(NotFound, match=r"notes/a\.md"):
            desk.read("get_object", key="notes/a.md")
        assert desk.do("put_object", key="notes/a.md", text="3") == (
            "Published notes/a.md, version 3."
        )

    def test_a_plan_changes_nothing(self, desk: Desk) -> None:
        desk.call("put_object", key="a.md", text="one")
        assert desk.read("list_objects")["objects"] == []

    def test_a_plan_holds_only_for_what_it_was_made_for(self, desk: Desk) -> None:
        desk.do("put_object", key="a.md", text="one")
        stale = desk.call("delete_object", key="a.md").artifact
        desk.do("put_object", key="a.md", text="two")
        assert isinstance(stale, Plan)
        with pytest.raises(AffidavitError):
            desk.workspace.tables.documents.transact(stale.actions)
        assert desk.read("get_object", key="a.md")["text"] == "two"

    def test_large_objects_are_read_in_parts(self, desk: Desk) -> None:
        text = "äöü" * 6000
        desk.do("put_object", key="long.txt", text=text)
        parts, start = [], 0
        while start is not None:
            parts.append(desk.read("get_object", key="long.txt", start=start))
            start = parts[-1]["next"]
        assert len(parts) == 5
        assert all(part["text"] in text for part in parts)
        assert sum(len(part["text"]) for part in parts) >= len(text) - len(parts)

    def test_the_product_s_own_buckets_can_be_read_and_not_written(self, desk: Desk) -> None:
        desk.workspace.buckets.artifacts.put("pages/x.json", b"\xff\x00")
        assert desk.read("list_objects", bucket="artifacts")["objects"] == [
            {"key": "pages/x.json", "size": 2}
        ]
        assert desk.read("get_object", bucket="artifacts", key="pages/x.json")["size"] == 2
        with pytest.raises(AffidavitError):
            desk.call("get_object", bucket="secrets", key="x")


class TestItems:
    def test_put_get_query(self, desk: Desk) -> None:
        desk.do("put_item", pk="item/owner", sk="lease", body={"name": "ann", "n": 1})
        desk.do("put_item", pk="item/owner", sk="lease", body={"name": "bob"})
        found = desk.read("get_item", table="memory", pk="item/owner", sk="lease")
        assert (found["version"], found["body"]) == (2, {"name": "bob"})
        assert desk.read("query_items", table="memory", pk="item/owner")["items"] == [found]

    @pytest.mark.parametrize(
        "args",
        [
            {"pk": "run/r-1", "sk": "run", "body": {}},
            {"pk": "item", "sk": "s", "body": {}},
            {"pk": "../item/x", "sk": "s", "body": {}},
            {"table": "runs", "pk": "item/x", "sk": "s", "body": {}},
            {"table": "audit", "pk": "item/x", "sk": "s", "body": {}},
        ],
    )
    def test_the_product_s_own_records_cannot_be_written(
        self, desk: Desk, args: dict[str, Any]
    ) -> None:
        with pytest.raises(AffidavitError):
            desk.call("put_item", **args)

    def test_results_fit_a_context(self, desk: Desk) -> None:
        table = desk.workspace.tables.documents
        table.batch_write([Item("p", f"{n}", {"x": "y" * 4000, "b": b"\0"}) for n in range(30)])
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = desk.call("query_items", table="documents", pk="p", limit=25, after=after)
            assert len(str(page.content)) <= RESULT_CHARS
            rows = json.loads(str(page.content))
            assert 1 <= len(rows["items"]) < 5
            found += [row["sk"] for row in rows["items"]]
            after = rows["next"]
        assert found == sorted(f"{n}" for n in range(30))

    def test_a_row_that_is_too_long_for_any_context_is_cut(self, desk: Desk) -> None:
        desk.workspace.tables.documents.put(Item("p", "s", {"x": "y" * 40_000}))
        content = str(desk.call("query_items", table="documents", pk="p").content)
        assert len(content) < RESULT_CHARS + 100
        assert "cut:" in content


class TestSignals:
    def test_logs(self, desk: Desk) -> None:
        desk.workspace.telemetry.log("analyst", {"event": "started", "run": "r-1"})
        (event,) = desk.read("query_logs", group="analyst", contains="r-1")["events"]
        assert event["event"] == "started"
        assert desk.read("query_logs", group="analyst", contains="r-2")["events"] == []

    def test_logs_are_read_by_time_and_in_pages(self, desk: Desk) -> None:
        now = int(time.time())
        for n in range(23):  # some in one instant
            desk.workspace.telemetry.log("writer", {"n": n}, at=now - 3600 + n // 4)
        shown: list[int] = []
        after: str | None = ""
        while after is not None:
            page = desk.read("query_logs", group="writer", minutes=120, limit=5, after=after)
            assert len(page["events"]) <= 5
            shown += [event["n"] for event in page["events"]]
            after = page["next"]
        assert shown == list(reversed(range(23)))

        until = utc(now - 3600 + 2)
        page = desk.read("query_logs", group="writer", minutes=5, until=until)
        assert {event["n"] // 4 for event in page["events"]} <= {0, 1}
        assert len(page["events"]) >= 4
        assert desk.read("query_logs", group="writer", minutes=5)["events"] == []
        with pytest.raises(InvalidInput, match="next"):
            desk.read("query_logs", group="writer", after="yesterday")

    def test_metrics_come_with_their_statistics(self, desk: Desk) -> None:
        for value in (1, 2.5):
            desk.do("put_metric", name="pages", value=value)
        found = desk.read("get_metrics", name="pages")
        assert (found["count"], found["sum"], found["average"]) == (2, 3.5, 1.75)
        assert (found["minimum"], found["maximum"], found["unit"]) == (1.0, 2.5, "Count")
        assert sum(period["count"] for period in found["periods"]) == 2
        none = desk.read("get_metrics", name="none")
        assert (none["count"], none["periods"]) == (0, [])

    @pytest.mark.parametrize(("minutes", "period"), [(60, 1), (24 * 60, 60), (30 * 24 * 60, 1440)])
    def test_what_a_metric_shows_fits_a_context(
        self, desk: Desk, minutes: int, period: int
    ) -> None:
        desk.read("get_metrics", name="pages", minutes=minutes, period=period)
        with pytest.raises(InvalidInput, match="periods"):
            desk.read("get_metrics", name="pages", minutes=30 * 24 * 60, period=60)


class TestCustody:
    """What surrounds a deliverable: copies, tags, retention, links."""

    @pytest.fixture(autouse=True)
    def memo(self, desk: Desk) -> None:
        desk.do("put_object", key="memo.md", text="one")

    def listed(self, desk: Desk) -> dict[str, Any]:
        return {row["key"]: row for row in desk.read("list_objects")["objects"]}

    def test_a_copy_is_what_the_object_was(self, desk: Desk) -> None:
        plan = desk.call("copy_object", key="memo.md", to="old/memo.md").artifact
        assert plan.shows == "Copy memo.md, version 1 (3 bytes) to old/memo.md."
        assert desk.do("copy_object", key="memo.md", to="old/memo.md") == (
            "Copied memo.md to old/memo.md, version 1."
        )
        desk.do("put_object", key="memo.md", text="two")
        assert desk.read("get_object", key="old/memo.md")["text"] == "one"
        with pytest.raises(ConditionFailed):  # the source has changed since it was planned
            desk.workspace.tables.documents.transact(plan.actions)
        with pytest.raises(NotFound):
            desk.call("copy_object", key="none", to="x")
        with pytest.raises(InvalidInput):
            desk.call("copy_object", key="memo.md", to="memo.md")

    def test_tags_are_set_whole(self, desk: Desk) -> None:
        desk.do("tag_object", key="memo.md", tags={"case": "A-1", "team": "legal"})
        assert self.listed(desk)["memo.md"]["tags"] == {"case": "A-1", "team": "legal"}
        plan = desk.call("tag_object", key="memo.md", tags={"case": "B 2"}).artifact
        assert "to: case=B 2; they are: case=A-1, team=legal" in plan.shows
        desk.do("tag_object", key="memo.md", tags={"case": "B 2"})
        assert self.listed(desk)["memo.md"]["tags"] == {"case": "B 2"}
        desk.do("tag_object", key="memo.md", tags={})
        with pytest.raises(ConditionFailed):  # the tags that it shows are no longer there
            desk.workspace.tables.documents.transact(plan.actions)
        assert "tags" not in self.listed(desk)["memo.md"]
        with pytest.raises(AffidavitError):
            desk.call("tag_object", key="memo.md", tags={"a": "<script>"})

    def test_what_is_retained_cannot_be_deleted(self, desk: Desk) -> None:
        day = (datetime.now(UTC) + timedelta(days=400)).date()
        stale = desk.call("delete_object", key="memo.md").artifact
        told = desk.do("set_retention", key="memo.md", until=str(day))
        assert told == f"memo.md, version 1, is retained until {day}T23:59:59Z."
        assert self.listed(desk)["memo.md"]["retained_until"] == f"{day}T23:59:59Z"
        with pytest.raises(NotAllowed, match="retained until"):
            desk.call("delete_object", key="memo.md")
        with pytest.raises(ConditionFailed):  # neither by a plan that was made before
            desk.workspace.tables.documents.transact(stale.actions)
        (blob,) = desk.workspace.buckets.deliverables.list()
        with pytest.raises(NotAllowed):
            desk.workspace.buckets.deliverables.delete(blob.key)

    def test_retention_is_prolonged_and_never_shortened(self, desk: Desk) -> None:
        today = datetime.now(UTC).date()
        later, sooner = today + timedelta(days=20), today + timedelta(days=10)
        desk.do("set_retention", key="memo.md", until=str(later))
        desk.do("set_retention", key="memo.md", until=str(later))
        for until in (sooner, today - timedelta(days=1), today + timedelta(days=50 * 365)):
            with pytest.raises(InvalidInput):
                desk.call("set_retention", key="memo.md", until=str(until))
        desk.do("put_object", key="memo.md", text="a new version is not retained")
        assert "retained_until" not in self.listed(desk)["memo.md"]

    def test_what_retention_shows_is_the_same_after_it_was_begun(self, desk: Desk) -> None:
        """So that the approval still holds when a crash came in between."""
        until = str(datetime.now(UTC).date() + timedelta(days=20))
        first = desk.call("set_retention", key="memo.md", until=until).artifact
        desk.workspace.tables.documents.transact(first.actions)
        assert desk.call("set_retention", key="memo.md", until=until).artifact.shows == first.shows

    def test_a_link_gives_the_object_to_whoever_has_it(self, desk: Desk) -> None:
        if type(desk.workspace.telemetry).__name__ == "SqliteTelemetry":
            # On this machine there is no server: nobody is even asked.
            with pytest.raises(InvalidInput, match="on this machine"):
                desk.call("presign_object", key="memo.md")
            return
        plan = desk.call("presign_object", key="memo.md", minutes=10).artifact
        assert "http" not in plan.shows + plan.done
        told, link = desk.do("presign_object", key="memo.md", minutes=10).split("\n")
        assert told == "This link to memo.md, version 1, works for 10 minutes:"
        with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310 - its own
            assert answer.read() == b"one"
            assert answer.headers["Content-Disposition"].startswith("attachment")
        asked = parse_qs(urlsplit(link).query)
        assert asked["X-Amz-Expires"] == ["600"]
        with pytest.raises(AffidavitError):
            desk.call("presign_object", key="memo.md", minutes=24 * 60 + 1)


def test_operations_are_confined_to_their_workspace(backend: Backend) -> None:
    ours, theirs = Desk(backend.workspace("ours")), Desk(backend.workspace("theirs"))
    theirs.do("put_object", key="secret.md", text="secret")
    theirs.do("put_item", pk="item/secret", sk="s", body={"secret": 1})
    theirs.workspace.telemetry.log("analyst", {"secret": 1})

    assert ours.read("list_objects")["objects"] == []
    for bucket in ("documents", "artifacts", "state", "deliverables"):
        for prefix in ("", "../", "../theirs/", "theirs/"):
            assert ours.read("list_objects", bucket=bucket, prefix=prefix)["objects"] == []
    for pk in ("item/secret", "theirs/item/secret", "../theirs/item/secret"):
        assert ours.read("query_items", table="memory", pk=pk)["items"] == []
        with pytest.raises(NotFound):
            ours.read("get_item", table="memory", pk=pk, sk="s")
    assert ours.read("query_logs", group="analyst")["events"] == []
    with pytest.raises(NotFound):
        ours.read("get_object", key="secret.md")
