"""What users are told in the dashboard, each notice for one of them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import NEVER_REUSED, Base, UtcTime, words
from db.words import News


class Notice(Base):
    """Something that a user is told of a project or a job; unread until `read_at`.

    `text` is the sentence that goes with it: why a job failed, what it waits for, what was said. `by_user_id` is
    whose doing it is, where somebody's.
    """

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_list", "user_id", "read_at", "id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    news: Mapped[News] = mapped_column(words(News, "news"))
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    job_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), index=True
    )
    comment_id: Mapped[int | None] = mapped_column(
        ForeignKey("comments.id", ondelete="CASCADE"), index=True
    )
    by_user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text, default="")
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcTime)
