"""One running lab for all tests of accounts and of the interface for programs."""

from collections.abc import Iterator

import pytest

from tests.webapp.accounts.lab import Lab, fill, serving


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server that others reach, with its people signed out."""
    made = fill(tmp_path_factory.mktemp("lab"))
    with serving(made, "--address", "0.0.0.0"):
        yield made
    made.database.close()
