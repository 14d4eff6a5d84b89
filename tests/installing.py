"""An installation of the tests' own, under a prefix that no other test uses."""

import itertools
import os
from typing import Any

from storage.aws.clients import Clients
from storage.aws.infrastructure import Infrastructure
from storage.aws.names import Names
from storage.aws.template import Resource, resources
from tests.aws import ACCOUNT, REGION, Aws

_numbers = itertools.count()


class Killed(BaseException):
    """The process ended here, as far as the program can tell."""


class Installation:
    """One prefix of the account, and what sets it up."""

    def __init__(
        self, aws: Aws, *, region: str = REGION, prefix: str = "", clients: Clients | None = None
    ) -> None:
        self.prefix = prefix or f"acme-{os.getpid()}-{next(_numbers)}"
        self.names = Names(self.prefix, ACCOUNT, region)
        self.clients = clients or Clients(
            region_name=region,
            endpoint_url=aws.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        self.infrastructure = self.of(self.clients)

    def of(self, clients: Clients, account: str = ACCOUNT) -> Infrastructure:
        # As on AWS itself, although the tests' server has no TLS.
        tls = {"RequireTls": "true"}
        return Infrastructure(
            clients, account=account, prefix=self.prefix, parameters=tls, look_seconds=0.01
        )

    def set_up(self) -> None:
        self.infrastructure.apply(self.infrastructure.plan(quiet), quiet)

    def differences(self) -> list[str]:
        return [str(difference) for difference in self.infrastructure.plan(quiet).differences]

    def resources(self, *, tls: bool = True) -> list[Resource]:
        return resources(self.names, {"RequireTls": str(tls).lower()})


def quiet(_: str) -> None:
    """Say nothing of the progress."""


def on_each_call(clients: Clients, call: Any) -> None:
    """Let `call(model=…, params=…)` see every call before it is made."""
    make = clients._make

    def made(service: str) -> Any:
        client = make(service)
        client.meta.events.register("provide-client-params", call)
        return client

    clients._make = made  # type: ignore[method-assign]
