"""A chat model that says what it is told to, for tests of what happens to that."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

Reply = dict[str, Any] | AIMessage
Script = Callable[[str, str, dict[str, Any]], Reply]


class Scripted(BaseChatModel):
    """Asks `script(agent, form, payload)` for each reply.

    A dictionary is the arguments of the form that must be filled in; an `AIMessage` is the reply
    itself. `asked` lists the agents in the order in which they asked.
    """

    script: Script
    _asked: list[str] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def asked(self) -> list[str]:
        return self._asked

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        specs = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=specs, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        *,
        tool_choice: str = "",
        **kwargs: Any,
    ) -> ChatResult:
        payload = json.loads(str(next(m.content for m in messages if m.type == "human")))
        self._asked.append(payload["agent"])
        returned = [m.content for m in messages if m.type == "tool"]
        reply = self.script(payload["agent"], tool_choice, {**payload, "returned": returned})
        message = reply if isinstance(reply, AIMessage) else calls((tool_choice, reply))
        return ChatResult(generations=[ChatGeneration(message=message)])


def calls(*wanted: tuple[str, dict[str, Any]]) -> AIMessage:
    """A reply that calls tools."""
    return AIMessage(
        content="",
        tool_calls=[
            {"name": name, "args": args, "id": f"theirs-{n}", "type": "tool_call"}
            for n, (name, args) in enumerate(wanted)
        ],
    )
