"""boto3's clients, one for each service, made when they are first asked for.

Credentials, the region and endpoints (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`) come from
boto3's own chain; arguments override it. Clients are thread-safe; sessions are not, so the session
stays behind a lock.
"""

import threading
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from storage.errors import InvalidInput

CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 20
"""No call may wait longer for its answer: ask SQS to wait less than that."""
ATTEMPTS: Final = 5
CONNECTIONS: Final = 64
"""At least as many as threads call at once."""

NO_CREDENTIALS: Final = (
    "There are no AWS credentials. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or give this machine a role."
)
NO_REGION: Final = "There is no AWS region. Set AWS_DEFAULT_REGION, to eu-central-1 say."


class Clients:
    """The clients of one account and region."""

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        read_seconds: float = READ_SECONDS,
        **session: str | None,
    ) -> None:
        """Take what overrides boto3's chain; nothing is read or made yet.

        Args:
            attempts: how often a call that failed for a passing reason is made in all.
            read_seconds: how long a call waits for its answer.
            session: arguments of `boto3.Session.client` that every client gets, such as
                `region_name`, `endpoint_url`, `aws_access_key_id` and `aws_secret_access_key`.
        """
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
        )
        self._options = session
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def dynamodb(self) -> Any:
        """The client of DynamoDB."""
        return self._client("dynamodb")

    @property
    def s3(self) -> Any:
        """The client of S3."""
        return self._client("s3")

    @property
    def sqs(self) -> Any:
        """The client of SQS."""
        return self._client("sqs")

    @property
    def logs(self) -> Any:
        """The client of CloudWatch Logs."""
        return self._client("logs")

    @property
    def cloudwatch(self) -> Any:
        """The client of CloudWatch's metrics."""
        return self._client("cloudwatch")

    @property
    def sts(self) -> Any:
        """The client of STS, which knows who is calling."""
        return self._client("sts")

    @property
    def cloudformation(self) -> Any:
        """The client of CloudFormation."""
        return self._client("cloudformation")

    @property
    def iam(self) -> Any:
        """The client of IAM."""
        return self._client("iam")

    @property
    def region(self) -> str:
        """The region that the clients call.

        Raises:
            InvalidInput: none is set.
        """
        if region := self._options.get("region_name"):
            return region
        with self._lock:
            if region := self._opened().region_name:
                return str(region)
        raise InvalidInput(NO_REGION)

    @property
    def over_tls(self) -> bool:
        """Whether objects are reached over TLS; an endpoint of one's own may have none."""
        return str(self.s3.meta.endpoint_url).startswith("https://")

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()

    def _client(self, service: str) -> Any:
        if found := self._clients.get(service):
            return found
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        region = self.region
        try:
            if "aws_access_key_id" not in self._options and not self._opened().get_credentials():
                raise InvalidInput(NO_CREDENTIALS)
            options = {"region_name": region, "config": self._config, **self._options}
            if service == "s3":
                return self._make_s3(options)
            return self._opened().client(service, **options)
        except (BotoCoreError, ValueError) as error:  # half of the credentials, a crooked endpoint
            raise InvalidInput(f"The AWS settings cannot be used: {error}.") from error

    def _make_s3(self, options: dict[str, Any]) -> Any:
        """Make a client whose links hold everywhere: signed by version 4, for their own region."""
        config = self._config.merge(Config(signature_version="s3v4"))
        client = self._opened().client("s3", **{**options, "config": config})
        if ".amazonaws.com" not in client.meta.endpoint_url:
            return client  # another server, which may know its buckets by their path only
        config = config.merge(Config(s3={"addressing_style": "virtual"}))
        return self._opened().client("s3", **{**options, "config": config})

    def _opened(self) -> Any:
        if self._session is None:
            try:
                self._session = boto3.Session()
            except BotoCoreError as error:  # AWS_PROFILE names none of the profiles
                raise InvalidInput(f"The AWS settings cannot be used: {error}.") from error
        return self._session
