"""What runs cost, and what gives out first: by examples that can be checked by hand."""

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from scripts import cost_model
from scripts.cost_model import (
    IDLE,
    MONTH_SECONDS,
    TOKENS,
    VOLUMES,
    Plan,
    Spot,
    dollars,
    spots,
    verdict,
)
from scripts.metering import (
    ITEM_BYTES,
    LOG_BYTES,
    METRICS,
    OBJECT_BYTES,
    READS,
    S3_GETS,
    S3_PUTS,
    SQS,
    WRITES,
    Load,
    Measured,
    Meter,
    Use,
    measure,
    of_unit,
    shape,
)
from tests.faults import Answer, Request

GB = 2**30
PLAN = Plan()


def measured(run: Load, *, memo: Load | None = None, idle: Load | None = None) -> Measured:
    return Measured(run, run if memo is None else memo, idle or {})


def at(key: str, *, writes: float = 0, reads: float = 0, table: str = "t") -> dict[Use, float]:
    return {Use(table, key, WRITES): writes, Use(table, key, READS): reads}


# A load that has of everything what a thousand runs pay for in whole cents.
EVERYTHING: Load = {
    Use("t", "w/run/{run}", WRITES): 1_000,
    Use("t", "w/run/{run}", READS): 8_000,
    Use("t", "", ITEM_BYTES): GB / 1_000,
    Use("b", "w/objects", S3_PUTS): 2,
    Use("b", "w/objects", S3_GETS): 10,
    Use("b", "", OBJECT_BYTES): GB / 100,
    Use("sqs", "", SQS): 1_000,
    Use("g", "", LOG_BYTES): GB / 500,
    Use("metrics", "", METRICS): 3,
}


def test_each_service_has_its_price() -> None:
    assert dollars(measured(EVERYTHING), Plan(months=1), 1_000) == pytest.approx(
        {
            "DynamoDB writes": 0.625,  # a million units
            "DynamoDB reads": 1.00,  # eight million
            "DynamoDB storage": 0.25,  # one GB for one month
            "DynamoDB point-in-time recovery": 0.20,
            "S3 requests": 0.01 + 0.004,  # 2,000 puts and 10,000 gets
            "S3 storage": 0.23,  # ten GB
            "SQS requests": 0.40,  # a million
            "CloudWatch logs": 1.00,  # two GB
            "CloudWatch metrics": 0.03,  # 3,000 requests
            IDLE: 0.0,
            TOKENS: 0.0,
        }
    )


def test_twice_the_runs_cost_twice_as_much_but_idle_workers_do_not() -> None:
    idle = at("w/due", reads=1)
    one, two = (
        dollars(measured(EVERYTHING, idle=idle), Plan(workers=5), runs) for runs in (10_000, 20_000)
    )
    # 5 workers for 2,628,000 seconds, at $0.125 a million.
    assert one.pop(IDLE) == two.pop(IDLE) == pytest.approx(1.6425)
    assert two == pytest.approx({service: 2 * cost for service, cost in one.items()})
    assert sum(one.values()) > 0


def test_what_is_kept_is_paid_for_again_each_month() -> None:
    month, year = (dollars(measured(EVERYTHING), Plan(months=months), 1_000) for months in (1, 12))
    grown = {service for service in month if year[service] > month[service]}
    assert grown == {
        "DynamoDB storage",
        "DynamoDB point-in-time recovery",
        "S3 storage",
    }
    assert year["S3 storage"] == pytest.approx(12 * month["S3 storage"])


def test_runs_are_questions_and_memos_in_their_shares() -> None:
    both = measured(at("w/run/{run}", writes=100), memo=at("w/run/{run}", writes=200))
    cost = {
        share: dollars(both, Plan(memos=share), 1_000_000)["DynamoDB writes"]
        for share in (0.0, 0.25, 1.0)
    }
    assert cost == pytest.approx({0.0: 62.5, 0.25: 78.125, 1.0: 125.0})


def test_there_is_a_worker_for_each_three_runs_a_second_unless_the_plan_says_how_many() -> None:
    assert [Plan().fleet(rate) for rate in (0, 3, 3.1, 380.5)] == [1, 1, 2, 127]
    assert Plan(workers=4).fleet(380.5) == 4


