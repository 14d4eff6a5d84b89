"""The sidebar of the conversation: the documents, what to ask about, earlier conversations.

A document is shown as it is: one that could not be read says so, and why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from graph import Orchestrator
from storage.errors import AffidavitError
from storage.records import Document, Run
from ui import markup, parts, words
from ui.markup import Safe, show, tag

_ENTRIES: Final = 300
_CONVERSATIONS: Final = 12
_BATCH: Final = "batch"
_LINE, _CHIP = 44, 28
"""Characters of a name in the sidebar: on two lines, and among those to be asked about."""


def sidebar(desk: Orchestrator, documents: Sequence[Document], turns: Sequence[Run]) -> None:
    """Show the sidebar."""
    with st.sidebar:
        _shelf(desk, documents, turns)
        _conversations(desk)


def limit() -> list[str]:
    """Return the documents that the next question is limited to; none: it is not."""
    return list(st.session_state.get(_limit_key()) or ())


def _limit_key() -> str:
    return f"limit-{parts.given('thread')}"


def _shelf(desk: Orchestrator, documents: Sequence[Document], turns: Sequence[Run]) -> None:
    st.subheader("Documents", anchor=False)
    if not documents:
        show(tag("p", "None yet.", cls="aff-quiet"))
        return
    names = shortened({document.id: document.name for document in documents}, _LINE)
    rows = [_row(document, names[document.id]) for document in reversed(documents)]
    show(tag("div", *rows, cls="aff-shelf", tabindex="0", role="list"))
    with st.expander("Add documents", icon=":material/add:"):
        uploader(desk)
    _limit(documents, turns)


def _row(document: Document, name: str) -> Safe:
    """Return a document as a line that unfolds into what is known of it."""
    _, kind = words.DOCUMENT[document.status]
    facts = [tag("p", document.name)] if name != document.name else []
    facts += [tag("p", document.reason)] if document.reason else []
    added = f"Added {parts.when(document.added_at)} by {document.added_by}"
    facts.append(tag("p", f"{added}, {document.size:,} bytes", cls="aff-quiet"))
    facts.append(tag("p", tag("code", f"sha256 {document.sha256[:16]}"), title=document.sha256))
    state = tag("span", words.about(document), cls=f"aff-state aff-{kind}")
    line = tag("span", name, cls="aff-name", title=document.name)
    return tag("details", tag("summary", line, state), *facts, role="listitem")


def _limit(documents: Sequence[Document], turns: Sequence[Run]) -> None:
    labels = shortened(distinct([each for each in documents if each.pages]), _CHIP)
    last = [each for each in turns[-1].documents if each in labels] if turns else []
    st.multiselect(
        "Ask about",
        list(labels),
        default=last,
        format_func=lambda each: labels.get(each, each),
        placeholder="All documents",
        key=_limit_key(),
    )


def distinct(documents: Sequence[Document]) -> dict[str, str]:
    """Return documents by name; those of the same name with a part of their hash behind it."""
    often = Counter(document.name for document in documents)
    return {d.id: d.name if often[d.name] == 1 else f"{d.name} ({d.sha256[:8]})" for d in documents}


def shortened(names: Mapping[str, str], most: int) -> dict[str, str]:
    """Return names with both ends, and whole where several would then look the same."""
    short = {key: words.middle(name, most) for key, name in names.items()}
    often = Counter(short.values())
    return {key: name if often[name] == 1 else names[key] for key, name in short.items()}


def uploader(desk: Orchestrator) -> None:
    """Take files, add each, and report how each stands; adding one twice adds it once."""
    batch = st.session_state.setdefault(_BATCH, 0)
    password = st.text_input(
        "Password of locked files",
        type="password",
        placeholder="It is not kept",
        autocomplete="off",
        key=f"password-{batch}",  # with the batch it is forgotten
    )
    files = st.file_uploader(
        "Add documents: PDF, Word, Excel, PowerPoint, HTML, mail, text",
        accept_multiple_files=True,
        key=f"files-{batch}",
    )
    if files:
        _add(desk, files, password)
        st.session_state[_BATCH] = batch + 1
        st.rerun()


def _add(desk: Orchestrator, files: Sequence[UploadedFile], password: str) -> None:
    progress = st.progress(0.0)
    fine: list[str] = []
    for number, file in enumerate(files):
        progress.progress(number / len(files), f"Reading {markup.plain(file.name)}")
        try:
            added = desk.documents.add_new(file.getvalue(), name=file.name, password=password)
        except AffidavitError as error:
            parts.say("error", f"{file.name} was not added.", str(error))
            continue
        for each, _ in added.with_attachments():
            document = each.document
            known = "" if each.new else ", was here already"
            line = f"{document.name}: {words.about(document)}{known}"
            if document.reason:
                parts.say(words.DOCUMENT[document.status][1], line, document.reason)
            else:
                fine.append(line)
    progress.progress(1.0, "Making it searchable")
    parts.attempt(desk.documents.index)
    if fine:
        parts.say("ok", "Ready to be asked about", "\n".join(fine))


def _conversations(desk: Orchestrator) -> None:
    st.subheader("Conversations", anchor=False)
    st.button(
        "New conversation",
        icon=":material/edit_square:",
        width="stretch",
        on_click=parts.address,
        args=("thread", ""),
    )
    threads = conversations(desk.runs.list(limit=_ENTRIES))
    now = parts.given("thread")
    with st.container(key="conversations", gap=None):
        for thread, question in list(threads.items())[:_CONVERSATIONS]:
            label = markup.plain(question, 60) or "…"
            st.button(
                f"**{label}**" if thread == now else label,
                key=f"thread-{thread}",
                type="tertiary",
                icon=":material/chat_bubble:",
                width="stretch",
                on_click=parts.address,
                args=("thread", thread),
            )
    left = len(threads) - _CONVERSATIONS
    if left > 0:
        text = f"{words.count(left, 'earlier conversation')}: see the page Runs."
        show(tag("p", text, cls="aff-quiet"))


def conversations(entries: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return threads by their first question, the one that was at work last first."""
    threads: dict[str, str] = {}
    for entry in entries:  # newest first, so that the first question is written last
        threads[str(entry["thread_id"])] = str(entry["question"])
    return threads
