"""The health of one thing that a run needs: used once, with the remedy where that fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from storage.errors import AffidavitError, Unavailable

REACH: Final = (
    "Check that it runs and can be reached from here: the network, the region, and endpoints that "
    "are set (AWS_ENDPOINT_URL…, AFFIDAVIT_MODEL_BASE_URL)."
)


@dataclass(frozen=True, slots=True)
class Check:
    """How one thing did. `detail` says what was found, `remedy` what to do if it is not well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def checked(name: str, use: Callable[[], str], remedy: str, *, silent: str = "") -> Check:
    """Use a thing, and return how it did; what it says of itself is the detail.

    `silent` is the remedy where it does not answer at all, if that is another.
    """
    started = time.perf_counter()
    try:
        detail = use()
    except Unavailable as error:
        return Check(name, False, str(error), silent or remedy)
    except AffidavitError as error:
        return Check(name, False, str(error), remedy)
    except OSError as error:
        return Check(name, False, error.strerror or str(error), remedy)
    return Check(name, True, f"{detail} ({1000 * (time.perf_counter() - started):.0f} ms)")
