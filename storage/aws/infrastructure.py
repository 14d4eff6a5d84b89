"""Setting up, comparing, mending and taking down one installation in an AWS account.

`plan` looks and changes nothing. `apply` does what the plan shows, and may be interrupted anywhere:
doing it again goes on from what stands. CloudFormation makes the whole; then everything is read
back, property by property, and what is not as the template says is set right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from storage.aws.account import Caller, check_account
from storage.aws.clients import Clients
from storage.aws.live import Difference, Live, Progress
from storage.aws.names import Names
from storage.aws.removal import Kept, Remover
from storage.aws.stack import LOOK_SECONDS, Stack
from storage.aws.template import (
    Resource,
    data_template_text,
    parameter_defaults,
    resources,
    template_text,
)
from storage.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Plan:
    """What the set-up would do.

    `deploy`: the stack has to be made or changed. `over_tls`: the buckets refuse whoever comes
    without TLS, unless the endpoint that is set has none.
    """

    names: Names
    caller: Caller
    status: str
    deploy: bool
    differences: tuple[Difference, ...]
    over_tls: bool = True

    @property
    def empty(self) -> bool:
        """Whether everything stands as it should."""
        return not self.deploy and not self.differences

    @property
    def lost(self) -> list[Resource]:
        """What held data, was made once and is gone."""
        made = self.status.endswith("_COMPLETE") and not self.status.startswith("ROLLBACK")
        gone = [d.resource for d in self.differences if d.missing and d.resource.holds_data]
        return gone if made else []

    def as_json(self) -> dict[str, Any]:
        """Return the plan as `setup --json` prints it."""
        return {
            "account": self.names.account,
            "caller": self.caller.arn,
            "region": self.names.region,
            "prefix": self.names.prefix,
            "tls": self.over_tls,
            "stack": {"name": self.names.stack, "status": self.status, "deploy": self.deploy},
            "changes": [
                {
                    "kind": difference.resource.kind,
                    "name": difference.resource.name,
                    "property": difference.setting or None,
                    "found": difference.found,
                    "wanted": difference.wanted,
                    "action": _action(difference),
                    "remedy": difference.remedy or None,
                }
                for difference in self.differences
            ],
        }


def _action(difference: Difference) -> str:
    if difference.remedy:
        return "none"
    return "make" if difference.missing else "set"


class Infrastructure:
    """One installation. Every method first checks that the account is the one that was named."""

    def __init__(
        self,
        clients: Clients,
        *,
        account: str,
        prefix: str,
        parameters: Mapping[str, str] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Take what names the installation; nothing is called yet.

        Args:
            clients: of the account and region.
            account: the id of the account that this must be.
            prefix: what every name begins with.
            parameters: of the template, where they are not the defaults.
            look_seconds: how often CloudFormation is asked how far it is.
        """
        self._clients = clients
        self._account = account
        self.prefix = prefix
        self._look = look_seconds
        self._given = {**(parameters or {}), "Prefix": prefix}

    def plan(self, progress: Progress) -> Plan:
        """Look at everything and change nothing.

        Raises:
            InvalidInput: no credentials, region or account, or a prefix that cannot be used.
            NotAllowed: another account, or a name that is taken.
            Unavailable: a service did not answer.
        """
        caller, names = self._checked()
        progress("Looking at the stack …")
        stack = self._stack(names)
        status = stack.status()
        deploy = not stack.is_current(template_text(), self._parameters)
        wanted = resources(names, self._parameters)
        differences = Live(self._clients, names.account).differences(wanted, progress)
        over_tls = self._parameters["RequireTls"] == "true"
        return Plan(names, caller, status, deploy, tuple(differences), over_tls)

    def apply(self, plan: Plan, progress: Progress) -> Plan:
        """Do what the plan shows, read everything back, and return what is left to do.

        Raises:
            InvalidInput: something stands in the way that cannot be changed.
            StackFailed: CloudFormation gave up.
            NotAllowed: the credentials may not.
            Unavailable: a service did not answer.
        """
        if remedies := [d.remedy for d in plan.differences if d.remedy]:
            raise InvalidInput(" ".join(dict.fromkeys(remedies)))
        if plan.deploy:
            self._stack(plan.names).deploy(template_text(), self._parameters, progress)
        live = Live(self._clients, plan.names.account)
        wanted = resources(plan.names, self._parameters)
        live.mend(live.differences(wanted, progress), progress)
        return self.plan(progress)

    def take_down(self, progress: Progress) -> list[Resource]:
        """Remove everything that holds no data, and return what is kept.

        The stack stays and goes on owning the data, so that the set-up can be done again.

        Raises:
            StackFailed: CloudFormation gave up, because a policy is still attached, say.
        """
        _, names = self._checked()
        everything = resources(names, self._parameters)
        stack, live = self._stack(names), Live(self._clients, names.account)
        if stack.status():
            stack.deploy(data_template_text(), self._parameters, progress)
        remover = Remover(self._clients, names.account)
        for resource in everything:
            if not resource.keeps and live.exists(resource):
                progress(f"Removing the {resource} …")
                remover.remove(resource)
        return [each for each in everything if each.holds_data and live.exists(each)]

    def delete_data(self, progress: Progress) -> list[Kept]:
        """After `take_down`: remove all data too, and return what a lock keeps.

        Raises:
            NotAllowed: the credentials may not.
            Unavailable: a service did not answer.
        """
        _, names = self._checked()
        live, remover = Live(self._clients, names.account), Remover(self._clients, names.account)
        kept: list[Kept] = []
        for resource in resources(names, self._parameters):
            if resource.holds_data and live.exists(resource):
                progress(f"Deleting the {resource} …")
                if (locked := remover.remove(resource)) is not None:
                    kept.append(locked)
        stack = self._stack(names)
        if not kept and stack.status():
            stack.delete(progress)
        return kept

    @cached_property
    def _parameters(self) -> dict[str, str]:
        tls = {"RequireTls": "true" if self._clients.over_tls else "false"}
        return {**parameter_defaults(), **tls, **self._given}

    def _checked(self) -> tuple[Caller, Names]:
        caller = check_account(self._clients, self._account)
        return caller, Names(self.prefix, self._account, self._clients.region)

    def _stack(self, names: Names) -> Stack:
        return Stack(self._clients, names.stack, self._look)
