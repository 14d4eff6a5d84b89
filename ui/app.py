"""The page that `affidavit up` serves: two rooms, a conversation and the record of runs.

It must never run a graph: it enters runs and decisions, a worker drives, and the page follows the
record. Next: `chat.py` and `runs.py` are the rooms, `parts.py` and `markup.py` what they share.
"""

from typing import Final, Literal

import streamlit as st

from storage.errors import AffidavitError
from ui import markup

# Drawn here, because Streamlit would fetch an icon of its own from the network.
_MARK: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect x="5" y="2" width="22" height="28" rx="3" fill="#1d5c86"/>'
    '<path d="M10 9h12M10 14h12M10 19h5" stroke="#fff" stroke-width="2" opacity=".75"/>'
    '<path d="m14.500 22.500 3.500 3.500 7-8" fill="none" stroke="#ffd76a" stroke-width="3"/></svg>'
)
_LOGO: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 190 32">'
    f'<g transform="scale(1)">{_MARK.split(">", 1)[1].removesuffix("</svg>")}</g>'
    '<text x="40" y="23" font-family="Source Serif, Georgia, serif" font-size="22" '
    'font-weight="600" fill="#2b78ad">Affidavit</text></svg>'
)


def main() -> None:
    """Show the page that was chosen."""
    st.logo(_LOGO, icon_image=_MARK, size="large")
    page = st.navigation(
        [
            st.Page("chat.py", title="Chat", default=True),
            st.Page("runs.py", title="Runs", url_path="runs"),
        ],
        position="top",
    )
    layout: Literal["wide", "centered"] = "wide" if page.url_path == "runs" else "centered"
    st.set_page_config(page_title=f"{page.title} · Affidavit", page_icon=_MARK, layout=layout)
    markup.style()
    try:
        page.run()
    except AffidavitError as error:
        markup.callout("error", "This page cannot be shown.", str(error))


if __name__ == "__main__":
    main()
