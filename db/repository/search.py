"""Projects and jobs by what a person remembers of them, among those that the person sees."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, exists, false, or_, select
from sqlalchemy.orm import Session

from db.models.jobs import Job, JobInput, Node
from db.models.people import User
from db.models.projects import Comment, JobStar, JobTag, Project, ProjectView, Tag
from db.repository import overview, rows
from db.repository.overview import JobLine, ProjectLine
from db.repository.search_words import Wanted, number_in, states_called
from db.repository.sight import visible
from db.words import Ending

ME = ("me", "myself", "mine")
AROUND = 60
"""Characters of a note or comment to each side of the word that was found in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job or a project with where a word was found that its line does not show: `note`, `comment` or `file`."""

    line: JobLine | ProjectLine
    place: str = ""
    excerpt: str = ""


def find_projects(session: Session, user_id: int, wanted: Wanted, *, limit: int) -> list[Found]:
    """The projects that are meant, starred and lately opened ones first; none where only jobs can be."""
    if wanted.is_about_jobs or wanted.problem:
        return []
    conditions = [Project.deleted_at.is_(None), visible(session, user_id)]
    conditions += [_project_has(term) for term in wanted.terms]
    if wanted.projects:
        conditions.append(_any(Project.name, wanted.projects))
    if wanted.authors:
        conditions.append(Project.created_by.in_(_users(session, user_id, wanted.authors)))
    if wanted.is_starred:
        mine = select(ProjectView.project_id).where(ProjectView.user_id == user_id)
        conditions.append(Project.id.in_(mine.where(ProjectView.is_starred)))
    lines = overview.project_lines(session, user_id, conditions, limit)
    return [_project_found(line, wanted) for line in lines]


def find_jobs(
    session: Session, user_id: int, wanted: Wanted, *, limit: int, before: int = 0
) -> list[Found]:
    """The jobs that are meant: number first, then title and alias, tag, age; `before` are skipped."""
    conditions = [
        Job.deleted_at.is_(None),
        Project.deleted_at.is_(None),
        visible(session, user_id),
        *job_conditions(session, user_id, wanted),
    ]
    query = overview.job_query().where(*conditions).order_by(*_order(wanted), Job.id.desc())
    lines = overview.job_lines(session, query.limit(limit).offset(before), user_id)
    return _with_places(session, lines, wanted)


def jobs_of_project(
    session: Session, user_id: int, project_id: int, wanted: Wanted, *, limit: int = 200
) -> list[JobLine]:
    """The jobs of a project that are meant, newest first."""
    query = overview.job_query().where(
        Job.project_id == project_id,
        Job.deleted_at.is_(None),
        *job_conditions(session, user_id, wanted),
    )
    return overview.job_lines(session, query.order_by(Job.number.desc()).limit(limit), user_id)


def job_conditions(session: Session, user_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What a job has to fulfil, for a query that has `Job` and `Project`."""
    if wanted.problem:
        return [false()]
    found = [_job_has(term) for term in wanted.terms]
    found += [_tagged(tag, is_whole=True) for tag in wanted.tags]
    states: list[ColumnElement[bool]] = []
    if wanted.states:
        states.append(Job.state.in_(wanted.states))
    if wanted.is_stopped:
        states.append(Job.ending == Ending.STOPPED)
    if states:
        found.append(or_(*states))
    if wanted.types:
        found.append(or_(_any(Job.type, wanted.types), _any(Job.folder, wanted.types)))
    if wanted.authors:
        found.append(Job.created_by.in_(_users(session, user_id, wanted.authors)))
    if wanted.projects:
        found.append(_any(Project.name, wanted.projects))
    if wanted.is_starred:
        found.append(Job.id.in_(select(JobStar.job_id).where(JobStar.user_id == user_id)))
    return found


def _contains(column: object, term: str) -> ColumnElement[bool]:
    return column.icontains(term, autoescape=True)  # type: ignore[attr-defined]


def _any(column: object, terms: Iterable[str]) -> ColumnElement[bool]:
    return or_(*(_contains(column, term) for term in terms))


def _tagged(tag: str, *, is_whole: bool = False) -> ColumnElement[bool]:
    """Whether a job has a tag that begins with a word, or only has it in it."""
    named = Tag.name.istartswith(tag, autoescape=True) if is_whole else _contains(Tag.name, tag)
    return exists().where(JobTag.job_id == Job.id, JobTag.tag_id == Tag.id, named)


def _users(session: Session, user_id: int, names: Sequence[str]) -> list[int]:
    """The ids of the users who are meant; "me" is who asks."""
    meant = [rows.user(session, user_id).name if one.lower() in ME else one for one in names]
    query = select(User.id).where(or_(_any(User.name, meant), _any(User.full_name, meant)))
    return list(session.scalars(query))


