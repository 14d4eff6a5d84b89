"""HTML that is safe by construction: whatever is not made by `tag` is escaped.

Names, questions, answers, quotes and pages are written by strangers. They reach the browser through
`tag` and `show`, or, where Streamlit takes only a label, through `plain`; never as Markdown, and
never as HTML of their own. How it looks is in `style.css`.
"""

import re
from html import escape
from pathlib import Path
from typing import Final, Literal

import streamlit as st

Kind = Literal["info", "ok", "warning", "error"]
_STYLE: Final = Path(__file__).with_name("style.css")
_MARKDOWN: Final = re.compile(r"([!-/;-@\[-`{-~])")
_EMPTY: Final = frozenset(["img"])  # elements that have no end
_JOINER: Final = "\u2060"
LABEL_CHARS: Final = 80


class Safe(str):
    """HTML that `tag` has made. Adding to it gives a plain string, which is escaped again."""

    __slots__ = ()


def tag(name: str, *children: str, cls: str = "", **attributes: str) -> Safe:
    """Return an element; children that are not `Safe`, and all attributes, are escaped."""
    given = {"class": cls, **attributes}
    text = "".join(f' {key.replace("_", "-")}="{escape(v)}"' for key, v in given.items() if v)
    return Safe(
        f"<{name}{text}>" if name in _EMPTY else f"<{name}{text}>{_joined(children)}</{name}>"
    )


def _joined(children: tuple[str, ...]) -> str:
    return "".join(child if isinstance(child, Safe) else escape(child) for child in children)


def show(*children: str, width: Literal["stretch", "content"] = "stretch") -> None:
    """Show elements, and text as text."""
    st.html(_joined(children) or " ", width=width)


def style() -> None:
    """Load the style sheet."""
    st.html(_STYLE)


def plain(text: str, most: int = LABEL_CHARS) -> str:
    """Return text for a label, which Streamlit reads as Markdown: on one line, all of it literal.

    An invisible joiner behind each colon keeps `:name:` from becoming an icon, `http:` a link.
    """
    line = " ".join(text.split())
    if len(line) > most:
        line = f"{line[: most - 1].rstrip()}…"
    escaped = _MARKDOWN.sub(r"\\\1", line)
    return escaped.replace(":", f":{_JOINER}").replace("www.", f"www{_JOINER}.")


def callout(kind: Kind, title: str, text: str = "") -> None:
    """Show a short message; an error is announced to screen readers."""
    body = [tag("strong", title)]
    if text:
        body.append(tag("div", text, cls="aff-pre"))
    role = "alert" if kind == "error" else "status"
    show(tag("div", *body, cls=f"aff-callout aff-{kind}", role=role))


def chip(text: str, kind: str = "info") -> Safe:
    """Return a small label, such as a status."""
    return tag("span", text, cls=f"aff-chip aff-{kind}")
