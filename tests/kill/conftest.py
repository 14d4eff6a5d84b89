"""On AWS every third test of this folder runs each time; the rest are slow ones."""

import pytest

SAMPLED = 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_aws = [item for item in items if item.path.parent.name == "kill" and "[aws" in item.name]
    for number, item in enumerate(on_aws):
        if number % SAMPLED:
            item.add_marker(pytest.mark.slow)
