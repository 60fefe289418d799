"""What pages and reports call the types of jobs, and jobs that have no title."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.models.jobs import Job

NAMES = {
    "simulate": "Simulation",
    "importing": "Import",
    "extract": "Extraction",
    "select": "Selection",
    "rescale": "Rescaling",
    "refine": "Refinement",
    "mask": "Mask",
    "postprocess": "Post-processing",
    "local_resolution": "Local resolution",
    "directional_fsc": "Directional FSC",
    "compare": "Comparison",
}


def type_name(job_type: str) -> str:
    """A type of job in words."""
    return NAMES.get(job_type) or job_type.replace("_", " ").capitalize()


def name_of(job: "Job") -> str:
    """What people call a job: its title, its alias, or else its type."""
    return job.title or job.alias or type_name(job.type)


def title_of(job: "Job") -> str:
    """The number and name of a job, as the title of its page has them."""
    return f"Job {job.number} · {name_of(job)}"
