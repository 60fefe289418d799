"""The dashboard on PostgreSQL, which is restarted while pages are open."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.bench.load import RunningJob, running_job, sentence
from tests.browser.conftest import ready
from tests.browser.test_lab import person, sign_in
from tests.db import postgres
from tests.db.conftest import new_schema
from tests.db.postgres import Cluster
from tests.webapp.accounts.lab import Lab, open_lab
from webapp.pages.background import SILENT

pytestmark = pytest.mark.browser


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as made:
        yield made


@pytest.fixture
def lab(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("postgres"), new_schema(cluster.url)) as made:
        yield made


@pytest.fixture
def job(lab: Lab) -> Iterator[RunningJob]:
    with running_job(lab) as made:
        yield made


def test_pages_live_through_a_restart_of_the_database(
    chromium: Browser, cluster: Cluster, lab: Lab, job: RunningJob
) -> None:
    with person(chromium, lab) as context:
        page, other = context.new_page(), context.new_page()
        page.goto(f"{lab.base}/job?id={lab.job}")
        sign_in(page, "eva")
        ready(page)
        expect(page.get_by_text(sentence(1))).to_be_visible()
        job.write(2)
        expect(page.get_by_text(sentence(2))).to_be_visible()

        cluster.stop()
        said = page.locator(".notyf__message", has_text=SILENT)
        expect(said).to_be_visible()
        other.goto(f"{lab.base}/projects")
        expect(other.get_by_text("The database does not answer.")).to_be_visible()

        cluster.start()
        expect(said).to_have_count(0)
        job.write(3)
        expect(page.get_by_text(sentence(3))).to_be_visible()
        other.reload()
        ready(other)
        expect(other.get_by_role("link", name="beta", exact=True)).to_be_visible()
