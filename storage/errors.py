"""The error tree. Every error of Affidavit says what was wrong and what to do about it.

AffidavitError
├── InvalidInput          what was given cannot be used: change it
│   └── TooLarge          it exceeds a limit, which the message names
├── NotFound              nothing by that name in this workspace
├── NotAllowed            the policy, or who is asking, forbids it
├── Conflict              someone else was first: read again
│   ├── ConditionFailed   a conditional write found something else
│   ├── Busy              the thread is at work or waits for a decision
│   │   ├── Leased        another worker drives the run
│   │   └── Queued        another run has the thread
│   ├── Waits             the run waits for a person
│   ├── OtherVersion      the run began under another version than this one
│   └── LeaseLost         a newer claim owns the run: stop, change nothing more
├── Unavailable           a service did not answer: try again later
├── ModelError            the model gave nothing usable
│   └── Unanswered        to this request; another may be answered
├── OverBudget            the run has used what it may, and asks for more
└── Tampered              the record is not what was written
"""


class AffidavitError(Exception):
    """The root; catch it to catch all."""


class InvalidInput(AffidavitError):
    """What was given cannot be used; the message names it and the remedy."""


class TooLarge(InvalidInput):
    """Something exceeds a limit of the storage; the message names both."""


class NotFound(AffidavitError):
    """There is nothing by that name in this workspace."""


class NotAllowed(AffidavitError):
    """The policy forbids it, or whoever asks may not."""


class Conflict(AffidavitError):
    """Another writer was first. Reading again shows what it wrote."""


class ConditionFailed(Conflict):
    """The condition of a write did not hold; nothing of it was written.

    `failed` holds the positions of the actions of a transaction that did not hold.
    """

    def __init__(self, message: str, failed: tuple[int, ...] = (0,)) -> None:
        super().__init__(message)
        self.failed = failed


class Busy(Conflict):
    """The thread has a run that is at work or waits for a person."""


class Leased(Busy):
    """Another worker drives the run; `until`, in seconds since the epoch, its lease runs out."""

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message)
        self.until = until


class Queued(Busy):
    """The run waits for those before it on its thread."""


class Waits(Conflict):
    """The run waits for a person's decision."""


class OtherVersion(Conflict):
    """The run is pinned to other versions of graph, prompts, tools or schemas than are here."""


class LeaseLost(Conflict):
    """A newer claim owns the run. Whatever this worker still does must not count."""


class Unavailable(AffidavitError):
    """A service did not answer in time; the same call may succeed later.

    `after` is how many seconds the service asked to be left alone; 0 if it did not say.
    """

    def __init__(self, message: str = "", *, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class ModelError(AffidavitError):
    """The model's reply could not be used, or there was none."""


class Unanswered(ModelError):
    """This request had no usable reply: too long, withheld, refused. Another may well have one."""


class OverBudget(AffidavitError):
    """The run has used what it may use; `part` names of what: tokens or dollars."""

    def __init__(self, part: str) -> None:
        super().__init__(f"The run has used up its {part}.")
        self.part = part


class Tampered(AffidavitError):
    """The record does not match its own hashes."""
