"""What a passage stands under is found with it, and never becomes a part of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.records import Page
from tools.outline import outlined
from tools.passages import passages

LONG = "The parties keep to this and to nothing else at any time. " * 14


def page(text: str, number: int = 1, locator: str = "") -> Page:
    return Page(number=number, locator=locator or f"page {number}", text=text)


def contexts(*pages: Page) -> list[str]:
    return [cut.context for _, cuts in outlined(pages) for cut in cuts]


def test_a_passage_inside_of_a_clause_stands_under_its_headings() -> None:
    text = f"ARTICLE IV\nTerm and Termination\n\n4.1 Notice. {LONG}\n\n(a) {LONG}\n\n(b) {LONG}"
    found = contexts(page(text))
    assert found[0] == ""
    assert {"Term and Termination\n4.1 Notice."} == set(found[1:])


def test_a_clause_goes_on_over_the_end_of_a_page() -> None:
    rent, repairs = f"4. Rent. {LONG}", f"5. Repairs. {LONG}{LONG}"
    assert contexts(page(rent), page(LONG, 2)) == ["", "4. Rent."]
    assert contexts(page(rent), page(repairs, 2)) == ["", "", "5. Repairs."]


def test_the_heading_of_a_page_itself_is_no_heading_of_the_text() -> None:
    pages = [page(f"Supply Agreement\n\n4. Rent. {LONG}")]
    pages += [page(f"Supply Agreement\n\n{LONG}", n) for n in (2, 3)]
    assert contexts(*pages)[-1].endswith("4. Rent.")


def test_the_rows_of_a_table_carry_the_names_of_its_columns() -> None:
    rows = "\n".join(f"Birch Storage {n} | {n} | Akron" for n in range(100))
    found = contexts(page(f"Tenant | Rent | Place\n{rows}", locator='sheet "Leases"'))
    assert len(found) > 2
    assert found[0] == 'sheet "Leases"'
    assert {'sheet "Leases"\nTenant | Rent | Place'} == set(found[1:])
    figures = "\n".join(f"Revenue of unit {n}     1,{n + 100}    2,{n + 100}" for n in range(60))
    found = contexts(page(f"In thousands of dollars\n\nYear ended     2024    2023\n{figures}"))
    assert all("2024" in each for each in found[1:])


def test_what_was_cut_only_for_its_length_goes_on() -> None:
    text = f"4. Rent. {LONG}{LONG}\n\n5. Repairs. {LONG}"
    ((_, cuts),) = outlined([page(text)])
    heads = [(text[c.span.start :].split(maxsplit=2)[0], c.goes_on) for c in cuts]
    assert heads[0] == ("4.", False)
    assert ("5.", False) in heads
    assert {goes_on for head, goes_on in heads if head not in ("4.", "5.")} == {True}


scraps = st.sampled_from(
    ["1. ", "4.2 ", "(a) ", "Rent", ". ", "\n", "\n\n", "a | b", "1,204  1,101", "x" * 700, " "]
) | st.text(max_size=12)


@settings(deadline=None)
@given(st.lists(st.lists(scraps, max_size=40).map("".join), max_size=3))
def test_passages_are_the_same_with_what_they_stand_under(texts: list[str]) -> None:
    pages = [page(text, n) for n, text in enumerate(texts, start=1)]
    for each, cuts in outlined(pages):
        assert [cut.span for cut in cuts] == passages(each.text)
        assert all(len(cut.context) <= 400 for cut in cuts)
