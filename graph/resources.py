"""The composition root: reads the settings, opens the back end, and builds everything once."""

import getpass
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables.config import ensure_config
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import StateGraph

from graph.desk import DESK, build_desk
from graph.erasure import ERASURE, build_erasure
from graph.extraction import EXTRACTION, build_extraction
from graph.redaction import without_secrets
from graph.settings import OFFLINE, Settings
from graph.versions import versions_of
from nodes.extractor_state import EXTRACTION_TYPES
from nodes.models import model_name
from nodes.offline import OfflineModel
from nodes.prices import PRICES, Price, check_priced, price_of
from nodes.state import STATE_TYPES
from storage.audit import AuditLog
from storage.backend import Backend, open_aws, open_embedded
from storage.clearing import Clearing
from storage.documents import DocumentStore
from storage.erasure import Erasure
from storage.errors import AffidavitError, NotFound
from storage.extractions import ExtractionStore
from storage.feedback import FeedbackStore
from storage.fence import FencedSaver
from storage.memory import TableStore
from storage.objects import ObjectStore
from storage.records import Budget, Identity
from storage.runs import RunStore
from storage.signing import open_signer
from storage.tombstones import Grave
from storage.uses import Reading, Uses
from storage.workspace import Workspace
from tools.deliverables import add_deliverable_tools
from tools.documents import add_document_tools
from tools.erasing import add_erasing_tools
from tools.library import Library
from tools.operations import add_operation_tools
from tools.policy import DEFAULT, Policy, read_policy
from tools.registry import Registry

DOLLARS: Final = 5.0
"""The limit of a run whose model has a price, unless a setting or the run names one."""

AddTools = Callable[[Registry], None]


@dataclass(slots=True, eq=False, kw_only=True)
class _Opened:
    settings: Settings
    backend: Backend
    workspace: Workspace
    identity: Identity
    graphs: Mapping[str, StateGraph[Any, Any]]
    add_tools: Sequence[AddTools]
    model: BaseChatModel | None = None
    policy: Policy = DEFAULT


class Resources:
    """All that a workspace needs, each thing made when it is first asked for."""

    def __init__(self, opened: _Opened) -> None:
        self._opened = opened
        self.settings = opened.settings
        self.workspace = opened.workspace
        self.identity = opened.identity
        self.policy = opened.policy
        self._versions: dict[str, dict[str, str]] = {}

    @cached_property
    def audit(self) -> AuditLog:
        """The audit chains."""
        signer = open_signer(self.settings.signing_key)
        return AuditLog(self.workspace.tables.audit, self.workspace.buckets.state, signer)

    @cached_property
    def runs(self) -> RunStore:
        """The runs."""
        return RunStore(self.workspace.tables, self.audit)

    @cached_property
    def extractions(self) -> ExtractionStore:
        """The tables that runs have made."""
        return ExtractionStore(self.workspace.buckets.state)

    @cached_property
    def feedback(self) -> FeedbackStore:
        """The feedback."""
        return FeedbackStore(self.workspace.tables.feedback)

    @cached_property
    def objects(self) -> ObjectStore:
        """The published objects."""
        return ObjectStore(self.workspace.tables.documents, self.workspace.buckets.deliverables)

    @cached_property
    def memory(self) -> TableStore:
        """LangGraph's store across threads."""
        return TableStore(self.workspace.tables.memory)

    @cached_property
    def uses(self) -> Uses:
        """Which runs have met which documents."""
        tables = self.workspace.tables
        return Uses(tables.documents, tables.runs, reading)

    @cached_property
    def library(self) -> Library:
        """The documents and their index."""
        tables, buckets = self.workspace.tables, self.workspace.buckets
        store = DocumentStore(tables.documents, buckets.documents, buckets.artifacts, self.uses)
        return Library(store, self.settings.home / "cache" / "index" / self.workspace.name)

    @cached_property
    def erasure(self) -> Erasure:
        """What erases documents."""
        ports, library = self.workspace, self.library
        documents, artifacts = ports.buckets.documents, ports.buckets.artifacts
        clearing = Clearing(
            self.runs,
            self.feedback,
            ports.buckets.state,
            self.extractions,
            lambda thread_id: self.saver().delete_thread(thread_id),
            lease_seconds=self.settings.lease_seconds,
        )
        return Erasure(
            library.store,
            self.uses,
            clearing,
            table=ports.tables.documents,
            grave=Grave(ports.tables.documents, documents, artifacts),
            objects=self.objects,
            memory=self.memory,
            forget_index=library.forget,
            scrub=ports.scrub,
            backup_days=ports.backup_days,
        )

    @cached_property
    def tools(self) -> Registry:
        """The tools: of documents, deliverables, operations, and those that were added."""
        registry = Registry()
        add_document_tools(registry, self.library)
        add_deliverable_tools(registry, self.objects)
        add_operation_tools(registry, self.workspace, self.objects)
        add_erasing_tools(registry, self.erasure)
        for add in self._opened.add_tools:
            add(registry)
        return registry

    @cached_property
    def model(self) -> BaseChatModel:
        """The model that answers."""
        return self._opened.model or open_model(self.settings)

    @property
    def price(self) -> Price | None:
        """What that model takes, or None if nobody has said."""
        return price_of(model_name(self.model), {**PRICES, **self.settings.model_prices})

    def budget(self, given: Budget | None = None) -> Budget:
        """Return what a run may use: what it is given, or else what the settings say.

        Raises:
            InvalidInput: it limits dollars, and nobody knows what the model takes.
        """
        dollars = self.settings.budget_dollars
        if dollars is None and self.price:
            dollars = DOLLARS
        budget = given or Budget(
            steps=self.settings.budget_steps or None,
            tokens=self.settings.budget_tokens or None,
            dollars=dollars or None,
        )
        check_priced(model_name(self.model), self.price, budget)
        return budget

    def ready(self) -> None:
        """Make sure that runs can be driven here, before one is claimed.

        Raises:
            InvalidInput: the model cannot be opened.
        """
        _ = self.model

    @cached_property
    def serializer(self) -> JsonPlusSerializer:
        """What checkpoints are written with; it makes no object of a type it does not know."""
        return JsonPlusSerializer(allowed_msgpack_modules=(*STATE_TYPES, *EXTRACTION_TYPES))

    @cached_property
    def graphs(self) -> dict[str, Any]:
        """The compiled graphs, by name; a run adds the checkpointer bound to its claim."""
        builders: dict[str, StateGraph[Any, Any]] = {
            DESK: build_desk(),
            ERASURE: build_erasure(),
            EXTRACTION: build_extraction(),
            **self._opened.graphs,
        }
        return {name: builder.compile(name=name) for name, builder in builders.items()}

    def versions(self, graph: str) -> dict[str, str]:
        """Return the versions of all that a graph runs with here, by part.

        Raises:
            NotFound: there is no such graph here.
        """
        if graph not in self.graphs:
            raise NotFound(f"There is no graph {graph!r} here; there is {[*self.graphs]}.")
        if graph not in self._versions:
            self._versions[graph] = versions_of(graph, self.graphs[graph], self.tools)
        return self._versions[graph]

    def saver(self, **bound: Any) -> FencedSaver:
        """Return a saver; `bound` to a claim it also writes."""
        table, blobs = self.workspace.tables.checkpoints, self.workspace.buckets.state
        return FencedSaver(table, blobs, serde=self.serializer, **bound)

    def hint(self, run_id: str) -> None:
        """Tell workers that a run is due; without the hint they find it at their next sweep."""
        if run_id:
            with suppress(AffidavitError):
                self.workspace.queue.send(run_id)

    def redacted(self, text: str) -> str:
        """Return a text without the key, or anything that looks like a secret."""
        key = self.settings.openai_api_key
        if key and key.get_secret_value():
            text = text.replace(key.get_secret_value(), "…")
        return without_secrets(text)

    def close(self) -> None:
        """Let go of children, files and connections."""
        if "library" in self.__dict__:
            self.library.close()
        self._opened.backend.close()


