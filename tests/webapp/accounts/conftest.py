"""One running lab for all tests of accounts and of the interface for programs."""

from collections.abc import Iterator

import pytest

from tests.webapp.accounts.lab import Lab, open_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server that others reach, with its people signed out."""
    with open_lab(tmp_path_factory.mktemp("lab")) as made:
        yield made
