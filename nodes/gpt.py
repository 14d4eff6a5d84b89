"""GPT-4o through LangChain's `ChatOpenAI`: how it is asked, and what its service's faults mean.

A response is streamed, so that a long one is no time-out, and it is whole only when the service has
said why it ended. A fault that may pass is waited out a bounded number of times. What is left is an
error of ours, which names the remedy and never the key:

    Unavailable   limits, outages, silence, no connection: the run stays due
    ModelError    a key, a name, a quota or a request that must be changed; no whole response

This module takes a second to load; only `graph.resources` imports it, when such a model is opened.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import httpx2
import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, SecretStr

from storage.errors import AffidavitError, InvalidInput, ModelError, Unanswered, Unavailable

LONGEST_WAIT: Final = 60.0
"""Seconds; a service that asks for more is left alone, and the run is given back."""
LONGEST_REST: Final = 3600.0
"""Seconds; a service that asks to be left alone for longer is asked again after so many."""
_SAID_CHARS: Final = 200


class Passing(Exception):
    """A fault that may pass; `left` is the error if it does not, `after` a wait in seconds."""

    def __init__(self, left: AffidavitError, after: float | None = None) -> None:
        super().__init__(str(left))
        self.left = left
        self.after = after


class GPT(ChatOpenAI):
    """A chat model of OpenAI, or of a service that speaks as it does."""

    patience: int = Field(2, ge=0)
    """How often a fault that may pass is waited out, within one call."""

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools. Forms are bound strictly: the reply then fits, or there is none."""
        if all(isinstance(tool, type) and issubclass(tool, BaseModel) for tool in tools):
            strict = [_permitted(convert_to_openai_tool(tool, strict=True)) for tool in tools]
            return super().bind_tools(strict, parallel_tool_calls=False, **kwargs)
        return super().bind_tools(tools, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Return a whole response; its drafts go to the handlers of `run_manager` as they come.

        Raises:
            Unavailable: the service does not answer now.
            ModelError: it will not answer this request, or answers none of its forms.
        """
        waits = 0
        while True:
            try:
                stream = self._chunks(messages, stop, run_manager, **kwargs)
                return await agenerate_from_stream(stream)
            except AffidavitError:
                raise
            except Exception as error:  # chunks that do not go together, too
                fault = error if isinstance(error, Passing) else self._broken(error)
                after = _backoff(waits) if fault.after is None else fault.after
                if waits >= self.patience or after > LONGEST_WAIT:
                    raise fault.left from error
            waits += 1
            await asyncio.sleep(after)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        """Stream a response, once; a fault ends it with an error."""
        try:
            async for chunk in self._chunks(*args, **kwargs):
                yield chunk
        except Passing as fault:
            raise fault.left from fault.__cause__

    async def _chunks(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        """Stream a response to its end; one that just stops, as ChatOpenAI lets it, is a fault."""
        begun = ended = False
        try:
            async for chunk in super()._astream(*args, **kwargs):
                begun, ended = True, ended or "finish_reason" in (chunk.generation_info or {})
                yield chunk
        except Exception as error:
            raise self._meaning(error, begun) from error
        if not ended:
            raise self._meaning(EOFError(), begun)

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any
    ) -> ChatGenerationChunk | None:
        """Keep what a model says when it refuses, which `ChatOpenAI` drops from a stream."""
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args)
        choices = chunk.get("choices") or [{}]
        refusal = (choices[0].get("delta") or {}).get("refusal")
        if converted is not None and refusal:
            converted.message.additional_kwargs["refusal"] = refusal
        return converted

    def _meaning(self, error: Exception, begun: bool) -> Exception:
        """Return what a fault means to a run; `begun` if some of the response had come."""
        if isinstance(error, openai.APIStatusError):
            return self._refused(error, error.status_code)
        if isinstance(error, TimeoutError | openai.APITimeoutError | httpx2.TimeoutException):
            return Passing(
                Unavailable(
                    f"The model service was silent for {self.request_timeout:g} s. The run can be "
                    "resumed; AFFIDAVIT_MODEL_TIMEOUT sets how long to wait."
                )
            )
        if isinstance(error, openai.APIConnectionError) and not begun:
            return Passing(
                Unavailable(
                    f"The model service at {self._host} cannot be reached. Check the network and "
                    "AFFIDAVIT_MODEL_BASE_URL; the run can be resumed."
                )
            )
        told = isinstance(error, openai.APIError) and error.code  # within a stream
        if told or isinstance(error, ContextOverflowError):
            return self._refused(error, _STATUS.get(str(told), 500))
        return self._broken(error)

    def _broken(self, error: Exception) -> Passing:
        return Passing(
            ModelError(
                f"The model service at {self._host} sent no whole response "
                f"({type(error).__name__}). Resume the run to ask again; if it stays so, check "
                "AFFIDAVIT_MODEL_BASE_URL."
            )
        )

    def _refused(self, error: Any, status: int) -> Exception:
        """Return what an error of the service means, by its HTTP status and code."""
        if isinstance(error, ContextOverflowError) or error.code == "context_length_exceeded":
            return Unanswered(
                f"The question with its passages is more than {self.model_name} can read at once. "
                "Limit it to fewer documents, or ask for less."
            )
        if error.code == "insufficient_quota":
            return ModelError(
                "The quota of OPENAI_API_KEY is used up. Raise it with the model service, or set "
                "another key; then resume the run."
            )
        if status in _REMEDIES:
            return ModelError(_REMEDIES[status].format(model=self.model_name, host=self._host))
        if status in (408, 409, 429) or status >= 500:
            why = f"limits us (429): {self._said(error)}" if status == 429 else f"fails ({status})."
            after = _asked_to_wait(error)
            left = Unavailable(
                f"The model service {why} The run can be resumed.", after=after or 0.0
            )
            return left if _final(error) else Passing(left, after)
        return ModelError(f"The model service refused the request ({status}): {self._said(error)}")

    @property
    def _host(self) -> str:
        return str(self.root_async_client.base_url.host)

    def _said(self, error: openai.APIError) -> str:
        """Return what the service said, briefly, without the key that it may have repeated."""
        body = error.body if isinstance(error.body, dict) else {}
        said = " ".join(str(body.get("message") or error.message).split())
        key = self.openai_api_key
        if isinstance(key, SecretStr) and key.get_secret_value():
            said = said.replace(key.get_secret_value(), "…")
        return said[:_SAID_CHARS]


_REMEDIES: Final = {
    401: "The model service refuses the key (401). Set OPENAI_API_KEY to a valid one; then resume "
    "the run.",
    403: "The key may not use {model} (403). Set AFFIDAVIT_MODEL to a model that it may use, or "
    "OPENAI_API_KEY to another key; then resume the run.",
    404: "The model service at {host} knows no model {model!r} (404). Set AFFIDAVIT_MODEL to one "
    "that it offers, or mend AFFIDAVIT_MODEL_BASE_URL if it is set; then resume the run.",
}
_STATUS: Final = {
    "rate_limit_exceeded": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
}
"""The HTTP statuses of codes that come within a stream."""


def open_gpt(
    model: str, *, key: SecretStr | None, base_url: str, timeout: float, retries: int
) -> GPT:
    """Open a model by name. Nothing connects until it is asked.

    Raises:
        InvalidInput: there is no key for OpenAI's own service, or key or URL cannot be one.
    """
    secret = key.get_secret_value().strip() if key else ""
    if not secret and not base_url:
        raise InvalidInput(
            f"AFFIDAVIT_MODEL={model} needs a key: set OPENAI_API_KEY, or AFFIDAVIT_MODEL=offline."
        )
    if not (secret.isascii() and secret.isprintable()):
        raise InvalidInput("OPENAI_API_KEY holds characters that no key has; copy it again.")
    if base_url and not base_url.startswith(("http://", "https://")):
        raise InvalidInput("AFFIDAVIT_MODEL_BASE_URL begins with https:// or http://.")
    # A run may have an event loop of its own, and a connection kept alive would outlive the loop.
    limits = httpx2.Limits(max_keepalive_connections=0)
    return GPT(
        model=model,
        api_key=SecretStr(secret or "none"),  # a service of one's own may need none
        base_url=base_url or None,
        timeout=timeout,
        stream_chunk_timeout=timeout,
        stream_usage=True,
        max_retries=0,  # ours know which faults may pass, and see the ones within a stream
        patience=retries,
        temperature=None if model.startswith(("o1", "o3", "o4", "gpt-5")) else 0,
        use_responses_api=False,
        http_async_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
    )


def _permitted(schema: Any) -> Any:
    """Return a schema without `default`, which strict mode refuses."""
    if isinstance(schema, list):
        return [_permitted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _permitted(each) for name, each in schema.items() if name != "default"}
    if isinstance(schema.get("properties"), dict):  # there, it is a name like any other
        kept["properties"] = {n: _permitted(each) for n, each in schema["properties"].items()}
    return kept


def _backoff(waits: int) -> float:
    """Return seconds to wait: half a second, doubled each time up to eight, with jitter."""
    return min(8.0, 0.5 * 2.0**waits) * random.uniform(0.75, 1.0)


def _asked_to_wait(error: openai.APIError) -> float | None:
    """Return the seconds that the service asks to wait: `retry-after-ms`, or `Retry-After`."""
    headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(max(0.0, float(headers.get(name, "")) * unit), LONGEST_REST)
        except ValueError:  # absent, or a date, which no such service sends
            continue
    return None


def _final(error: openai.APIError) -> bool:
    """Return whether the service says that asking again is of no use."""
    headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    return headers.get("x-should-retry") == "false"
