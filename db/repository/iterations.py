"""The table of a job's iterations, and their curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import NotFound
from db.models.records import IterationCurves, IterationRow
from db.repository.progress import CURVES


def table(
    session: Session, job_id: int, *, after: int = -1, with_superseded: bool = False
) -> Sequence[IterationRow]:
    """The iterations of a job with a number above `after`, in order.

    Those that a continuation has replaced are left out, or come before the ones that replaced them.
    """
    query = select(IterationRow).where(
        IterationRow.job_id == job_id, IterationRow.iteration > after
    )
    if not with_superseded:
        query = query.where(~IterationRow.is_superseded)
    return session.scalars(query.order_by(IterationRow.iteration, IterationRow.id)).all()


def one(session: Session, job_id: int, iteration: int) -> IterationRow:
    """One iteration of a job as it counts now. Raises NotFound."""
    query = select(IterationRow).where(
        IterationRow.job_id == job_id,
        IterationRow.iteration == iteration,
        ~IterationRow.is_superseded,
    )
    found = session.scalars(query.order_by(IterationRow.id.desc()).limit(1)).first()
    if found is None:
        raise NotFound(f"the job has no iteration {iteration}")
    return found


def last(session: Session, job_id: int) -> IterationRow | None:
    """The newest iteration of a job as it counts now, if there is one."""
    query = select(IterationRow).where(IterationRow.job_id == job_id, ~IterationRow.is_superseded)
    order = (IterationRow.iteration.desc(), IterationRow.id.desc())
    return session.scalars(query.order_by(*order).limit(1)).first()


def curves(session: Session, job_id: int, iteration: int) -> IterationCurves:
    """All curves of one iteration of a job. Raises NotFound."""
    return session.get_one(IterationCurves, one(session, job_id, iteration).id)


def curve(session: Session, job_id: int, name: str) -> Mapping[int, Any]:
    """One curve (`fsc`, `fsc_unmasked`, `ssnr`, `noise_power`, `orientability` …) of every iteration of a job.

    Shell i of a curve lies at the frequency i / `extent_A` of its iteration's row.
    """
    if name not in CURVES:
        raise NotFound(f"there is no curve '{name}': there are {', '.join(sorted(CURVES))}")
    query = (
        select(IterationRow.iteration, getattr(IterationCurves, name))
        .join(IterationCurves, IterationCurves.iteration_id == IterationRow.id)
        .where(IterationRow.job_id == job_id, ~IterationRow.is_superseded)
        .order_by(IterationRow.iteration)
    )
    return dict(session.execute(query).all())
