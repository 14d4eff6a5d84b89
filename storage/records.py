"""The records that are kept and shown: documents, answers, tables, runs, feedback.

These are the words of the product as types, shared by every floor. They hold no behaviour beyond
their own consistency; how they are stored is in the module named after each of them, and what an
audit event looks like stands in `storage.audit`.
"""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from storage.texts import Line, Text

DocumentStatus = Literal["ready", "needs_ocr", "locked", "damaged", "unsupported"]
RunStatus = Literal["pending", "running", "interrupted", "success", "error", "timeout", "cancelled"]
AnswerStatus = Literal["answered", "partial", "not_in_documents"]
InterruptKind = Literal["approval", "budget", "outcome_unknown"]
ColumnKind = Literal["string", "number", "integer", "boolean", "date", "strings"]
"""What a cell may hold; a date is text as ISO 8601 writes it, `strings` is a list of texts."""
CellState = Literal["found", "not_in_document", "uncertain"]
RowStatus = Literal[DocumentStatus, "missing", "failed"]
"""How the document of a row stands; or it is not there any more, or reading it has failed."""
CellValue = str | int | float | bool | list[str] | None

ENDED: frozenset[RunStatus] = frozenset({"success", "error", "timeout", "cancelled"})
"""The states that a run never leaves."""


