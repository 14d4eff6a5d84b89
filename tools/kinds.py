"""Kinds of documents: how a title, a cover or a question names them.

Most kinds name themselves: what a title ends in ("supply agreement"). A few have a second name, by
which people ask for them: the forms of the Securities and Exchange Commission (17 CFR 249), mail.
Next: `tools/cards.py` and `tools/routing.py`.
"""

import re
from typing import Final

from tools.names import words

FORMS: Final[dict[str, tuple[str, ...]]] = {
    "10-K": ("annual report",),
    "10-KSB": ("annual report",),
    "10-K405": ("annual report",),
    "20-F": ("annual report",),
    "40-F": ("annual report",),
    "11-K": ("annual report of an employee plan",),
    "10-Q": ("quarterly report",),
    "10-QSB": ("quarterly report",),
    "8-K": ("current report",),
    "6-K": ("report of a foreign private issuer",),
    "S-1": ("registration statement", "prospectus"),
    "S-3": ("registration statement", "prospectus"),
    "S-4": ("registration statement", "prospectus"),
    "S-8": ("registration statement",),
    "F-1": ("registration statement", "prospectus"),
    "F-3": ("registration statement", "prospectus"),
    "F-4": ("registration statement", "prospectus"),
    "SB-2": ("registration statement", "prospectus"),
    "10-12G": ("registration statement",),
    "DEF 14A": ("proxy statement",),
    "N-CSR": ("annual report of a fund",),
}
"""Forms with what they are called."""
ANNUAL: Final = frozenset(form for form, called in FORMS.items() if called[0] == "annual report")
QUARTERLY: Final = frozenset(("10-Q", "10-QSB", "quarterly report"))
MAIL: Final = "mail"
MAIL_CALLED: Final = ("email", "e-mail", "message")

_FORM: Final = "|".join(sorted(FORMS, key=len, reverse=True)).replace("-", "[-‐–—]?")
FORM: Final = re.compile(
    rf"F(?<![^\s(]F)(?:ORM|orm)\s*(?P<form>{_FORM})"
    r"(?P<amended>\s?/\s?A\b)?(?![\w-])"
)

_ENDS: Final = (
    r"agreements?|contracts?|leases?|sub-?leases?|polic(?:y|ies)|reports?|accounts|plans?|letters?"
    r"|memorand(?:um|a)|deeds?|licen[cs]es?|orders?|terms(?:\s+(?:and|&)\s+conditions)?"
    r"|conditions|notices?|certificates?|minutes|addend(?:um|a)|amendments?|handbooks?|guides?|guidelines?"
    r"|manuals?|charters?|by-?laws|invoices?|receipts?|statements?|releases?|presentations?"
    r"|transcripts?|proposals?|quotations?|indentures?|notes?|warrants?|guarant(?:y|ee)s?|wills?"
    r"|prospectus(?:es)?|codes?|standards?|procedures?|protocols?|budgets?|forecasts?|schedules?"
    r"|resolutions?|permits?|applications?|forms?|questionnaires?|surveys?|briefs?|complaints?"
    r"|opinions?|judg(?:e)?ments?|subscriptions?|settlements?|undertakings?|summary|summaries"
)
ENDS: Final = re.compile(rf"\b(?:{_ENDS})\b", re.IGNORECASE)
"""What the name of a kind ends in."""
REPORTING: Final = re.compile(
    r"\b(?:reports?|results|accounts|statements?|earnings|transcript|presentation|budget|10-[KQ])\b",
    re.IGNORECASE,
)
"""Kinds that report on a period."""
TIMES: Final = frozenset("first second third fourth quarter half full year month fiscal".split())  # noqa: SIM905
"""Words in titles that say when and not what."""
_BEFORE: Final = re.compile(
    r"^(?:exhibit\s+[\d.]+|form\s+of|this|the|execution\s+(?:copy|version)|draft|our|final|[\W\d_]+)\s+",
    re.IGNORECASE,
)


def of_form(written: str) -> str:
    """Return a form as it is listed: "10-K" for "10K"."""
    bare = re.sub(r"[\W_]", "", written).upper()
    return next((form for form in FORMS if re.sub(r"\W", "", form) == bare), written.upper())


def of_title(title: str) -> str:
    """Return the kind that a title names, in lower case, or nothing: up to the word it ends in."""
    flat = " ".join(title.split())
    ends = [match.end() for match in ENDS.finditer(flat)]
    kind = flat[: ends[-1]].lower() if ends else ""
    while (before := _BEFORE.match(kind)) and before.end() < len(kind):
        kind = kind[before.end() :]
    return kind.strip(" ,;:-–—")


def tokens(text: str) -> list[str]:
    """Return the words of a kind, so that "10-K" is "10k" and "policies" is "policy"."""
    joined = re.sub(r"\b(\d{1,2})[-‐–—\s]?([KQFkqf])\b", r"\1\2", text)
    joined = re.sub(r"\b([SFsf])[-‐–—](\d)\b", r"\1\2", joined)
    joined = re.sub(r"(?i)\be-?mail", "email", joined)
    return [token(word) for word in words(joined)]


def token(word: str) -> str:
    """Return a word in lower case as kinds are compared: "policies" is "policy"."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word.replace("license", "licence") if word.startswith("licens") else word