def open_resources(
    settings: Settings,
    *,
    workspace: str,
    identity: Identity | None = None,
    graphs: Mapping[str, StateGraph[Any, Any]] | None = None,
    tools: Sequence[AddTools] = (),
    model: BaseChatModel | None = None,
) -> Resources:
    """Open everything that the settings name."""
    policy = read_policy(settings.policy) if settings.policy else DEFAULT
    backend, caller = open_backend(settings)
    opened = _Opened(
        settings=settings,
        backend=backend,
        workspace=backend.workspace(workspace),
        identity=identity or caller,
        graphs=graphs or {},
        add_tools=tools,
        model=model,
        policy=policy,
    )
    return Resources(opened)


def reading() -> Reading | None:
    """Return the run whose node or tool is at work here, by LangChain's own context, if any is."""
    configurable = ensure_config().get("configurable") or {}
    run_id, thread_id = configurable.get("run_id"), configurable.get("thread_id")
    return Reading(str(run_id), str(thread_id)) if run_id and thread_id else None


def open_backend(settings: Settings) -> tuple[Backend, Identity]:
    """Open the back end that the settings name, and say who is calling."""
    if settings.backend == "aws":
        aws = open_aws(settings.prefix, settings.aws_account_id)
        return aws, Identity(name=aws.caller.arn, source="sts")
    return open_embedded(settings.home), system_user()


def system_user() -> Identity:
    """Return the operating system's user: by the process, not by the environment."""
    try:
        import os
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows, or a container without an entry for the user
        name = getpass.getuser()
    return Identity(name=name, source="os")


def open_model(settings: Settings) -> BaseChatModel:
    """Open the model that the settings name.

    Raises:
        InvalidInput: it needs a key, and there is none.
    """
    if settings.model_name == OFFLINE:
        return OfflineModel()
    # Loading it takes a second, and a run without a key never needs it.
    from nodes.gpt import open_gpt

    return open_gpt(
        settings.model_name,
        key=settings.openai_api_key,
        base_url=settings.model_base_url,
        timeout=settings.model_timeout,
        retries=settings.model_retries,
    )
