"""Whose account the credentials open, and that it is the one that was named.

Set-up and start ask before they do anything else: credentials are easily those of another account,
and what is made there is paid, and read, by others.
"""

from dataclasses import dataclass

from storage.aws.clients import Clients
from storage.aws.errors import AwsError, translate
from storage.errors import InvalidInput, NotAllowed


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as STS names it."""

    account: str
    arn: str


def caller_of(clients: Clients) -> Caller:
    """Return who the credentials say is calling.

    Raises:
        InvalidInput: there are no credentials.
        NotAllowed: they are not accepted.
        Unavailable: STS did not answer.
    """
    try:
        answer = clients.sts.get_caller_identity()
    except AwsError as error:
        raise translate(error, "STS") from error
    return Caller(str(answer["Account"]), str(answer["Arn"]))


def check_account(clients: Clients, named: str) -> Caller:
    """Return the caller, if the account is the one that was named.

    Raises:
        InvalidInput: no account is named.
        NotAllowed: the credentials are another account's.
    """
    caller = caller_of(clients)
    if not named:
        raise InvalidInput(
            f"No account is named. The credentials are those of {caller.arn}; if that is the "
            f"right account, set AFFIDAVIT_AWS_ACCOUNT_ID={caller.account}."
        )
    if caller.account != named:
        raise NotAllowed(
            f"AFFIDAVIT_AWS_ACCOUNT_ID names the account {named}, but the credentials are those of "
            f"{caller.arn}. Set AWS_PROFILE to one of {named}. Nothing was changed."
        )
    return caller
