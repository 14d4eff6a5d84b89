"""The offline model: deterministic, without a network; it finds and quotes, and does not reason.

It is a chat model like any other: it gets the same prompts and JSON, and answers with the same tool
calls. What it understands is the JSON, not the prompt. It fills the forms of the desk by the rules
below and any other form field by field with extractors; what it cannot fill it says.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from nodes.offline_forms import fill_form
from nodes.offline_plan import choose_call, draft, look_again, memo, plan, review
from nodes.offline_table import review_row, row

OFFLINE: Final = "offline"
OFFLINE_NOTE: Final = (
    "Quoted by the offline model: it finds the passages that answer and quotes them; it does not "
    "reason about them."
)

_PASSAGES: Final = 14
"""Passages to read for a question: more find little and bring in what only looks right."""

Payload = dict[str, Any]
_FORMS: Final[dict[str, Callable[[Payload], Payload]]] = {
    "PlanReply": plan,
    "DraftReply": draft,
    "ReviewReply": review,
    "MemoReply": memo,
    "RowReply": row,
    "RowReviewReply": review_row,
}


class OfflineModel(BaseChatModel):
    """A `BaseChatModel` without a model behind it."""

    @property
    def _llm_type(self) -> str:
        return OFFLINE

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; `tool_choice` names the one that must be called."""
        specs = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=specs, tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        *,
        tools: Sequence[dict[str, Any]] = (),
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        specs = {spec["function"]["name"]: spec["function"] for spec in tools}
        if tool_choice in ("any", "required") and len(specs) == 1:
            tool_choice = next(iter(specs))
        if tool_choice is not None and tool_choice in specs:
            args = _fill(tool_choice, specs[tool_choice], _payload(messages))
            message = _calls((tool_choice, args))
        else:
            message = _work(messages, specs)
        return ChatResult(generations=[ChatGeneration(message=message)])


def _payload(messages: Sequence[BaseMessage]) -> Payload:
    """Return the JSON of the first message of the user; text that is none is the question."""
    asked = next((str(m.content) for m in messages if m.type == "human"), "")
    try:
        payload = json.loads(asked)
    except ValueError:
        payload = None
    return payload if isinstance(payload, dict) else {"question": asked}


def _fill(name: str, spec: dict[str, Any], payload: Payload) -> Payload:
    known = _FORMS.get(name)
    return known(payload) if known else fill_form(spec, payload)


def _work(messages: Sequence[BaseMessage], specs: dict[str, dict[str, Any]]) -> AIMessage:
    """Call the tool that fits, once, and then report what it returned."""
    returned = [message for message in messages if isinstance(message, ToolMessage)]
    payload = _payload(messages)
    if payload.get("agent") == "librarian":
        return _librarian(payload, [str(message.content) for message in returned])
    if returned:
        return AIMessage("\n\n".join(_told(str(m.content)) for m in returned))
    request = str(payload.get("request") or payload.get("question") or "")
    chosen = choose_call(request, list(specs.values()))
    if chosen is None:
        known = ", ".join(specs) or "none"
        return AIMessage(f"The offline model found no tool for this request; it knows {known}.")
    return _calls(chosen)


def _librarian(payload: Payload, returned: Sequence[str]) -> AIMessage:
    """Search for the question, and once more for its item in the documents that came first."""
    question = str(payload["question"])
    found = [{"query": question, "document_ids": payload.get("limited_to") or []}]
    if returned:
        found = look_again(question, returned[0]) if len(returned) == 1 else []
    if not found:
        return AIMessage("These are the passages.")
    return _calls(*(("search_documents", {**args, "limit": _PASSAGES}) for args in found))


def _told(content: str) -> str:
    """Tell what a tool returned: a line for each thing of a list, or what it said."""
    try:
        value = json.loads(content)
    except ValueError:
        return content
    if not isinstance(value, dict):
        return content
    lines = []
    for name, held in value.items():
        if isinstance(held, list):
            lines.append(f"{len(held)} {name}" + (":" if held else ""))
            lines += [f"- {_line(each)}" for each in held]
        elif held not in (None, False):
            lines.append(f"{name}: {_line(held)}")
    return "\n".join(lines)


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_line(held)}" for name, held in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _calls(*chosen: tuple[str, Payload]) -> AIMessage:
    calls = [
        {"name": name, "args": args, "id": f"offline-{number}", "type": "tool_call"}
        for number, (name, args) in enumerate(chosen)
    ]
    return AIMessage(content="", tool_calls=calls)
