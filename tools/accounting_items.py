"""The line items of financial statements, each with the names under which people know it.

A report says "net sales" where a question says "revenue". Which names mean one item is a matter of
the field: the items are named after elements of the US-GAAP Financial Reporting Taxonomy, and of
the taxonomy of document and entity information where the text of a report tells them (employees,
the auditor).
Their names are the standard labels, what filings commonly put on them, and what analysts say. An
item is there because questions ask for it, or because its name holds that of another which it is
not ("cost of sales", "income taxes paid").

It must never hold a figure, nor a name that is one company's own. Next: `tools/accounting.py` finds
the items that a text names.
Source: https://xbrl.fasb.org/us-gaap/2024/ and https://xbrl.sec.gov/dei/2024/
"""

from typing import Final, Literal

Statement = Literal["income", "balance", "cash flow", "note", "text"]
"""The statement in which an item stands, or the notes; some are told in the text of a report."""

# An element, after "<" the one that it is a kind of, then its names, the most usual one first:
# "a|b" is either word, "a?" a word that may be left out.
LISTED: Final[dict[Statement, str]] = {
    "income": """
Revenues:
    revenues; net revenue; total? net? operating? revenue|sales|turnover; sales revenue;
    revenue|sales net
CostOfRevenue:
    cost of revenue|sales; cost of goods|products|services sold; cost of goods and? services sold;
    cogs
GrossProfit:
    gross profit|margin|income
ResearchAndDevelopmentExpense:
    research and development; research development and engineering; r and? d
SellingGeneralAndAdministrativeExpense:
    selling general and administrative; selling marketing general and administrative;
    marketing general and administrative; sg and? a
SellingAndMarketingExpense:
    selling|sales and marketing; marketing and selling|sales
GeneralAndAdministrativeExpense:
    general and administrative
OperatingExpenses:
    total? operating expenses|costs; total costs and expenses
OperatingIncomeLoss:
    operating income|profit|earnings|loss; income|profit|earnings|loss from operations
InterestExpense:
    interest expense|cost|charges
InvestmentIncomeInterest:
    interest income
InterestIncomeExpenseNet:
    interest income and? expense net?
IncomeLossBeforeIncomeTaxes:
    income|profit|earnings|loss before provision? for? income? taxes;
    pretax income|profit|earnings|loss; pre-tax income|profit|earnings|loss;
    income|earnings|loss from continuing operations before provision? for? income? taxes
IncomeTaxExpenseBenefit:
    income tax expense; income tax expense|benefit|provision; provision for income? taxes;
    provision for taxes on income; income taxes; tax expense|provision; taxes on income
DeferredIncomeTaxExpenseBenefit:
    deferred income? taxes; deferred income? tax assets|liabilities|expense|benefit|provision
IncomeLossFromContinuingOperations:
    income|earnings|profit|loss from continuing operations
IncomeLossFromDiscontinuedOperations:
    income|earnings|profit|loss from discontinued operations
NetIncomeLoss:
    net income|earnings|profit|loss; profit|loss for the year|period
NetIncomeLossAttributableToNoncontrollingInterest:
    net? income|earnings|loss attributable to noncontrolling|non-controlling interests
ComprehensiveIncomeNetOfTax:
    total? comprehensive income|loss; other comprehensive income|loss
EarningsPerShare:
    earnings per share; net? income|earnings|loss per common? share; eps
EarningsPerShareBasic < EarningsPerShare:
    basic eps; basic net? income|earnings|loss per common? share;
    net? income|earnings|loss per common? share basic; eps basic
EarningsPerShareDiluted < EarningsPerShare:
    diluted eps; diluted net? income|earnings|loss per common? share;
    net? income|earnings|loss per common? share diluted;
    net? income|earnings|loss per common? share assuming dilution; eps diluted
WeightedAverageNumberOfSharesOutstanding:
    weighted average number? of? common? shares outstanding?; average common? shares outstanding
CommonStockDividendsPerShareDeclared:
    dividends per common? share; dividends declared|paid per common? share;
    cash dividends declared? per common? share
""",
    "balance": """
CashAndCashEquivalents:
    cash and cash equivalents; cash and equivalents
ShortTermInvestments:
    short-term investments; marketable securities
AccountsReceivableNetCurrent:
    accounts|trade receivable; accounts and notes receivable; trade accounts receivable;
    receivables
InventoryNet:
    inventories; merchandise inventories; inventory
AssetsCurrent:
    total? current assets
PropertyPlantAndEquipmentNet:
    property plant and equipment; property and equipment; plant property and equipment;
    fixed assets; pp and? e; ppe; ppne
Goodwill:
    goodwill
IntangibleAssetsNetExcludingGoodwill:
    intangible assets; other intangibles; intangibles
Assets:
    total assets
AccountsPayableCurrent:
    accounts|trade payable; trade accounts payable; payables
AccruedLiabilitiesCurrent:
    accrued liabilities|expenses
LiabilitiesCurrent:
    total? current liabilities
LongTermDebtNoncurrent:
    long-term debt|borrowings|obligations
ShortTermBorrowings:
    short-term debt|borrowings; notes payable; commercial paper
DebtCurrent:
    current portion|maturities of long-term debt|borrowings
Liabilities:
    total liabilities
LiabilitiesAndStockholdersEquity:
    total? liabilities and stockholders?|shareholders?|shareowners? equity
StockholdersEquity:
    total? stockholders|shareholders|shareowners equity|deficit|investment; total equity
RetainedEarnings:
    retained earnings; accumulated deficit; reinvested earnings; earnings retained
ContractWithCustomerLiability:
    deferred revenue|income; unearned revenue|income; contract liabilities
""",
    "cash flow": """
NetCashProvidedByOperatingActivities:
    net cash provided by operating activities;
    net? cash flows? provided? by? used? in? from? operating activities;
    net? cash provided|used|generated|from by? in? used? in? operating activities;
    cash generated|provided by operations; operating activities; cash flows? from operations;
    cash from operations; operating cash flows
NetCashProvidedByInvestingActivities:
    net? cash flows? provided? by? used? in? from? investing activities;
    net? cash provided|used|from by? in? used? in? investing activities
NetCashProvidedByFinancingActivities:
    net? cash flows? provided? by? used? in? from? financing activities;
    net? cash provided|used|from by? in? used? in? financing activities
PaymentsToAcquirePropertyPlantAndEquipment:
    capital expenditures; capital expenditures|spending|additions|outlays; capex;
    purchases|additions|acquisitions of|to property plant? and? equipment;
    payments|expenditures|investments for|in property plant? and? equipment;
    payments to acquire property plant? and? equipment;
    spend|spent|spending on property plant? and? equipment;
    purchases|acquisitions|additions of|to fixed assets; purchases of plant and equipment
DepreciationDepletionAndAmortization:
    depreciation and amortization; depreciation amortization and impairment;
    depreciation depletion and amortization; depreciation; d and? a
ShareBasedCompensation:
    stock-based|share-based|equity-based compensation; stock compensation
PaymentsToAcquireBusinessesNetOfCashAcquired:
    acquisitions of businesses; acquisitions net of cash acquired; business acquisitions;
    payments to acquire businesses
PaymentsOfDividends:
    dividends paid; dividends; cash dividends; payments of cash? dividends;
    dividends to shareholders|stockholders|shareowners; dividends on common stock
PaymentsForRepurchaseOfCommonStock:
    repurchases of common stock|shares; repurchases of shares|stock;
    common stock repurchased|repurchases; share|stock repurchases|buybacks;
    purchases|acquisitions of treasury stock|shares;
    treasury stock|shares purchased|acquired|purchases; purchases of common stock|shares;
    share|stock buyback program
ProceedsFromIssuanceOfLongTermDebt:
    proceeds from issuance? of? long-term? debt|borrowings|notes; issuance of long-term? debt
RepaymentsOfLongTermDebt:
    repayments|payments of|on long-term? debt|borrowings|notes
IncomeTaxesPaid:
    income taxes paid; cash paid for income taxes; pay|paid for|in income? taxes
InterestPaid:
    interest paid; cash paid for interest; pay|paid for|in interest
CashPeriodIncreaseDecrease:
    change|increase|decrease decrease? in cash and cash equivalents;
    net change|increase|decrease decrease? in cash and? cash? equivalents
CashBeginningOfPeriod:
    cash and cash equivalents at? beginning of year|period
IncreaseDecreaseInReceivables:
    change|changes|increase|decrease decrease? in accounts|trade? receivables
IncreaseDecreaseInInventories:
    change|changes|increase|decrease decrease? in inventories
IncreaseDecreaseInAccountsPayable:
    change|changes|increase|decrease decrease? in accounts|trade? payable
""",
    "note": """
EffectiveIncomeTaxRateContinuingOperations:
    effective income? tax rate; income? tax rate
StatutoryTaxRate:
    federal? statutory income? tax? rate
""",
    "text": """
EntityNumberOfEmployees:
    employees; full-time employees; people employed; associates; team members; headcount;
    workforce; people employ; employed; employs
NumberOfReportableSegments:
    reportable segments; operating segments; business segments; reporting segments; segments
AuditorName:
    auditor; independent registered public accounting firm; independent auditor
""",
}

STANDING: Final[dict[Statement, str]] = {
    "income": "cost of sales gross profit operating income before income taxes net income per share"
    " basic diluted",
    "balance": "total current assets inventories total assets accounts payable total current"
    " liabilities total liabilities equity",
    "cash flow": "cash flows operating activities depreciation investing activities net cash used"
    " financing activities",
    "note": "",
    "text": "",
}
"""Words of rows that stand in nearly every statement of a kind: to find it by."""
