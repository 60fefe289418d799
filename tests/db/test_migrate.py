"""Databases come up to date step by step with their data, and never go back."""

from db import migrate
from db.session import open_database


def test_the_revisions_make_the_tables_that_the_models_describe(bare_url: str) -> None:
    applied = migrate.upgrade(bare_url)
    assert applied == migrate.revisions()
    database = open_database(bare_url)
    with database.engine.connect() as connection:
        assert migrate.differences(connection) == []
    migrate.check_current(database)
    database.close()
    assert migrate.upgrade(bare_url) == []
