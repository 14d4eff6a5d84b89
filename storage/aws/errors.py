"""Errors of boto3 as errors of ours, translated here and nowhere else.

boto3's clients have by then tried again by themselves whatever may pass. What is left to know is
what the caller should do, and whether the call may have been carried out although it failed: an
answer that was lost says nothing about the write. `may_have_been_done` tells, and the callers read
back what stands.
"""

import random
import re
import time
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's: nobody was reached
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from storage.aws.clients import NO_CREDENTIALS
from storage.errors import (
    AffidavitError,
    ConditionFailed,
    InvalidInput,
    NotAllowed,
    NotFound,
    TooLarge,
    Unavailable,
)

AwsError: Final = (ClientError, BotoCoreError)
"""What every call of a client may raise."""

_CONDITION: Final = {"ConditionalCheckFailedException", "PreconditionFailed"}
_CONFLICT: Final = {
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ConditionalRequestConflict",
    "OperationAborted",
}
_BUSY: Final = {
    "ThrottlingError",
    "ThrottlingException",
    "Throttling",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "TooManyRequestsException",
    "LimitExceededException",
}
_DENIED: Final = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403"}
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_REFUSED: Final = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
}
_MISSING: Final = {
    "NoSuchBucket",
    "ResourceNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
}
_SIZE: Final = re.compile(r"exceeded the maximum allowed size|too long|EntityTooLarge")


def code_of(error: BaseException) -> str:
    """Return AWS's code of an error, empty where the error is none of AWS's."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def cancelled_by(error: BaseException) -> list[str]:
    """Return why a transaction was cancelled, a code for each action, "None" where it held."""
    reasons: list[dict[str, Any]] = []
    if isinstance(error, ClientError):
        reasons = error.response.get("CancellationReasons") or []
    return [str(reason.get("Code", "None")) for reason in reasons]


def is_conflict(error: BaseException) -> bool:
    """Return whether another write was at the same items at that moment: try it again."""
    reasons = set(cancelled_by(error))
    if "ConditionalCheckFailed" in reasons:
        return False
    return code_of(error) in _CONFLICT or bool(reasons & (_CONFLICT | _BUSY))


def may_have_been_done(error: BaseException) -> bool:
    """Return whether a write may stand although its call failed.

    It may where no answer came, where the service failed, and where boto3 tried again: of the
    first try's answer nothing is known then.
    """
    if isinstance(error, ClientError):
        answer: dict[str, int] = error.response.get("ResponseMetadata", {})
        return answer.get("RetryAttempts", 0) > 0 or answer.get("HTTPStatusCode", 500) >= 500
    return isinstance(error, HTTPClientError) and not isinstance(
        error, EndpointConnectionError | ConnectTimeoutError
    )


def breaks_off(error: BaseException) -> bool:
    """Return whether an answer began and did not arrive whole."""
    return isinstance(error, IncompleteReadError | FlexibleChecksumError | HTTPClientError)


def rested(pauses: Iterator[float]) -> bool:
    """Rest before another try, never as long as others do; False once there were enough."""
    pause = next(pauses, None)
    if pause is not None:
        time.sleep(random.uniform(0, pause))
    return pause is not None


def translate(error: Exception, resource: str) -> AffidavitError:
    """Return our error for one of boto3's; `resource` names what the call was about."""
    if isinstance(error, ClientError):
        return _of_an_answer(error, resource)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return InvalidInput(NO_CREDENTIALS)
    if isinstance(error, TokenRetrievalError | UnauthorizedSSOTokenError):
        return NotAllowed(f"The AWS login has run out: {error} Log in again.")
    if breaks_off(error) or isinstance(error, ConnectionError):
        return Unavailable(f"{resource} did not answer: {_one_line(error)} Try again.")
    return InvalidInput(f"{resource} was asked for something impossible: {_one_line(error)}")


def _of_an_answer(error: ClientError, resource: str) -> AffidavitError:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    message = str(error.response["Error"].get("Message", ""))
    failed = tuple(n for n, why in enumerate(cancelled_by(error)) if why.startswith("Conditional"))
    if failed or code in _CONDITION:
        return ConditionFailed(f"A condition on {resource} does not hold.", failed or (0,))
    if is_conflict(error):
        return Unavailable(f"{resource} was being changed by others all the time. Try again.")
    if code in _BUSY:
        return Unavailable(f"{resource} takes no more requests at the moment ({code}). Try again.")
    if code == "BucketAlreadyExists":
        return NotAllowed(
            "A bucket of that name belongs to another account: names of buckets are shared by all "
            "accounts of the world. Set AFFIDAVIT_PREFIX to a prefix that nobody has."
        )
    if code in _MISSING:
        return NotFound(
            f"There is no {resource} in this account and region. Run `affidavit setup`, or set "
            "AFFIDAVIT_PREFIX to that of the set-up."
        )
    if (denied := _refusal(error, code, resource)) is not None:
        return denied
    if _SIZE.search(f"{code} {message}"):
        return TooLarge(f"{resource} does not take that much: {message}")
    if status is None or status >= 500:
        return Unavailable(f"{resource} failed ({code}): {message} Try again.")
    return InvalidInput(f"{resource} refused {error.operation_name} ({code}): {message}")


def _refusal(error: ClientError, code: str, resource: str) -> NotAllowed | None:
    """Return the error of a caller who may not, or whom AWS does not know."""
    if code in _EXPIRED:
        return NotAllowed("The AWS session has run out: log in again, or renew its credentials.")
    if code in _REFUSED:
        return NotAllowed(f"AWS does not accept these credentials ({code}). Check which are set.")
    if code in _DENIED:
        return NotAllowed(
            f"AWS does not allow these credentials {error.operation_name} on {resource}: add it "
            "to the policy of the user or role."
        )
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