class Record(BaseModel):
    """A frozen value with no unknown fields: what is written is what is read back."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Grid(Record):
    """Which rows of a table the lines of a page are; cells stand between bars, from column A on."""

    sheet: Line = ""
    """Of a workbook; a file that is one table has none."""
    rows: list[int]
    """Of each line, as the file counts them from 1."""


class Page(Record):
    """The unit that a citation points to. `number` counts from 1, as on the screen."""

    number: int = Field(ge=1)
    locator: Line
    """Where a person finds it: "page 3", or the headings that lead to a section."""
    text: str
    """The stored text. Offsets of citations are code points into exactly this."""
    grid: Grid | None = None
    """Where it is a table whose cells can be told apart by its text."""


class Document(Record):
    """A document as the catalogue lists it."""

    id: str
    name: Line
    sha256: str
    media_type: str = ""
    status: DocumentStatus
    reason: Line = ""
    """Why it is not `ready`, and what to do; or what to know although it is. Empty otherwise."""
    pages: int = 0
    size: int = 0
    """Bytes of the original."""
    added_at: float = 0.0
    """Seconds since the epoch."""
    added_by: str = ""
    older: list[str] = Field(default_factory=list)
    """The SHA-256 of its earlier versions, oldest first; they stay readable."""
    attachments: list[str] = Field(default_factory=list)
    """The ids of the documents that what is attached to it became, in its order."""
    version_at: float = 0.0
    """When its newest version was added, if that is not the first."""
    older_at: list[float] = Field(default_factory=list)
    """When each of its earlier versions was added; 0 where that was not written down."""


class Stated(Record):
    """A value that a document states of itself: `quote == page_text[start:end]` says it."""

    value: Text
    """In its normal form: dates as in ISO 8601, names on one line, kinds in lower case."""
    what: Text = ""
    """What it is among its like: "buyer" of parties, "effective" of dates, "CIK" of identifiers."""
    called: list[Text] = Field(default_factory=list)
    """Other names for the same, by which questions may ask for it."""
    page: int = Field(ge=1)
    start: int = Field(ge=0)
    end: int
    quote: Text


class Card(Record):
    """What one would write on the index card of a version, each value with the place that says it.

    Nothing on it comes from the name of the file.
    """

    title: Stated | None = None
    kinds: list[Stated] = Field(default_factory=list)
    """What sort of document it is, the likeliest first: "supply agreement", "10-K", "mail"."""
    parties: list[Stated] = Field(default_factory=list)
    """Those between whom it was made, or who wrote, got, filed or issued it."""
    organisations: list[Stated] = Field(default_factory=list)
    """Others that its opening, running lines or signatures name."""
    dates: list[Stated] = Field(default_factory=list)
    """When it was made, took effect or was sent, the day that counts most first."""
    periods: list[Stated] = Field(default_factory=list)
    """Fiscal years and quarters that it reports on: "2019", "2019-Q2"."""
    identifiers: list[Stated] = Field(default_factory=list)
    """Numbers of the document, and of those who made it: contract or policy number, CIK, ticker."""


class Passage(Record):
    """A stretch of a page that a search found."""

    document_id: str
    document: str
    sha256: str
    page: int = Field(ge=1)
    start: int = Field(ge=0)
    end: int
    text: str
    locator: str = ""
    """As that of a citation."""
    score: float = 0.0
    opens: bool = False
    """It stands in the opening of its document."""
    heads: str = ""
    """What heads the columns of the table that it goes on with, from above it."""
    heads_page: int = 0
    """The page on which the heads stand, if that is the one before."""
    cited: bool = False
    """The question goes on from it, or from what stands just before it."""


class Citation(Record):
    """A quote that a program has located: `quote == page_text[start:end]`, always."""

    document_id: str
    document: str
    """The document's name."""
    sha256: str
    """The version that was read."""
    page: int = Field(ge=1)
    start: int = Field(ge=0)
    end: int
    quote: str
    locator: str = ""
    """Where a person finds it: "page iv (5 of 20)", "sheet Prices, B2:D9", "§ Fees › Deposit"."""
    version: str = ""
    """Which version that was, in words, if there were several when it was cited."""

    @property
    def place(self) -> str:
        """Its locator; the page of a citation that is older than locators."""
        return self.locator or f"page {self.page}"

    @model_serializer(mode="wrap")
    def _as_it_was_sworn(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what an older citation does not say: the record holds a hash of its fields."""
        fields: dict[str, Any] = dump(self)
        for name in ("locator", "version"):
            if not fields.get(name):
                fields.pop(name, None)
        return fields


class Claim(Record):
    """One statement. An unverified one has no citations."""

    text: str
    verified: bool
    citations: list[Citation] = Field(default_factory=list)


class Answer(Record):
    """What a run answers."""

    status: AnswerStatus
    text: str
    claims: list[Claim] = Field(default_factory=list)


class Column(Record):
    """What is asked of each document: one property of the schema."""

    name: str
    kind: ColumnKind = "string"
    asks: str = ""
    """What the schema says of it: its description, or its title."""
    options: list[str] = Field(default_factory=list)
    """The only values that it may have, where the schema lists them."""


class Cell(Record):
    """What one document says for one column.

    `found` is a value whose citations a program has located and which they support; `uncertain` is
    what could not be proven, if there is anything at all, and `note` says why.
    """

    value: CellValue = None
    state: CellState
    citations: list[Citation] = Field(default_factory=list)
    note: str = ""


class Row(Record):
    """What one version of a document says, by the names of the columns."""

    document_id: str
    document: Text
    sha256: str = ""
    """The version that was read."""
    status: RowStatus
    reason: str = ""
    """Why the document is not `ready`, or could not be read; empty otherwise."""
    cells: dict[str, Cell] = Field(default_factory=dict)


class Extraction(Record):
    """A table made of documents: a row for each, in the order in which they were named."""

    columns: list[Column]
    rows: list[Row]


class Usage(Record):
    """Tokens of the model calls of a run; `cached_tokens` are part of `input_tokens`."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class Identity(Record):
    """Who acts, as the composition root has verified it; never named by an argument of a tool."""

    name: str
    source: str
    """How it was verified: "os" by the operating system, "sts" by AWS, "demo" for the demo."""


class Budget(Record):
    """What a run may use before it stops and asks a person for more; None: no limit."""

    steps: int | None = Field(None, ge=1)
    """Super-steps of its graph."""
    tokens: int | None = Field(None, ge=1)
    """Input and output tokens of its model calls."""
    dollars: float | None = Field(None, gt=0, allow_inf_nan=False)


class Vote(Record):
    """One person's approval, where an approval takes more than one."""

    by: Identity
    at: float


class Interrupt(Record):
    """A question to a person that stops a run until it is decided."""

    id: str
    kind: InterruptKind
    value: dict[str, Any]
    expires_at: float = 0.0
    """From then on nobody can approve it any more, in seconds since the epoch; 0: it stays."""
    approvals: int = Field(1, ge=1)
    """How many different persons have to approve."""
    votes: list[Vote] = Field(default_factory=list)
    """Who has approved so far, where one approval is not enough."""


class Erased(Record):
    """What of a run went with a document whose text it held."""

    document_id: str
    by: str
    """The run that erased the document, with its approval."""
    at: float
    """Seconds since the epoch."""
    parts: list[str]
    """Of its record: question, input, answer, table (the rows of the document), error, approvals,
    outcomes, feedback; and what was kept beside it: recordings."""


class Run(Record):
    """A run as the record has it."""

    id: str
    thread_id: Text
    status: RunStatus
    graph: str = "desk"
    question: Text = ""
    documents: list[str] = Field(default_factory=list)
    """The ids that the question was limited to; empty: all of the workspace."""
    input: dict[str, Any] | None = None
    """The input of a graph of one's own; the desk makes its own of the question."""
    forked_from: str = ""
    """The run whose checkpoint this one began from, if it is a fork."""
    created_at: float = 0.0
    updated_at: float = 0.0
    created_by: str = ""
    epoch: int = 0
    """The epoch of the latest claim; it counts from 1 on each thread."""
    tries: int = 0
    """Claims since the last new checkpoint."""
    dead: bool = False
    """It was given up: it failed again and again without a new checkpoint."""
    versions: dict[str, str] = Field(default_factory=dict)
    """The versions of graph, prompts, tools and schemas under which it began."""
    budget: Budget = Field(default_factory=Budget)
    timeout: float = 0.0
    """Seconds that it may be at work, waiting for people not counted; 0: as long as it takes."""
    worked: float = 0.0
    """Seconds that it was at work up to the latest claim."""
    claimed_at: float = 0.0
    """When it was last claimed, in seconds since the epoch; 0 while nobody drives it."""
    retries: int = 0
    """How often a person had it tried again after an error."""
    answer: Answer | None = None
    table: Extraction | None = None
    """What a run of `extraction` has made. It is kept beside the record, and read back with it."""
    table_sha256: str = ""
    """The hash of the table; empty while there is none."""
    interrupts: list[Interrupt] = Field(default_factory=list)
    """Those that wait for a decision."""
    usage: Usage = Field(default_factory=Usage)
    cost_usd: float = 0.0
    model: str = ""
    error: str = ""
    erased: list[Erased] = Field(default_factory=list)
    """What is no longer there of it, and why."""

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.status in ENDED


class Feedback(Record):
    """What a person thought of an answer."""

    id: str
    run_id: str
    rating: Literal["up", "down"]
    comment: Text = ""
    created_at: float
    created_by: str


class Correction(Record):
    """What a person says that a cell should have held. The cell stays as it was extracted."""

    id: str
    run_id: str
    document_id: str
    field: str
    value: CellValue
    """None: the document does not say."""
    comment: Text = ""
    created_at: float
    created_by: str
