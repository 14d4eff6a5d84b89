"""Models: opening one, recording what it answers, and asking it for a form to be filled in.

`Recorded` wraps any chat model. It keeps each response, awaited, before anyone uses it, by
(run, task, ordinal); a task that runs again after a crash gets the recorded response and the model
is not asked. A model that streams does so behind it: its drafts reach callbacks and LangGraph's
stream mode `messages`, and only the whole, recorded, reaches the node. It also is where usage and
cost are taken down, and where a run is stopped that has used up its budget.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from nodes.context import Journal
from nodes.offline import OFFLINE
from nodes.prices import Price, check_priced, cost_of
from nodes.prompts import prompt
from storage.audit import digest
from storage.errors import ModelError, OverBudget, Unanswered
from storage.recordings import MODEL, Recording, Recordings
from storage.records import Budget, Usage
from storage.texts import readable

Form = TypeVar("Form", bound=BaseModel)

TOKEN_BYTES: Final = 4
"""About so many bytes of UTF-8 are a token, by OpenAI's rule of thumb for English. Where a service
does not say what it took, tokens are counted so."""
_PREMATURE: Final = {
    "length": "The model's reply was cut at its length limit. Ask for less, or limit the question "
    "to fewer documents; then resume the run.",
    "content_filter": "The model service withheld the reply (content filter). Put the question in "
    "other words, or leave out the document that triggers it.",
}
"""What it means that a reply ended for one of these reasons."""


class Recorded(BaseChatModel):
    """A chat model whose responses are recorded before they are used."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: BaseChatModel
    recordings: Recordings = Field(exclude=True)
    journal: Any = Field(exclude=True)
    """A `Journal`."""
    budget: Budget = Field(default_factory=Budget)
    """What the run may use of tokens and dollars."""
    price: Price | None = None
    """What the model takes; None: nobody knows, and a limit in dollars cannot be kept."""

    _ordinals: Counter[str] = PrivateAttr(default_factory=Counter)

    @property
    def _llm_type(self) -> str:
        return f"recorded-{self.inner._llm_type}"  # noqa: SLF001 - LangChain's own protocol

    @property
    def model_name(self) -> str:
        """The name of the model that answers."""
        return model_name(self.inner)

    def begin(self, task: str) -> None:
        """Start a task anew: its next call is its first."""
        self._ordinals.pop(task, None)

    def bind_tools(
        self, tools: Sequence[Any], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools as the inner model would, to this one."""
        bound = cast(Any, self.inner.bind_tools(tools, **kwargs))
        return cast(Runnable[LanguageModelInput, AIMessage], self.bind(**bound.kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("Nodes that call a model are asynchronous.")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        metadata = (run_manager.metadata if run_manager else None) or {}
        node = str(metadata.get("langgraph_node", ""))
        task = str(metadata.get("langgraph_checkpoint_ns", "")).rpartition(":")[2]
        ordinal = self._ordinals[task]
        self._ordinals[task] += 1
        request = request_hash(messages, kwargs)
        found = await asyncio.to_thread(self.recordings.get, MODEL, task, ordinal)
        asked = found is None or found.request != request
        if asked:
            least = self._least(messages, kwargs)
            self._check_budget(least)
            result = await self.inner._agenerate(messages, stop, run_manager, **kwargs)  # noqa: SLF001
            fresh = self._recording(request, result, least)
            found = await asyncio.to_thread(self.recordings.put, MODEL, task, ordinal, fresh)
        message = message_of(cast(Recording, found))
        told = digest([m.content for m in messages if m.type == "system"])[:12]
        self._note(message, node, task, cast(Recording, found), prompt=told, recorded=not asked)
        _check_whole(message)  # by now it is on the record: it was paid for
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _least(self, messages: Sequence[BaseMessage], options: dict[str, Any]) -> Usage:
        """Return what a call takes by its request alone, as far as its bytes tell."""
        if self.model_name == OFFLINE:
            return Usage()
        asked = "".join(map(_written, messages)) + json.dumps(options, default=str)
        return Usage(input_tokens=tokens_of(asked))

    def _check_budget(self, least: Usage) -> None:
        """Stop before a call that would pass the budget.

        Raises:
            OverBudget: the run has to ask for more first.
            InvalidInput: the limit is one in dollars, and nobody knows what the model takes.
        """
        check_priced(self.model_name, self.price, self.budget)
        used = self.recordings.usage + least
        cost = self.recordings.cost_usd + cost_of(self.price, least)
        tokens, dollars = self.budget.tokens, self.budget.dollars
        if tokens is not None and used.input_tokens + used.output_tokens > tokens:
            raise OverBudget("tokens")
        if dollars is not None and cost > dollars:
            raise OverBudget("dollars")

    def _recording(self, request: str, result: ChatResult, least: Usage) -> Recording:
        message = cast(AIMessage, result.generations[0].message)
        usage = usage_of(message)
        if not usage.input_tokens and least.input_tokens:  # no service reads a request for nothing
            usage = least + Usage(output_tokens=tokens_of(_written(message)))
        return Recording(request, _response(result), usage, cost_of(self.price, usage))

    def _note(
        self, message: AIMessage, node: str, task: str, recording: Recording, **about: Any
    ) -> None:
        usage = recording.usage
        cast(Journal, self.journal).note(
            "model_call",
            node=node,
            task=task,
            model=self.model_name,
            request=recording.request,
            response=digest(recording.response),
            **about,
            **usage.model_dump(),
            estimated=usage != usage_of(message),
            microdollars=round(recording.cost_usd * 1e6),
        )


def request_hash(messages: Sequence[BaseMessage], options: dict[str, Any]) -> str:
    """Return the hash of what a model is asked: a recorded answer is to exactly this."""
    return digest(
        {
            "messages": [[m.type, m.content, getattr(m, "tool_calls", [])] for m in messages],
            "options": json.loads(json.dumps(options, default=str)),
        }
    )


def _response(result: ChatResult) -> str:
    """Return what a model answered as JSON, with why it ended, in text that any store takes."""
    generation = result.generations[0]
    message = generation.message
    message.response_metadata = {**(generation.generation_info or {}), **message.response_metadata}
    # Half a surrogate pair, which a model can write as an escape, is no text.
    return readable(json.dumps(message_to_dict(message), ensure_ascii=False))


def _check_whole(message: AIMessage) -> None:
    """Check that a reply came to its natural end.

    Raises:
        Unanswered: it was cut or withheld, or the model refused.
    """
    why = _PREMATURE.get(str(message.response_metadata.get("finish_reason")))
    refusal = message.additional_kwargs.get("refusal")
    if refusal and not why:
        said = " ".join(str(refusal).split())[:200]
        why = f"The model refused: “{said}” Put the question in other words."
    if why:
        raise Unanswered(why)


def message_of(recording: Recording) -> AIMessage:
    """Return the message that was recorded."""
    (message,) = messages_from_dict([json.loads(recording.response)])
    return cast(AIMessage, message)


def model_name(model: BaseChatModel) -> str:
    """Return the name of a model, as it is shown and priced."""
    return str(getattr(model, "model_name", None) or model._llm_type)  # noqa: SLF001


def usage_of(message: AIMessage) -> Usage:
    """Return the tokens that a response reports; none if it reports none."""
    reported = message.usage_metadata
    if not reported:
        return Usage()
    details = reported.get("input_token_details") or {}
    asked = max(0, reported["input_tokens"])
    return Usage(
        input_tokens=asked,
        cached_tokens=min(max(0, details.get("cache_read", 0)), asked),
        output_tokens=max(0, reported["output_tokens"]),
    )


def tokens_of(text: str) -> int:
    """Return about how many tokens a text is, by its bytes, rounded up."""
    return -(-len(text.encode(errors="replace")) // TOKEN_BYTES)


def _written(message: BaseMessage) -> str:
    """Return what of a message is read or written as tokens: its text, and the calls of tools."""
    calls = getattr(message, "tool_calls", None)
    return str(message.content) + (json.dumps(calls, ensure_ascii=False) if calls else "")


def messages_for(agent: str, payload: dict[str, Any]) -> list[AnyMessage]:
    """Return an agent's prompt, and what it works on as JSON: data that cannot pass for more."""
    text = json.dumps({"agent": agent, **payload}, ensure_ascii=False)
    return [SystemMessage(prompt(agent)), HumanMessage(text)]


async def fill(model: BaseChatModel, form: type[Form], messages: Sequence[AnyMessage]) -> Form:
    """Ask a model to fill in a form; a reply that does not fit is sent back once.

    Raises:
        Unanswered: the second reply does not fit either.
    """
    asked: list[AnyMessage] = list(messages)
    why = ""
    for _ in range(2):
        reply = await model.bind_tools([form], tool_choice=form.__name__).ainvoke(asked)
        try:
            return _filled(form, reply)
        except (ValidationError, ModelError) as error:
            why = briefly(error)
            again = f"That could not be used: {why} Call {form.__name__} once, with what it asks."
            asked = [*messages, HumanMessage(again)]
    raise Unanswered(f"The model's reply could not be used: {why}")


def _filled(form: type[Form], reply: AIMessage) -> Form:
    calls = [call for call in reply.tool_calls if call["name"] == form.__name__]
    if not calls:
        raise ModelError(f"It holds no {form.__name__}.")
    return form.model_validate(calls[0]["args"])


def briefly(error: Exception) -> str:
    """Return what an error says; of what pydantic was given, only where it does not fit, and why.

    Its own text repeats the input: the text of a document, perhaps.
    """
    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_context=False, include_url=False)[:5]
        return "; ".join(
            f"{'.'.join(map(str, [error.title, *each['loc']]))}: {each['msg']}" for each in wrong
        )
    return str(error)
