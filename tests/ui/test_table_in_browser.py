"""A table in a browser: every cell opens, on the page that proves it, with the quote marked."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Locator, Page, expect

from graph import Orchestrator
from scripts import samples
from storage.records import Cell

from .test_browser import home, page, page_alone, says  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
SCHEMA = {
    "type": "object",
    "properties": {
        "deposit": {"type": "number", "description": "What is the amount of the security deposit?"},
        "parties": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Who are landlord and tenant?",
        },
        "satellite": {"type": "string", "description": "Which satellite is launched?"},
    },
}
NAMES, FIELD, LINE = 200, 210, 35
"""Pixels of the grid: the width of the names and of a field, the height of a line."""
NARROW = {"width": 860, "height": 800}
"""A window that the fields fill, so that they are not stretched."""


@pytest.fixture
def chosen() -> str:
    """Embedded alone: nothing here knows which back end it has."""
    return "embedded"


def choose(page: Page, grid: Locator, row: int, column: int) -> Locator:  # noqa: F811
    """Choose a cell as a person does, and return the dialog that it opens."""
    grid.evaluate("grid => grid.scrollIntoView({block: 'center'})")
    at = grid.bounding_box()
    assert at
    x, y = at["x"] + NAMES + FIELD * column + 40, at["y"] + LINE * (row + 1) + 15
    page.mouse.move(x, y - 3)
    page.mouse.move(x, y, steps=3)
    page.mouse.down()
    page.mouse.up()
    return page.get_by_role("dialog")


def test_every_cell_opens_its_page_with_the_quotes_marked_and_is_corrected_there(
    page: Page,  # noqa: F811
    page_alone: str,  # noqa: F811
    desk: Orchestrator,
    given: SimpleNamespace,
) -> None:
    printed = desk.documents.add(Path(samples.__file__).with_name("lease.pdf"))
    typed = desk.documents.add(given.lease.encode(), name="a_lease_[1]_of_*two*.txt")
    run = desk.extract(SCHEMA, documents=[printed.id, typed.id])
    assert run.table
    page.set_viewport_size(NARROW)
    page.goto(f"{page_alone}/runs?run={run.id}")
    says(page, "4 found")
    grid = page.get_by_test_id("stDataFrame").last
    for number, row in enumerate(run.table.rows):
        for place, column in enumerate(run.table.columns):
            opened = choose(page, grid, number, place)
            expect(opened).to_contain_text(column.name)
            expect(opened).to_contain_text(row.document)
            _proves(opened, row.cells[column.name])
            page.keyboard.press("Escape")
            expect(opened).to_have_count(0)

    again = page.get_by_role("button", name="Open the cell")  # the last one
    again.click()
    opened = page.get_by_role("dialog")
    opened.get_by_text("Correct this cell").click()
    opened.get_by_label("What it should have held").fill("Sputnik")
    opened.get_by_label("Why (optional)").fill("See the amendment.")
    opened.get_by_role("button", name="Keep the correction").click()
    expect(opened).to_have_count(0)
    expect(grid.locator("td").filter(has_text="▸ Sputnik")).to_have_count(1)
    again.click()
    expect(opened).to_contain_text("See the amendment.")


def _proves(opened: Locator, cell: Cell) -> None:
    """Check that a cell shows its quotes where they stand, in sight."""
    if not cell.citations:
        expect(opened).to_contain_text("It was read in full, and does not say it.")
    elif cell.citations[0].place.startswith("page"):
        expect(opened.locator(".aff-sheet img")).to_be_visible()
        expect(opened.locator(".aff-sheet #aff-quote")).to_be_in_viewport()
        assert _marked(opened)
    else:
        marks = opened.locator("mark")
        expect(marks).to_have_text([each.quote for each in cell.citations])
        expect(marks.first).to_be_in_viewport()


def _marked(opened: Locator) -> bool:
    """Return whether the picture has the colour of a mark where the page was scrolled to."""
    script = """dialog => {
        const sheet = dialog.querySelector(".aff-sheet");
        const [img, at] = ["img", "#aff-quote"].map(each => sheet.querySelector(each));
        const canvas = new OffscreenCanvas(img.naturalWidth, img.naturalHeight);
        const drawn = canvas.getContext("2d");
        drawn.drawImage(img, 0, 0);
        const y = Math.round(parseFloat(at.style.top) / 100 * img.naturalHeight);
        return [...drawn.getImageData(0, y, img.naturalWidth, 1).data];
    }"""
    line = opened.evaluate(script)
    pixels = zip(line[::4], line[1::4], line[2::4], strict=True)
    return any(red > 200 and green > 180 and blue < 140 for red, green, blue in pixels)
