"""The state of the desk: what the agents know, and the forms in which models answer.

`DeskState` is what LangGraph checkpoints. Its first fields live as long as the thread, the others
are set anew by `new_question` for each run. The classes named `…Reply` are what a model is asked to
fill in; what a model says is a proposal, and nothing here trusts it.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage, ToolCall
from langgraph.graph.message import add_messages
from pydantic import BaseModel, Field

from storage.records import Answer, Citation, Claim, Passage

Agent = Literal["librarian", "analyst", "writer", "custodian"]
AGENTS: tuple[Agent, ...] = ("librarian", "analyst", "writer", "custodian")


class PlanReply(BaseModel):
    """How to go about what the user asks: the question made self-contained, and who works on it."""

    question: str = Field(
        description="The question so that it stands alone, with what 'it' or 'that clause' meant"
    )
    agents: list[Agent] = Field(
        description="Who works on it, in order: librarian finds passages, analyst answers from "
        "them, writer makes and publishes a document of the answer, custodian looks after what is "
        "stored (objects, items, logs, metrics) and erases documents"
    )
    document_ids: list[str] = Field(
        default_factory=list, description="Only these documents; empty: whatever fits"
    )
    earlier: list[int] = Field(
        default_factory=list, description="Numbers of earlier citations that the question is about"
    )


class CitedReply(BaseModel):
    """Where the documents say something: the exact words of a passage."""

    document_id: str
    page: int
    quote: str = Field(description="Copied word for word from the passage")


class ClaimReply(BaseModel):
    """One statement of the answer, with the quotes that prove it."""

    text: str
    citations: list[CitedReply]


class DraftReply(BaseModel):
    """The answer as claims; none, if the passages do not say."""

    claims: list[ClaimReply]


class VerdictReply(BaseModel):
    """Whether the quotes of one statement support it."""

    number: int
    supported: bool
    why: str = ""


class ReviewReply(BaseModel):
    """A verdict on each statement."""

    verdicts: list[VerdictReply]


class ParagraphReply(BaseModel):
    """A paragraph of a document, with the numbers of the claims that it rests on."""

    text: str
    claims: list[int]


class MemoReply(BaseModel):
    """A document made of proven claims."""

    title: str
    file_name: str = Field(description="Such as termination-memo.md")
    paragraphs: list[ParagraphReply]


class Focus(BaseModel):
    """What the conversation is about: the last question, self-contained, and what answered it."""

    question: str = ""
    citations: list[Citation] = Field(default_factory=list)


class Task(TypedDict):
    """What `act` gets: one tool call of one agent."""

    call: ToolCall
    agent: str
    versions: list[str]
    """The versions of the documents that the call rests on; an approval is bound to them."""
    channel: NotRequired[str]
    """Where the reply goes in a state of one's own; `scratch` if it is not said."""


class DeskState(TypedDict, total=False):
    """The state of a thread."""

    messages: Annotated[list[AnyMessage], add_messages]
    focus: Focus

    question: str
    documents: list[str]
    plan: PlanReply | None
    step: int
    """How many agents of the plan are done."""
    visits: int
    """How often the supervisor was asked; bounded."""
    scratch: Annotated[list[AnyMessage], add_messages]
    """The conversation of the agent at work with its tools."""
    passages: list[Passage]
    draft: DraftReply | None
    memo: MemoReply | None
    claims: list[Claim]
    """What the reviewer left of the draft."""
    objections: list[str]
    rounds: int
    """How often the work at hand was sent back; bounded."""
    report: str
    """What an agent has to say that is no claim about a document."""
    answer: Answer | None


STATE_TYPES: tuple[type[BaseModel], ...] = (
    Answer,
    Citation,
    Claim,
    ClaimReply,
    CitedReply,
    DraftReply,
    Focus,
    MemoReply,
    ParagraphReply,
    Passage,
    PlanReply,
)
"""The types that a checkpoint may hold; no other is ever made of stored bytes."""


def new_question(question: str, documents: list[str], message_id: str) -> dict[str, Any]:
    """Return the input of a run: the question, and everything that belonged to the last one gone.

    `message_id` is the same whenever the same run starts, so that starting twice asks once.
    """
    return {
        "messages": [HumanMessage(question, id=message_id)],
        "question": question,
        "documents": documents,
        "plan": None,
        "step": 0,
        "visits": 0,
        "passages": [],
        "draft": None,
        "memo": None,
        "claims": [],
        "objections": [],
        "rounds": 0,
        "report": "",
        "answer": None,
    }


def plan_of(state: DeskState) -> PlanReply:
    """Return the plan, or the plain one where the supervisor has made none."""
    return state.get("plan") or PlanReply(
        question=state["question"],
        agents=["librarian", "analyst"],
        document_ids=state.get("documents", []),
    )
