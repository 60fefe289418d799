"""What users keep for the forms: presets by name, and drafts of forms that are being filled in."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.models.people import Draft, Preset
from db.repository import audit, rows
from db.session import now


def presets(session: Session, job_type: str, user_id: int) -> Sequence[Preset]:
    """The presets of a job type that a user sees: everybody's, then the user's own, by name."""
    query = select(Preset).where(
        Preset.job_type == job_type, or_(Preset.user_id.is_(None), Preset.user_id == user_id)
    )
    return session.scalars(query.order_by(Preset.user_id.is_not(None), Preset.name)).all()


def save_preset(
    session: Session,
    job_type: str,
    name: str,
    parameters: Mapping[str, Any],
    *,
    who: int | None,
    is_shared: bool = False,
) -> Preset:
    """Keep parameters under a name, in the place of an earlier preset of that name; a shared one is everybody's."""
    name = name.strip()
    if not name:
        raise Refused("a preset needs a name")
    owner = None if is_shared else who
    if owner is not None:
        rows.user(session, owner, lock=True)
    query = select(Preset).where(
        Preset.job_type == job_type, Preset.name == name, Preset.user_id.is_not_distinct_from(owner)
    )
    preset = session.scalars(query.with_for_update()).first()
    if preset is None:
        preset = Preset(user_id=owner, job_type=job_type, name=name)
        session.add(preset)
    preset.parameters, preset.changed_at = dict(parameters), now(session)
    audit.note(session, who, "saved preset", subject=name, job_type=job_type, is_shared=is_shared)
    session.flush()
    return preset


def remove_preset(session: Session, preset_id: int, *, who: int | None) -> None:
    """Remove a preset."""
    preset = session.get(Preset, preset_id)
    if preset is None:
        raise NotFound("there is no such preset: it was removed")
    audit.note(session, who, "removed preset", subject=preset.name, job_type=preset.job_type)
    session.delete(preset)
    session.flush()


def save_draft(
    session: Session,
    user_id: int,
    project_id: int,
    job_type: str,
    values: Mapping[str, Any],
    *,
    from_job_id: int | None = None,
) -> Draft:
    """Keep a form as it is, in the place of the same form's earlier draft. Not audited: this happens while typing."""
    rows.user(session, user_id, lock=True)
    found = draft(session, user_id, project_id, job_type, from_job_id=from_job_id)
    if found is None:
        found = Draft(
            user_id=user_id, project_id=project_id, job_type=job_type, from_job_id=from_job_id
        )
        session.add(found)
    found.values, found.changed_at = dict(values), now(session)
    session.flush()
    return found


def draft(
    session: Session,
    user_id: int,
    project_id: int,
    job_type: str,
    *,
    from_job_id: int | None = None,
) -> Draft | None:
    """What a user has left in a form, if anything."""
    query = select(Draft).where(
        Draft.user_id == user_id,
        Draft.project_id == project_id,
        Draft.job_type == job_type,
        Draft.from_job_id.is_not_distinct_from(from_job_id),
    )
    return session.scalars(query).first()


def drafts(session: Session, user_id: int) -> Sequence[Draft]:
    """All forms that a user has left unfinished, newest first."""
    query = select(Draft).where(Draft.user_id == user_id)
    return session.scalars(query.order_by(Draft.changed_at.desc(), Draft.id.desc())).all()


def remove_draft(session: Session, draft_id: int) -> None:
    """Forget a form's draft, because it was submitted or given up."""
    session.execute(delete(Draft).where(Draft.id == draft_id))
