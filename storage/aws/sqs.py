"""Hints through one SQS standard queue, which all workspaces of an installation share.

A message names its workspace. A worker that receives another workspace's hint does not swallow it:
it lets it reappear after a moment, for whom it is meant. A hint that nobody has wanted for a minute
is deleted by whoever finds it: a sweep has found the run long since. So the queue stays short even
where a workspace has no worker.

Nothing here fails a caller: a hint that cannot be sent, received or deleted costs seconds.
"""

import json
import logging
import time
from typing import Any, Final

from storage.aws.clients import READ_SECONDS, Clients
from storage.aws.errors import AwsError, translate
from storage.aws.names import Names
from storage.errors import AffidavitError
from storage.ports import Message

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
MOST_MESSAGES: Final = 10
POLL_SECONDS: Final = min(20, READ_SECONDS - 5)
"""SQS waits up to 20 seconds for a message; the answer must come before the client gives up."""
HIDDEN_SECONDS: Final = 30
"""How long a hint that was received stays hidden before it is offered again."""
PASS_ON_SECONDS: Final = 1
STALE_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class SqsQueue:
    """The port `Queue` of one workspace on the queue of the installation."""

    def __init__(self, clients: Clients, names: Names, workspace: str) -> None:
        self._clients = clients
        self._name = names.queue
        self._workspace = workspace
        self._found = ""

    def send(self, body: str) -> None:
        """See `Queue.send`."""
        text = json.dumps({"workspace": self._workspace, "hint": body})
        try:
            self._clients.sqs.send_message(QueueUrl=self._url, MessageBody=text)
        except (*AwsError, AffidavitError) as error:
            self._lost("sent", error)

    def receive(self, *, wait: float = 0.0, limit: int = 10) -> list[Message]:
        """See `Queue.receive`. When SQS does not answer there are no hints, after the same wait."""
        deadline = time.monotonic() + wait
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                ours = self._ours(self._take(left, min(limit, MOST_MESSAGES)))
            except (*AwsError, AffidavitError) as error:
                self._lost("received", error)
                time.sleep(max(0.0, deadline - time.monotonic()))
                return []
            if ours or time.monotonic() >= deadline:
                return ours

    def delete(self, message: Message) -> None:
        """See `Queue.delete`."""
        try:
            self._clients.sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
        except (*AwsError, AffidavitError) as error:
            self._lost("deleted", error)

    def _take(self, wait: float, limit: int) -> list[dict[str, Any]]:
        found = self._clients.sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=min(POLL_SECONDS, int(wait)),
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        if wait < 1 and not found.get("Messages"):
            time.sleep(wait)  # SQS waits for whole seconds
        return list(found.get("Messages", []))

    def _ours(self, messages: list[dict[str, Any]]) -> list[Message]:
        """Return our hints; pass on what is another's, and delete what nobody waits for."""
        ours = []
        for message in messages:
            workspace, hint = _read(message["Body"])
            receipt = message["ReceiptHandle"]
            sent = int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
            if workspace == self._workspace:
                ours.append(Message(hint, receipt))
            elif not workspace or time.time() - sent > STALE_SECONDS:
                self.delete(Message(hint, receipt))
            else:
                self._clients.sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=PASS_ON_SECONDS
                )
        return ours

    @property
    def _url(self) -> str:
        if not self._found:
            self._found = self._clients.sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._found

    def _lost(self, what: str, error: Exception) -> None:
        ours = (
            error if isinstance(error, AffidavitError) else translate(error, f"queue {self._name}")
        )
        logger.warning("A hint could not be %s, and a sweep will find its run: %s", what, ours)


def _read(body: str) -> tuple[str, str]:
    """Return the workspace and the hint of a message; both empty if it is none of ours."""
    try:
        fields = json.loads(body)
        return str(fields["workspace"]), str(fields["hint"])
    except (ValueError, TypeError, KeyError):
        return "", ""
