"""A labelled set: documents with what is to be found in them, and the questions that ask for it.

Its form is told in `docs/evaluation.md`. It must never be guessed at: what does not have that form
is refused with the file and the line. Next: `scripts/evaluate.py` asks.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from scripts.scoring_values import ValueKind
from storage.errors import InvalidInput

LABELS: Final = "labels.jsonl"
QUESTIONS: Final = "questions.json"
FILES: Final = "pdf"

MAIN: Final = (
    "Governing Law",
    "Agreement Date",
    "Expiration Date",
    "Parties",
    "Cap On Liability",
    "Anti-Assignment",
    "Termination For Convenience",
    "Audit Rights",
)
"""The eight categories of the built-in questions that are looked at first."""


class Question(BaseModel):
    """What is asked for a category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(min_length=1)
    value: ValueKind | None = None
    """What kind of value the label's `answer` is, if it is compared too."""


class Label(BaseModel):
    """What stands in a document for a category."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    spans: list[str]
    """The verbatim clauses; none: the document has no such clause."""
    answer: str = ""
    """What they come to: a date, a state, names. Only compared where the question says how."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    file: str = Field(min_length=1)
    labels: dict[str, Label]


_Questions = TypeAdapter(
    dict[
        str,
        Annotated[
            Question, BeforeValidator(lambda v: {"question": v} if isinstance(v, str) else v)
        ],
    ]
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A document of the set."""

    name: str
    path: Path
    labels: dict[str, Label]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """The documents, and the questions by category, in the order of their file."""

    documents: list[Labelled]
    questions: dict[str, Question]

    @property
    def asked(self) -> int:
        """How many questions there are: a category without a label is not asked."""
        return sum(len(self.questions.keys() & each.labels.keys()) for each in self.documents)


def read_labelled(folder: Path, sample: int = 0, seed: int = 0) -> LabelledSet:
    """Read a labelled set, or a sample of so many of its documents by a seed.

    Raises:
        InvalidInput: it has not the form of `docs/evaluation.md`; the message names what and where.
    """
    questions = _questions(folder)
    documents = [*_documents(folder, questions)]
    if not documents:
        raise InvalidInput(f"{folder / LABELS} holds no document: it has a line for each.")
    if 0 < sample < len(documents):
        documents = random.Random(seed).sample(documents, sample)
    return LabelledSet(documents, questions)


def _questions(folder: Path) -> dict[str, Question]:
    own = folder / QUESTIONS
    path = own if own.exists() else files("scripts").joinpath(QUESTIONS)
    try:
        found = _Questions.validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} is no file of questions: {_why(error)}") from None
    if not found:
        raise InvalidInput(f"{path} asks nothing: name a question for each category.")
    return found


def _documents(folder: Path, questions: dict[str, Question]) -> Iterator[Labelled]:
    path = folder / LABELS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        form = "docs/evaluation.md has the form of a labelled set."
        raise InvalidInput(f"There are no labels to be read at {path}: {why}. {form}") from None
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            raise InvalidInput(f"{path}, line {number}: {_why(error)}") from None
        at = folder / FILES / line.file
        if not at.resolve().is_relative_to((folder / FILES).resolve()) or not at.is_file():
            raise InvalidInput(f"{path}, line {number}: there is no file {line.file} in {FILES}/.")
        if not questions.keys() & line.labels.keys():
            raise InvalidInput(
                f"{path}, line {number}: no question is known for any of its categories; put "
                f"{QUESTIONS} beside it."
            )
        yield Labelled(line.file, at, line.labels)


def _why(error: Exception) -> str:
    """Return what is wrong, on one line."""
    if not isinstance(error, ValidationError):
        return f"{error}."
    first: Any = error.errors()[0]
    where = " › ".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
