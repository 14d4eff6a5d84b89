"""Who makes a document, and when: read from preambles as lawyers write them."""

import pytest

from tools.openings import DATE, document_dates, parties
from tools.values import iso_date, party_names

NUMBERED = """\
THIS LOAN AGREEMENT is dated 12 March 2019 and made
BETWEEN:
(1) ALDER HOLDINGS LIMITED, a company incorporated in England and Wales (registered number 01234567)
whose registered office is at 1 High Street, London (the "Borrower"); and
(2) BIRCH BANK PLC, as lender (the "Lender").
IT IS AGREED as follows:"""
UNDEFINED = """\
This Agreement is entered into as of June 1, 2020, by and between Jane Q. Doe, an individual
residing in Ohio, and Acme Widgets, Inc., a Delaware corporation.
"""
SEVERAL = """\
This Agreement, dated as of March 3, 2004, is among ALPHA CORP., a Delaware corporation ("Alpha"),
GAMMA L.P., a Nevada limited partnership ("Gamma"), and DELTA N.V. ("Delta" and, together with Alpha
and Gamma, the "Parties").
RECITALS"""
JOINED = """\
Made on July 26, 2013 by and between Marine LLC (“Lender”), for services of Arnold Lee (“Endorser”),
and Fitness, Inc. (“Fitness”) (collectively, Lender, Endorser and Fitness are the “AS Parties”) and
Muscle Corporation and its subsidiaries, (collectively, the “Company”).
RECITALS"""
ODD = """\
Made as of the 5th day of May, 2011 between Bunker One (USA) Inc. with offices at 1 Main St.
("Bunker") and e-centives, Inc., ("Provider"), a corporation. Both may be called the "Parties".
"""
ROLES = """\
MASTER SERVICES AGREEMENT
Client: Northwind Traders Ltd.
Provider: Contoso GmbH
Date: 4 May 2021
1. Services. The Provider shall provide the services between 9 and 5.
"""
LISTED = """\
This Agreement is dated 1 March 2022.
Parties
(1) Heron Optics Pty Ltd (company number 123) , 7 Quay Road, Hobart
(2) Stork Medical, LLC of 15 Central Way, Dallas
Background
The Supplier, Plover Ltd. and others make lenses.
"""
DASHED = """\
THIS LICENCE dated as of October 3, 2018 is made BETWEEN:
r2 Robotics Inc., a company formed under the laws of Ontario (“R2”);
- and -
GANNET HEALTH CORP, a company incorporated under the laws of Ontario (“Gannet”)
RECITALS
"""
PLACED = """\
Made as of May 1, 2019 between Ferrow Mining Ltd., a corporation under the laws of Canada and
Province of Ontario, and Dunmore Capital Inc.
WHEREAS"""
CUT = """\
Made May 1, 2019 by and between Harbor Row – North LLC and Quill & Sons - West, Inc.
WHEREAS"""
PARTS = """\
THIS AGREEMENT of May 1, 2019 BETWEEN: FERROW LTD., of Toronto (hereinafter called the "Company")
OF THE FIRST PART
- AND -
JANE DOE, of the City of Ottawa (hereinafter called the "Consultant")
OF THE SECOND PART
WHEREAS"""
STATE = """\
Made May 1, 2019 between Acme Inc. and State of Ohio, represented by its Treasurer.
WHEREAS"""


@pytest.mark.parametrize(
    ("preamble", "names", "day"),
    [
        (NUMBERED, ["ALDER HOLDINGS LIMITED", "BIRCH BANK PLC"], "2019-03-12"),
        (PLACED, ["Ferrow Mining Ltd.", "Dunmore Capital Inc."], "2019-05-01"),
        (CUT, ["Harbor Row – North LLC", "Quill & Sons - West, Inc."], "2019-05-01"),
        (PARTS, ["FERROW LTD.", "JANE DOE"], "2019-05-01"),
        (STATE, ["Acme Inc.", "State of Ohio"], "2019-05-01"),
        (UNDEFINED, ["Jane Q. Doe", "Acme Widgets, Inc."], "2020-06-01"),
        (SEVERAL, ["ALPHA CORP.", "GAMMA L.P.", "DELTA N.V."], "2004-03-03"),
        (
            JOINED,
            [
                *("Marine LLC", "Arnold Lee", "Fitness, Inc."),
                "Muscle Corporation and its subsidiaries",
            ],
            "2013-07-26",
        ),
        (ROLES, ["Northwind Traders Ltd.", "Contoso GmbH"], "2021-05-04"),
        (LISTED, ["Heron Optics Pty Ltd", "Stork Medical, LLC"], "2022-03-01"),
        (DASHED, ["r2 Robotics Inc.", "GANNET HEALTH CORP"], "2018-10-03"),
        (ODD, ["Bunker One (USA) Inc.", "e-centives, Inc."], "2011-05-05"),
    ],
)
def test_a_preamble_names_its_parties_and_its_date(
    preamble: str, names: list[str], day: str
) -> None:
    found = [preamble[p.span.start : p.span.end] for p in parties(preamble)]
    assert [name for quote in found for name in party_names(quote)] == names
    made = document_dates([preamble], [True])[0].span
    assert str(iso_date(preamble[made.start : made.end])) == day


def test_what_somebody_is_stands_before_the_name_and_is_no_part_of_it() -> None:
    assert party_names("Client: Northwind Traders Ltd.") == ["Northwind Traders Ltd."]


OPENING = "1. Under the powers given by the Board on May 2, 2008 it is agreed as follows.\n"
SIGNED = "IN WITNESS WHEREOF the parties sign.\nBy: /s/ Ann Lee\nDate: March 14, 2018\n"


@pytest.mark.parametrize(
    ("texts", "day"),
    [
        (["The Parties have entered into an Agreement dated March 7, 2017.", SIGNED], "2018-03-14"),
        (["It begins on the execution and terminates on May 31, 2016.", SIGNED], "2018-03-14"),
        (
            ["This Supply Agreement dated May 1, 2016 sets out what is agreed.", SIGNED],
            "2016-05-01",
        ),
        ([OPENING + "This Deed of June 3, 2009 is made between A and B."], "2009-06-03"),
    ],
)
def test_the_date_of_another_thing_is_not_that_of_the_document(texts: list[str], day: str) -> None:
    first = document_dates(texts, [number == 0 for number in range(len(texts))])[0]
    assert str(iso_date(texts[first.text][first.span.start : first.span.end])) == day


MONTHS = "January February March April May June July August September October November December"
DAYS = """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth
    twenty-first thirty-first
"""
BLANKS = ["____ day of ____ 2019", "[__] day of May, 2019", "[●] day of May 2019"]
DATES = [
    *(f"{month} 3rd, 2019" for month in MONTHS.split()),
    *(f"{month[:3]}. 3, 2019" for month in MONTHS.upper().split()),
    *(f"{month.lower()} 2019" for month in MONTHS.split()),
    *(f"{day} day of May, 2019" for day in DAYS.split()),
    *("3 May 2019", "3rd of May, 2019", "3/5/2019", "3.5.19", "2019-05-03"),
    *BLANKS,
]


@pytest.mark.parametrize("date", DATES)
def test_a_date_is_found_whatever_it_begins_with(date: str) -> None:
    assert [m[0] for m in DATE.finditer(f"It is made\non ({date}) and")] == [date]
