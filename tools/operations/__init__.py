"""The AWS operations as tools: objects, items, logs, metrics, on the ports of one workspace.

Every call is confined to the workspace by what it is built on (`storage.workspace`), and what it
reads is bounded so that it fits a model's context; what did not fit is read by calling again with
`next`. Writing reaches only what is made for it: named objects of the bucket `deliverables`, and
items of partitions that begin with `item/`. The records that the product itself keeps (runs, audit
events, checkpoints) can be read and not written.
"""

from storage.objects import ObjectStore
from storage.workspace import Workspace
from tools.operations.custody import add_custody_tools
from tools.operations.items import add_item_tools
from tools.operations.objects import add_object_tools
from tools.operations.results import RESULT_CHARS
from tools.operations.signals import add_signal_tools
from tools.registry import Registry

__all__ = ["RESULT_CHARS", "add_operation_tools"]


def add_operation_tools(registry: Registry, workspace: Workspace, objects: ObjectStore) -> None:
    """Register all operations on a workspace."""
    add_object_tools(registry, workspace, objects)
    add_custody_tools(registry, objects)
    add_item_tools(registry, workspace)
    add_signal_tools(registry, workspace)