def _job_has(term: str) -> ColumnElement[bool]:
    """Whether a job has a term anywhere: in what its line shows, in notes and comments, in the names of its files."""
    said = exists().where(Comment.job_id == Job.id, _contains(Comment.text, term))
    made = exists().where(Node.job_id == Job.id, _contains(Node.path, term))
    read = exists().where(
        JobInput.job_id == Job.id, JobInput.node_id == Node.id, _contains(Node.path, term)
    )
    names = or_(_contains(User.name, term), _contains(User.full_name, term))
    ways: list[ColumnElement[bool]] = [
        _any_of((Job.title, Job.alias, Job.folder, Job.type, Job.notes, Project.name), term),
        and_(User.id.is_not(None), names),
        _tagged(term),
        said,
        made,
        read,
    ]
    number = number_in(term)
    if number is not None:
        ways.append(Job.number == number)
    if len(term) > 3 and (states := states_called(term)):
        ways.append(Job.state.in_(states))
    return or_(*ways)


def _any_of(columns: Iterable[object], term: str) -> ColumnElement[bool]:
    return or_(*(_contains(column, term) for column in columns))


def _project_has(term: str) -> ColumnElement[bool]:
    said = exists().where(
        Comment.project_id == Project.id, Comment.job_id.is_(None), _contains(Comment.text, term)
    )
    ways = [_any_of((Project.name, Project.notes, Project.folder), term), said]
    number = number_in(term)
    if number is not None:
        ways.append(Project.id == number)
    return or_(*ways)


def _order(wanted: Wanted) -> list[ColumnElement[int]]:
    """Jobs whose number, then whose title or alias, then whose tags have the terms come first."""
    found: list[ColumnElement[int]] = []
    for term in wanted.terms:
        number = number_in(term)
        steps: list[tuple[ColumnElement[bool], int]] = []
        if number is not None:
            steps.append((Job.number == number, 0))
        for column in (Job.title, Job.alias):
            steps.append((column.istartswith(term, autoescape=True), 1))
        steps.append((_any_of((Job.title, Job.alias), term), 2))
        steps.append((_tagged(term), 3))
        found.append(case(*steps, else_=4))
    return found


def _project_found(line: ProjectLine, wanted: Wanted) -> Found:
    for term in wanted.terms:
        if not _is_in(term, line.project.name) and _is_in(term, line.project.notes):
            return Found(line, "note", excerpt(line.project.notes, term))
    return Found(line)


def _with_places(session: Session, lines: Sequence[JobLine], wanted: Wanted) -> list[Found]:
    """The lines, each with the first term that it does not show and where that was found."""
    hidden = {line.job.id: _hidden_term(line, wanted) for line in lines}
    looked_for = {job_id: term for job_id, term in hidden.items() if term}
    texts = _texts(session, list(looked_for), sorted(set(looked_for.values())))
    found = []
    for line in lines:
        term = hidden[line.job.id]
        candidates = [("note", line.job.notes), *texts.get(line.job.id, [])]
        hits = ((place, text) for place, text in candidates if term and _is_in(term, text))
        place, text = next(hits, ("", ""))
        found.append(Found(line, place, excerpt(text, term) if place else ""))
    return found


def _hidden_term(line: JobLine, wanted: Wanted) -> str:
    job = line.job
    shown = [job.title, job.alias or "", job.type, str(job.state), line.author, line.project.name]
    shown += [tag.name for tag in line.tags]
    for term in wanted.terms:
        is_shown = any(_is_in(term, text) for text in shown) or number_in(term) == job.number
        if not is_shown:
            return term
    return ""


def _texts(
    session: Session, job_ids: Sequence[int], terms: Sequence[str]
) -> dict[int, list[tuple[str, str]]]:
    """The comments and file names of some jobs that have one of some terms in them."""
    found: dict[int, list[tuple[str, str]]] = {}
    if not job_ids:
        return found
    said = select(Job.id, Comment.text).join(Comment, Comment.job_id == Job.id)
    made = select(Job.id, Node.path).join(Node, Node.job_id == Job.id)
    read = select(Job.id, Node.path).join(JobInput, JobInput.job_id == Job.id)
    read = read.join(Node, JobInput.node_id == Node.id)
    for place, column, query in (
        ("comment", Comment.text, said),
        ("file", Node.path, made),
        ("file", Node.path, read),
    ):
        query = query.where(Job.id.in_(job_ids), _any(column, terms)).limit(500)
        for job_id, text in session.execute(query):
            found.setdefault(job_id, []).append((place, text))
    return found


def _is_in(term: str, text: str) -> bool:
    return term.lower() in text.lower()


def excerpt(text: str, term: str) -> str:
    """A text around the first place of a term, on one line."""
    line = " ".join(text.split())
    place = max(0, line.lower().find(term.lower()))
    start, end = max(0, place - AROUND), place + len(term) + AROUND
    return f"{'… ' if start else ''}{line[start:end]}{' …' if end < len(line) else ''}"
