"""The AWS operations as tools: confined, bounded, and every write only a plan."""

import json
from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from storage.backend import Backend
from storage.errors import AffidavitError, NotFound
from storage.objects import ObjectStore
from storage.ports import Item
from storage.workspace import Workspace
from tools.operations import RESULT_CHARS, add_operation_tools
from tools.registry import Plan, Registry, checked_args

READS = {"list_objects", "get_object", "get_item", "query_items", "query_logs", "get_metrics"}
WRITES = {"put_object", "delete_object", "put_item", "put_metric"}


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
        if plan.call:
            plan.call()
        return plan.done


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    return Desk(workspace)


def test_each_operation_declares_its_risk(desk: Desk) -> None:
    by_risk: dict[str, set[str]] = {}
    for entry in desk.registry:
        by_risk.setdefault(entry.risk, set()).add(entry.name)
    assert by_risk == {
        "read": READS,
        "write": WRITES - {"delete_object"},
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
            "more": False,
        }
        assert desk.read("list_objects", prefix="notes/")["objects"][0]["key"] == "notes/a.md"
        assert desk.read("list_objects", limit=1)["more"]
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
        content = str(desk.call("query_items", table="documents", pk="p", limit=30).content)
        assert len(content) < RESULT_CHARS + 100
        assert "cut:" in content


class TestSignals:
    def test_logs(self, desk: Desk) -> None:
        desk.workspace.telemetry.log("analyst", {"event": "started", "run": "r-1"})
        (event,) = desk.read("query_logs", group="analyst", contains="r-1")["events"]
        assert event["event"] == "started"
        assert desk.read("query_logs", group="analyst", contains="r-2")["events"] == []

    def test_metrics(self, desk: Desk) -> None:
        for value in (1, 2.5):
            desk.do("put_metric", name="pages", value=value)
        found = desk.read("get_metrics", name="pages")
        assert (found["count"], found["sum"], found["min"], found["max"]) == (2, 3.5, 1.0, 2.5)
        assert desk.read("get_metrics", name="none") == {"name": "none", "count": 0}


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
