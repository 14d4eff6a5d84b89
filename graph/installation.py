"""The installation that the settings name: its set-up, and whether all that it needs answers.

Part of the composition root: it reads the settings, so that the command line need not.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from graph.resources import open_model, open_resources
from graph.settings import OFFLINE, Settings, read_settings
from storage.errors import AffidavitError, InvalidInput
from storage.health import REACH, Check, checked
from tools.policy import read_policy

if TYPE_CHECKING:
    from storage.aws.infrastructure import Infrastructure

MODEL_SECONDS = 15.0


def open_infrastructure() -> "Infrastructure":
    """Return what sets up the AWS account; nothing is called yet.

    Raises:
        InvalidInput: a setting cannot be used.
    """
    from storage.aws.clients import Clients
    from storage.aws.infrastructure import Infrastructure

    settings = read_settings()
    return Infrastructure(
        Clients(),
        account=settings.aws_account_id,
        prefix=settings.prefix,
        parameters={
            "LogRetentionDays": str(settings.log_retention_days),
            "AlarmTopic": settings.alarm_topic,
        },
    )


def health() -> Iterator[Check]:
    """Use everything that a run needs, and yield how each did, as it is known."""
    try:
        settings = read_settings()
    except InvalidInput as error:
        yield Check("settings", False, str(error), "Correct the variable, or unset it.")
        return
    yield Check("settings", True, f"back end {settings.backend}, model {settings.model_name}")
    if settings.backend == "aws":
        from storage.aws.health import health as aws_health

        yield from aws_health(settings.prefix, settings.aws_account_id)
    else:
        from storage.embedded.health import health as embedded_health

        yield from embedded_health(settings.home)
    yield checked(
        "policy", lambda: _policy(settings), "Correct the file that AFFIDAVIT_POLICY names."
    )
    yield checked(
        "model",
        lambda: _ask_model(settings),
        "Check OPENAI_API_KEY and AFFIDAVIT_MODEL.",
        silent=REACH,
    )


def _policy(settings: Settings) -> str:
    """Read the rules, and say which of them speak about no tool: a name may be misspelt."""
    if settings.policy is None:
        return "reads are allowed, everything else is asked"
    policy = read_policy(settings.policy)
    said = f"{len(policy.rules)} rules in {settings.policy}"
    with closing(open_resources(settings, workspace=settings.workspace)) as resources:
        idle = policy.idle(resources.tools)
    numbers = ", ".join(map(str, idle))
    return f"{said}; about no tool that comes along: rule {numbers}" if idle else said


def _ask_model(settings: Settings) -> str:
    """Ask the model for a word, and say who answered."""
    if settings.model_name == OFFLINE:
        return "offline: it quotes and does not reason; OPENAI_API_KEY names a service instead"
    patient = settings.model_copy(update={"model_timeout": MODEL_SECONDS, "model_retries": 0})
    try:
        reply = open_model(patient).invoke("Answer with the one word: ready.", max_tokens=16)
    except Exception as error:
        raise AffidavitError(
            f"{settings.model_name} did not answer: {type(error).__name__}"
        ) from error
    return f"{settings.model_name} answered in {len(reply.text)} characters"