def hot(run: Load, *, plan: Plan = PLAN, idle: Load | None = None) -> dict[Any, Spot]:
    return {
        (spot.where.place, spot.where.key): spot for spot in spots(measured(run, idle=idle), plan)
    }


def test_the_key_that_all_runs_write_to_is_the_hottest() -> None:
    run = {
        **at("w/run/{run}", writes=100),
        **at("w/due", writes=8, table="runs"),
        **at("w/runs", writes=6, table="runs"),
    }
    hottest, *rest = spots(measured(run), PLAN)
    assert (hottest.where.place, hottest.where.key) == ("runs", "w/due")
    assert hottest.gives_out(PLAN) == (125.0, WRITES)  # 1,000 / 8
    assert [spot.gives_out(PLAN)[0] for spot in rest] == sorted(
        spot.gives_out(PLAN)[0] for spot in rest
    )


def test_what_a_run_or_a_thread_has_for_itself_is_no_limit() -> None:
    run = {**at("w/run/{run}", writes=500), **at("w/thread/{thread}", writes=500)}
    # Only the quota of the table is: 40,000 / 1,000.
    assert list(hot(run)) == [("t", "")]
    assert hot(run)["t", ""].gives_out(PLAN) == (40.0, WRITES)


@pytest.mark.parametrize(
    ("key", "sharers"),
    [
        ("w/due", "a workspace"),
        ("w/document/{document}", "one document"),
        ("w/object/{object}", "one object"),
    ],
)
def test_it_says_whose_runs_share_a_key(key: str, sharers: str) -> None:
    assert hot(at(key, writes=1))["t", key].where.shared_by == sharers


def test_the_scarcer_unit_of_a_key_decides() -> None:
    # 1,000 writes at 4 are 250 runs a second, 3,000 reads at 30 are 100.
    assert hot(at("w/due", writes=4, reads=30))["t", "w/due"].gives_out(PLAN) == (
        100.0,
        READS,
    )


def test_a_table_has_a_quota_over_all_its_keys() -> None:
    run = {**at("w/run/{run}", writes=60), **at("w/thread/{thread}", writes=40)}
    assert hot(run)["t", ""].gives_out(PLAN) == (400.0, WRITES)


def test_a_prefix_of_a_bucket_takes_3500_puts_a_second() -> None:
    run = {Use("b", "w/objects", S3_PUTS): 2.0, Use("b", "w/objects", S3_GETS): 1.0}
    assert hot(run)["b", "w/objects"].gives_out(PLAN) == (1750.0, S3_PUTS)


def test_idle_workers_take_their_part_of_a_key() -> None:
    run, idle = at("w/due", reads=4), at("w/due", reads=1)

    def rate(plan: Plan) -> float:
        return hot(run, plan=plan, idle=idle)["t", "w/due"].gives_out(plan)[0]

    assert rate(Plan(workers=1_000)) == 500.0  # (3,000 - 1,000) / 4
    assert rate(Plan(workers=3_000)) == 0.0
    # A worker for each 3 runs a second: 3,000 / (4 + 1/3).
    assert rate(PLAN) == pytest.approx(692.3, abs=0.1)


def judged(run: Load, runs: int, *, plan: Plan = PLAN, idle: Load | None = None) -> Any:
    return verdict(spots(measured(run, idle=idle), plan), plan, runs)


def test_the_peak_is_ten_times_the_mean() -> None:
    assert judged(at("w/due", writes=8), MONTH_SECONDS).peak == 10.0


def test_one_workspace_carries_what_stays_below_its_hottest_key() -> None:
    run = at("w/due", writes=8)  # gives out at 125 runs a second
    below, above = judged(run, 10_000_000), judged(run, 100_000_000)
    assert (below.carried, below.workspaces) == (True, 1)
    assert below.said == "yes: the peak is 30.44% of what it carries"  # 38.05 / 125
    assert (above.carried, above.workspaces) == (False, 4)  # 380.5 / 125 is above 3
    assert above.said == "no: spread over 4 workspaces"
    assert above.first.where.key == "w/due"


