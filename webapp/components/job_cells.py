"""What every table of jobs begins with: which job it is, what it does and how it stands."""

from db.models.jobs import Job
from webapp.components.headline import status_word
from webapp.job_names import name_of, type_name


def job_cells(job: Job) -> dict[str, object]:
    """The number of a job, the address of its page, its title, type and state, under these keys."""
    return {
        "number": job.number,
        "url": f"job?id={job.id}",
        "title": name_of(job),
        "type": type_name(job.type),
        "state": status_word(job),
    }
