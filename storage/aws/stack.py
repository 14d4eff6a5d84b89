"""The CloudFormation stack: deployed by change sets, waited for, and taken up where it was left.

A change set takes over what already stands by the same name in this account
(`ImportExistingResources`), so that a stack which was rolled back, or deleted by hand, is made
again around the data that it left.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from storage.aws.clients import Clients
from storage.aws.errors import AwsError, code_of, translate
from storage.errors import AffidavitError, Unavailable

LOOK_SECONDS: Final = 2.0
WAIT_SECONDS: Final = 1800.0
_NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_STILLBORN: Final = (
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "DELETE_FAILED",
)
_GOOD: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")


class StackFailed(AffidavitError):
    """CloudFormation could not do it; the message holds its reason and the remedy."""


class Stack:
    """One stack."""

    def __init__(self, clients: Clients, name: str, look_seconds: float = LOOK_SECONDS) -> None:
        self._clients = clients
        self._name = name
        self._look = look_seconds

    def status(self) -> str:
        """Return CloudFormation's status of the stack, empty where there is none."""
        found = self._describe()
        return str(found["StackStatus"]) if found else ""

    def is_current(self, text: str, parameters: Mapping[str, str]) -> bool:
        """Return whether the stack stands as this template with these parameters says."""
        found = self._describe()
        if found is None or found["StackStatus"] not in _GOOD:
            return False
        has = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", ())}
        if has != dict(parameters):
            return False
        answer = self._call("get_template", StackName=self._name, TemplateStage="Original")
        body = answer["TemplateBody"]
        return isinstance(body, str) and body.strip() == text.strip()

    def deploy(
        self, text: str, parameters: Mapping[str, str], progress: Callable[[str], None]
    ) -> None:
        """Make the stack, or change it to what the template says.

        Raises:
            StackFailed: CloudFormation gave up; the message holds its first reason.
            NotAllowed: the credentials may not.
            Unavailable: CloudFormation did not answer, or takes more than half an hour.
        """
        status = self.wait(progress)
        if status in _STILLBORN:
            progress("Clearing away a stack that was never finished …")
            self.delete(progress)
            status = ""
        change = f"setup-{uuid.uuid4().hex}"
        self._call(
            "create_change_set",
            StackName=self._name,
            ChangeSetName=change,
            ChangeSetType="UPDATE" if status else "CREATE",
            TemplateBody=text,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            ImportExistingResources=True,
        )
        if self._has_changes(change, progress):
            self._call("execute_change_set", StackName=self._name, ChangeSetName=change)
            self._expect_good(progress)
        else:
            self._call("delete_change_set", StackName=self._name, ChangeSetName=change)

    def wait(self, progress: Callable[[str], None], resting: Sequence[str] = _STILLBORN) -> str:
        """Wait until nothing is in progress, and return the status.

        One `_IN_PROGRESS` is none: REVIEW, a stack of which nobody executed the first change set.
        `resting` leaves it out where that was just done, and takes a moment to show.
        """
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            status = self.status()
            if not status.endswith("_IN_PROGRESS") or status in resting:
                return status
            progress(f"CloudFormation: {status.lower().replace('_', ' ')}; {self._newest()} …")
            time.sleep(self._look)
        raise Unavailable(
            f"The stack {self._name} is still being changed. Nothing is lost: run the set-up again."
        )

    def delete(self, progress: Callable[[str], None]) -> None:
        """Delete the stack; what holds data is retained."""
        self._call("delete_stack", StackName=self._name)
        if (status := self.wait(progress)) not in ("", "DELETE_COMPLETE"):
            raise StackFailed(f"The stack {self._name} is {status}: {self._reason()}")

    def _has_changes(self, change: str, progress: Callable[[str], None]) -> bool:
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            answer = self._call("describe_change_set", StackName=self._name, ChangeSetName=change)
            if answer["Status"] == "CREATE_COMPLETE":
                return True
            if answer["Status"] == "FAILED":
                reason = str(answer.get("StatusReason", ""))
                if any(words in reason for words in _NO_CHANGES):
                    return False
                raise StackFailed(f"CloudFormation refuses the change: {reason}")
            progress("CloudFormation works out what will change …")
            time.sleep(self._look)
        raise Unavailable("CloudFormation is still working out what will change. Try again.")

    def _expect_good(self, progress: Callable[[str], None]) -> None:
        if (status := self.wait(progress, resting=())) not in _GOOD:
            reason = self._reason()
            remedy = "Remove the cause and run the set-up again; it goes on from here."
            if "already exists" in reason:
                remedy = "If that is none of yours, set AFFIDAVIT_PREFIX to another prefix."
            raise StackFailed(
                f"The stack {self._name} ended {status}: {reason} Data that was there is still "
                f"there. {remedy}"
            )

    def _reason(self) -> str:
        """Return why the first resource of the latest operation failed."""
        events = self._call("describe_stack_events", StackName=self._name)["StackEvents"]
        failed = [e for e in events if e.get("ResourceStatus", "").endswith("_FAILED")]
        causes = [e for e in failed if "cancelled" not in e.get("ResourceStatusReason", "")]
        if not causes:
            return "no reason was given."
        first = min(causes, key=lambda event: event["Timestamp"])
        return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', '')}"

    def _newest(self) -> str:
        events = self._call("describe_stack_events", StackName=self._name)["StackEvents"]
        newest = max(events, key=lambda event: event["Timestamp"], default=None)
        return str(newest["LogicalResourceId"]) if newest else "starting"

    def _describe(self) -> Any:
        try:
            answer = self._clients.cloudformation.describe_stacks(StackName=self._name)
        except ClientError as error:
            if code_of(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise translate(error, f"the stack {self._name}") from error
        except AwsError as error:
            raise translate(error, "CloudFormation") from error
        return answer["Stacks"][0]

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._clients.cloudformation, operation)(**arguments)
        except AwsError as error:
            raise translate(error, f"the stack {self._name}") from error
