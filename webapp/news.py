"""What is new of the jobs that open pages show: one look for all of them, each answered by its visitor's rights."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from compute.files.errors import InputError
from db.errors import Closed
from db.repository import sight
from db.repository.sight import Glimpse
from db.session import Database
from webapp.records import JobRecords, RecordReader
from webapp.views import JobView, job_view

Pair = tuple[int, int]
"""A job and the user who looks at it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job as a user may see it at the moment, with what it has reported."""

    view: JobView
    records: JobRecords

    @property
    def mark(self) -> tuple[object, ...]:
        """While it is the same, there is nothing new."""
        return (*self.view.versions, self.view.role, self.records.position)


class News:
    """Reads jobs anew where they have changed, once for all who look at them; for one thread at a time."""

    def __init__(self, database: Database, records: RecordReader) -> None:
        self._database, self._records = database, records
        self._views: dict[int, JobView] = {}

    def look(self, pairs: Collection[Pair]) -> Mapping[Pair, Found | Exception]:
        """For each job and user what there is, or the error that keeps it from being shown.

        Whoever may not see a job (any more) gets Closed for it.
        """
        with self._database.reading() as session:
            glimpses = sight.glimpses(session, pairs)
            self._views = {
                job_id: self._view(session, job_id, glimpse)
                for (job_id, _), glimpse in glimpses.items()
            }
        records = {job_id: self._read(view) for job_id, view in self._views.items()}
        found: dict[Pair, Found | Exception] = {}
        for job_id, user_id in pairs:
            glimpse = glimpses.get((job_id, user_id))
            if glimpse is None:
                found[job_id, user_id] = Closed(f"there is no job {job_id}")
                continue
            known = records[job_id]
            view = replace(self._views[job_id], role=glimpse.role)
            found[job_id, user_id] = known if isinstance(known, Exception) else Found(view, known)
        return found

    def _view(self, session: Session, job_id: int, glimpse: Glimpse) -> JobView:
        known = self._views.get(job_id)
        if known is not None and known.versions == (glimpse.job_version, glimpse.project_version):
            return known
        return job_view(session, job_id, glimpse.role)

    def _read(self, view: JobView) -> JobRecords | Exception:
        try:
            return self._records.read(view.folder)
        except (InputError, OSError) as error:  # of this job: the pages of others go on
            return error
