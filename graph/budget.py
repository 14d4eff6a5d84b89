"""What a run may use, and the question that it stops with when that is used up.

Steps are counted between two super-steps, tokens and dollars before each model call: so a run stops
before it would pass its budget, by no more than the calls in flight. It stops in the open: what it
asks has LangChain's human-in-the-loop form, and to approve it gives as much again, to edit it any
other budget, to reject it ends the run.
"""

from collections.abc import Mapping
from typing import Any, Final

from storage.audit import digest
from storage.records import Interrupt, Run, Usage

STEPS: Final = "steps"
TOKENS: Final = "tokens"
DOLLARS: Final = "dollars"
EXTEND: Final = "extend_budget"


def steps_done(run: Run, metadata: Mapping[str, Any] | None, *, ours: bool) -> tuple[int, int]:
    """Return the step of a run's input, as LangGraph counts, and how many steps the run has made.

    The first stands in the metadata of each of the run's checkpoints, so that it survives whoever
    counted. A fork counts from where it was forked.
    """
    step = int((metadata or {}).get("step", -2))
    if not ours:
        return step + 1, 0
    first = (metadata or {}).get("first_step")
    if first is None or (metadata or {}).get("run_id") != run.id:
        first = step - 1
    return int(first), max(0, step - int(first) - 1)


def question_for_more(
    run: Run, part: str, usage: Usage, cost_usd: float, *, number: int
) -> Interrupt:
    """Return the question for as much again; `number` is how often the run has asked before."""
    used = {
        STEPS: run.budget.steps or 0,
        TOKENS: usage.input_tokens + usage.output_tokens,
        DOLLARS: cost_usd,
    }
    limit = getattr(run.budget, part)
    asked = run.budget.model_copy(update={part: _as_much_again(limit, used[part])})
    shown = {STEPS: f"{limit} steps", TOKENS: f"{limit:,} tokens", DOLLARS: _dollars(limit)}[part]
    return Interrupt(
        id=f"b-{digest([run.id, 'budget', number])[:24]}",
        kind="budget",
        value={
            "kind": "budget",
            "action_requests": [
                {
                    "name": EXTEND,
                    "args": asked.model_dump(),
                    "description": f"The run would pass its budget of {shown}. "
                    "It asks for as much again; nothing is lost meanwhile.",
                }
            ],
            "review_configs": [
                {"action_name": EXTEND, "allowed_decisions": ["approve", "edit", "reject"]}
            ],
            "spent": {"tokens": used[TOKENS], "dollars": round(cost_usd, 6)},
        },
    )


def _as_much_again(limit: float, used: float) -> float:
    more = max(2 * limit, used + limit)
    return int(more) if isinstance(limit, int) else float(f"{more:.6g}")


def _dollars(limit: float | None) -> str:
    """Write out a limit in dollars, however small."""
    limit = limit or 0.0
    return f"${limit:,.2f}" if limit >= 0.01 else "$" + f"{limit:.12f}".rstrip("0")
