"""What an admin tells everybody, above every page."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.models.accounts import Banner
from db.repository import audit
from db.session import now


def banner(session: Session) -> str:
    """The sentence above every page; empty where there is none."""
    return session.scalar(select(Banner.text).order_by(Banner.id.desc()).limit(1)) or ""


def set_banner(session: Session, text: str, *, who: int | None) -> None:
    """Put another sentence above every page, or (empty) none."""
    text = text.strip()
    session.execute(delete(Banner))
    if text:
        session.add(Banner(text=text, user_id=who, since=now(session)))
    audit.note(session, who, "changed banner", subject=text)
