"""Settings: environment variables with the prefix `AFFIDAVIT_`, or a `.env` file.

Sensible without any: everything is kept in the user's data directory, and without `OPENAI_API_KEY`
the offline model answers. Only the composition root reads this.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import from_json
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from nodes.prices import Price
from storage.errors import InvalidInput

OFFLINE: Final = "offline"


class Settings(BaseSettings):
    """What can be set; each field is `AFFIDAVIT_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="AFFIDAVIT_", env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("affidavit"))
    """Where the embedded back end keeps its data."""
    backend: Literal["embedded", "aws"] = "embedded"
    workspace: str = "default"
    signing_key: Path = Field(
        default_factory=lambda: platformdirs.user_config_path("affidavit") / "signing.key"
    )
    """The key that signs the heads of audit chains; it stands outside `home`."""
    lease_seconds: float = Field(15.0, gt=0)
    """How long a worker that stopped answering keeps its runs."""

    drain_seconds: float = Field(20.0, ge=0)
    """How long a worker that is told to stop lets its runs come to the end of their step."""
    run_timeout: float = Field(3600.0, ge=0)
    """Seconds that a run may be at work, waiting for people not counted; 0: as long as it takes."""
    budget_steps: int = Field(60, ge=0)
    """Super-steps after which a run asks for more; 0: no limit."""
    budget_tokens: int = Field(1_000_000, ge=0)
    """Tokens after which a run asks for more; 0: no limit."""
    budget_dollars: float | None = Field(None, ge=0)
    """Dollars after which a run asks for more; 0: no limit; None: 5, if the model has a price."""
    policy: Path | None = None
    """A file of rules for what agents may do; without one, reads are allowed, the rest is asked."""

    prefix: str = "affidavit"
    """What the name of everything in the AWS account begins with."""
    aws_account_id: str = ""
    """The account that everything must stand in; set-up and start refuse any other."""
    log_retention_days: int = 90
    """How many days CloudWatch keeps what the agents log."""
    alarm_topic: str = ""
    """The ARN of an SNS topic that is told of alarms; empty: nobody is."""

    model: str = ""
    """`gpt-4o`, another name that the service knows, or `offline`; empty: `gpt-4o` with a key."""
    model_base_url: str = ""
    """The URL of an OpenAI-compatible service; empty: OpenAI's."""
    model_timeout: float = Field(60.0, gt=0)
    """Seconds that the model service may be silent within a call."""
    model_retries: int = Field(2, ge=0)
    """How often a fault of the model service that may pass is waited out within a call."""
    model_prices: Annotated[
        dict[str, Price],
        NoDecode,  # else what is no JSON is an error of another kind, which does not say why
        BeforeValidator(lambda given: from_json(given) if isinstance(given, str) else given),
    ] = Field(default_factory=dict)
    """Prices of models by name, as JSON, beside or instead of those in `nodes.prices`."""
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self.model or ("gpt-4o" if self.openai_api_key else OFFLINE)


def read_settings() -> Settings:
    """Read the settings.

    Raises:
        InvalidInput: one of them cannot be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"AFFIDAVIT_{': '.join([str(name).upper(), *map(str, within)])}: {e['msg']}"
            for e in error.errors()
            for name, *within in [e["loc"]]
        )
        raise InvalidInput(f"A setting cannot be used. {wrong}.") from None