def test_more_workspaces_do_not_help_a_table_that_all_share() -> None:
    run = {**at("w/due", writes=8), **at("w/run/{run}", writes=200 - 8)}
    found = judged(run, 100_000_000)
    assert found.quotas == pytest.approx({"t": 1.9026}, abs=0.0001)  # 380.5 / (40,000 / 200)
    assert found.said == "no: spread over 4 workspaces, raise the quota of t to 1.9 times"


def test_a_document_that_many_ask_about_does_not_limit_the_workspace() -> None:
    run = {**at("w/document/{document}", reads=100), **at("w/due", writes=8)}
    assert spots(measured(run), PLAN)[0].where.key == "w/document/{document}"
    assert judged(run, 1_000).first.where.key == "w/due"


def test_too_many_workers_leave_nothing_for_runs() -> None:
    # 3,000 of them read all that a key gives, and runs read nothing of it.
    found = judged(
        at("w/due", writes=8), 1_000, plan=Plan(workers=3_000), idle=at("w/due", reads=1)
    )
    assert not found.carried
    assert math.isinf(found.workspaces)
    assert "leave nothing for runs" in found.said


def used(service: str, method: str, path: str = "/", **more: Any) -> Counter[Use]:
    """What the meter counts of one call that the service answered."""
    credential = f"AWS4-HMAC-SHA256 Credential=k/20261124/eu-central-1/{service}/aws4_request"
    operation, body = more.get("operation", method), more.get("body", b"")
    request = Request(operation, method, path, {"Authorization": credential}, body)
    meter = Meter()
    meter.passes(request, lambda _: Answer(200, {}, more.get("answer", b"{}")))
    return +meter.take().uses


def dynamodb(operation: str, asked: Mapping[str, Any]) -> Counter[Use]:
    body = json.dumps(asked).encode()
    return used("dynamodb", "POST", operation=operation, body=body)


@pytest.mark.parametrize(
    ("pk", "seen"),
    [
        ("w/due", "w/due"),
        ("w/run/r-1a20f9ee440add8a020", "w/run/{run}"),
        ("w/thread/any%2Fname", "w/thread/{thread}"),
        ("w/object/memo.md", "w/object/{object}"),
    ],
)
def test_names_in_a_key_are_replaced_and_the_workspace_stays(pk: str, seen: str) -> None:
    assert shape(pk) == seen


def test_a_transaction_is_counted_at_each_of_its_keys() -> None:
    key = {"pk": {"S": "w/due"}, "sk": {"S": "1"}}
    item = {"pk": {"S": "w/run/r-1"}, "sk": {"S": "x" * 2_000}}
    actions = [
        {"Put": {"TableName": "runs", "Item": item}},
        {"Delete": {"TableName": "runs", "Key": key}},
        {"Put": {"TableName": "audit", "Item": key}},
    ]
    assert dynamodb("TransactWriteItems", {"TransactItems": actions}) == {
        Use("runs", "w/run/{run}", WRITES): 4,  # two begun KB, doubled
        Use("runs", "w/due", WRITES): 2,
        Use("audit", "w/due", WRITES): 2,
    }


@pytest.mark.parametrize(
    ("method", "path", "use"),
    [
        ("PUT", "/b/w/objects/a", Use("b", "w/objects", S3_PUTS)),
        ("GET", "/b/w/objects/a", Use("b", "w/objects", S3_GETS)),
        ("HEAD", "/b/w/objects/a", Use("b", "w/objects", S3_GETS)),
        ("GET", "/b?list-type=2&prefix=w%2F", Use("b", "", S3_PUTS)),
        ("DELETE", "/b/w/objects/a", None),
    ],
)
def test_s3_is_counted_by_what_a_request_costs(method: str, path: str, use: Use | None) -> None:
    assert used("s3", method, path) == ({use: 1} if use else {})


def test_logs_are_counted_by_bytes_and_metrics_by_requests() -> None:
    events = [{"message": "é", "timestamp": 1}, {"message": "ab", "timestamp": 2}]
    body = json.dumps({"logGroupName": "g", "logEvents": events}).encode()
    logs = used("logs", "POST", operation="PutLogEvents", body=body)
    assert logs == {Use("g", "", LOG_BYTES): 2 * (2 + 26)}

    packed = gzip.compress(b"{}")  # boto3 compresses what is long
    values = used("monitoring", "POST", operation="PutMetricData", body=packed)
    assert values == {Use("metrics", "", METRICS): 1}


