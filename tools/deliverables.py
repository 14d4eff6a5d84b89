"""The tool that publishes a deliverable: a text that leaves, under a name, once a person approves.

Publishing is one transaction that points the name to bytes stored before; a second version of a
name keeps the first.
"""

from pydantic import BaseModel, Field

from storage.objects import ObjectStore
from tools.registry import Plan, Registry, plans


class PublishDeliverable(BaseModel):
    """Arguments of `publish_deliverable`."""

    name: str = Field(
        pattern=r"^[\w][\w .()-]{0,119}$", description="A file name such as notice-memo.md"
    )
    text: str = Field(min_length=1, description="Markdown")


def add_deliverable_tools(registry: Registry, objects: ObjectStore) -> None:
    """Register the tool that publishes to a store of named objects."""

    def publish_deliverable(name: str, text: str) -> Plan:
        """Publish a text as a deliverable of the workspace, under a file name."""
        return plan_publish(objects, name, text.encode())

    registry.add(plans(PublishDeliverable, publish_deliverable), "write", "transaction")


def plan_publish(objects: ObjectStore, name: str, data: bytes) -> Plan:
    """Plan to point a name to bytes."""
    before = objects.find(name)
    replacing = f", replacing version {before.version}" if before else ""
    return Plan(
        shows=f"Publish {name} ({len(data):,} bytes){replacing}.",
        done=f"Published {name}, version {objects.next_version(name)}.",
        actions=objects.publish(name, data, before),
        prepare=lambda: objects.keep(data),
    )
