"""A small lab: a user, a project, and what a refinement reports."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from compute.files import events
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import attempts, claims, jobs, people, progress, projects, queue
from db.repository.jobs import Needs
from db.repository.nodes import Input

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def lab(session: Session, name: str = "ana", project: str = "beta-gal") -> tuple[int, Project]:
    """A user's id and a project of that user."""
    user = people.create_user(session, name, who=None, unix_user=name)
    return user.id, projects.create(session, project, f"/data/{project}", who=user.id)


def draft(
    session: Session,
    project: Project,
    job_type: str = "refine",
    *inputs: str,
    needs: Needs = jobs.NO_NEEDS,
    who: int | None = None,
) -> Job:
    """A job that reads these files."""
    given = [Input("particles", path) for path in inputs]
    values = {"symmetry": "D2"}
    return jobs.create(session, project.id, job_type, values, who=who, inputs=given, needs=needs)


def run(session: Session, job: Job, *found: events.AnyEvent) -> Job:
    """Take a draft through its whole life: submitted, claimed, launched, its records read, settled."""
    queue.submit(session, job.id, who=None)
    claim = claims.claim_next(session, profiles={job.profile})
    assert claim is not None and claim.job.id == job.id
    offset = progress.offset(session, job.id)
    attempt = attempts.begin(session, job.id, launcher="local", progress_from=offset)
    report = list(found) or [start(), end()]
    assert progress.record(session, job.id, report, start=offset, end=offset + 1000)
    return attempts.settle(session, attempt.id)


def start(after: int | None = None) -> events.Start:
    """The first record of a refinement."""
    return events.Start(
        time=NOON,
        job="refine",
        program_version="1.0",
        command="halfmap refine",
        seed=7,
        particles=4501,
        continued_after_iteration=after,
        ranks=[events.Rank(rank=0, role="alone", host="mill", pid=17, device="cpu", threads=2)],
    )


def iteration(number: int, resolution_A: float | None = None) -> events.Iteration:
    """An iteration with a figure in every field that is asked about."""
    return events.Iteration(
        time=NOON,
        iteration=number,
        resolution_fsc05_A=None if resolution_A is None else resolution_A * 1.2,
        resolution_fsc0143_A=resolution_A,
        change_angles_deg=1.2,
        healpix_order=3,
        fine_orientations=3_000_000_000,
        is_local_search=number > 3,
        sigma_offset_A=[2.0, None],
        phase_seconds={"expectation": 3.5},
        peak_memory_GB=[1.5],
        extent_A=226.56,
        fsc=[1.0, 0.9, 0.2],
        ssnr=[100.0, 9.0, 0.5],
        noise_power=[events.NoiseSpectrum(half=1, optics_group="opticsGroup1", power=[1.0, 2.0])],
        orientations=events.OrientationHistogram(healpix_order=0, counts=[[1] * 12, [2] * 12]),
        files=["run_it001_data.star"],
    )


def end(reason: str = "converged", *outputs: events.Output) -> events.End:
    """The last record of a refinement."""
    return events.End.model_validate(
        {
            "time": NOON,
            "reason": reason,
            "message": f"The refinement has {reason}.",
            "iteration": 3,
            "resolution_A": 3.31 if reason == "converged" else None,
            "resolution_criterion": "FSC 0.143, unmasked" if reason == "converged" else None,
            "seconds": 60.0,
            "outputs": list(outputs),
        }
    )


PARTICLES = events.Output(
    path="run_data.star", content="particles", particles=4501, box_size=256, pixel_size_A=1.244
)
MAP = events.Output(path="run_class001.mrc", content="map", box_size=256, pixel_size_A=1.244)