def test_each_call_of_sqs_is_a_request() -> None:
    assert used("sqs", "POST", operation="SendMessage") == {Use("sqs", "", SQS): 1}


@pytest.fixture(scope="module")
def workload() -> Measured:
    return measure(documents=30)


def test_every_run_writes_to_lists_that_its_workspace_shares(workload: Measured) -> None:
    for load in (workload.question, workload.memo):
        for key in ("default/due", "default/runs"):
            assert load[Use("affidavit-runs", key, WRITES)] > 0
    shared = [s.where[1:3] for s in spots(workload, PLAN) if s.where.kind == "key"]
    assert {("affidavit-runs", "default/due"), ("affidavit-runs", "default/runs")} < {*shared}


def test_a_question_reads_the_list_of_documents_and_a_search_only_what_changed(
    workload: Measured,
) -> None:
    listed = workload.question[Use("affidavit-documents", "default/documents", READS)]
    # 30 documents of some 300 bytes are more than one unit of 4 KB.
    assert listed >= 2
    assert 0 < workload.question[Use("affidavit-documents", "default/changes", READS)] < 6


def test_no_name_of_a_run_a_thread_or_a_document_is_left_in_a_key(workload: Measured) -> None:
    used = [use for use in {**workload.question, **workload.memo} if use.key]
    assert {"default/run/{run}", "default/thread/{thread}"} < {use.key for use in used}
    assert not [use for use in used if re.search(r"[0-9a-f]{10}", use.key)]


def test_a_memo_costs_more_than_a_question_and_leaves_an_object(workload: Measured) -> None:
    for unit in (WRITES, READS, S3_PUTS, SQS, LOG_BYTES, ITEM_BYTES, OBJECT_BYTES):
        assert of_unit(workload.memo, unit) > of_unit(workload.question, unit) > 0
    assert of_unit(workload.question, METRICS) > 0


def test_an_idle_worker_sweeps_polls_and_gives_a_sign_of_life(workload: Measured) -> None:
    # Somewhat more than one sweep a second, and a heartbeat each ten.
    assert 1 < workload.idle[Use("affidavit-runs", "default/due", READS)] < 2
    assert 1 < of_unit(workload.idle, SQS) < 2
    assert workload.idle[Use("affidavit-runs", "default/workers", WRITES)] == 0.1
    assert of_unit(workload.idle, METRICS) > 0
    assert of_unit(workload.idle, ITEM_BYTES) == 0


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the program prints of a made-up measurement."""
    run = {**EVERYTHING, **at("w/due", writes=8, table="affidavit-runs")}
    idle = at("w/workers", writes=0.1, table="affidavit-runs")
    monkeypatch.setattr(cost_model, "measure", lambda _: measured(run, idle=idle))
    app = typer.Typer()
    app.command()(cost_model.main)

    def program(*args: str) -> str:
        result = CliRunner().invoke(app, args)
        assert result.exit_code == 0, result.output
        return result.stdout

    return program


def test_the_tables_name_prices_keys_and_what_stops_each_volume(
    printed: Callable[..., str],
) -> None:
    text = printed()
    for volume in VOLUMES:
        assert f"{volume:,}" in text
    # 1,008 units a run at $0.625 a million.
    assert re.search(r"DynamoDB writes +│ +0\.63 .* 63,000\.00 ", text)
    assert re.search(r"runs +│ w/due +│ a workspace +│ +8\.0 .* 125\.0 ", text)
    assert re.search(r"100,000,000 .*no: spread over", text)
    assert "Model tokens (offline: none)" in text


def test_json_is_one_document_with_the_same(printed: Callable[..., str]) -> None:
    found = json.loads(printed("--json", "--memos", "0.1"), parse_constant=pytest.fail)
    assert found["assumed"]["memos"] == 0.1
    assert [each["runs_per_month"] for each in found["volumes"]] == list(VOLUMES)
    assert found["volumes"][0]["dollars"]["SQS requests"] == pytest.approx(0.40)
    (due,) = (each for each in found["limits"] if each["key"] == "w/due")
    assert (due["place"], due["runs_per_second"]) == ("affidavit-runs", 125.0)
    assert due["runs_per_month"] == pytest.approx(12.5 * MONTH_SECONDS)
