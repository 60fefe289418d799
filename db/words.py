"""The words of the database: states of a job and the steps between them, kinds of ending, roles of members."""

from collections.abc import Mapping
from enum import StrEnum

from db.errors import Refused


class State(StrEnum):
    """Where a job is. There are no other states anywhere."""

    DRAFT = "draft"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"


class Ending(StrEnum):
    """The kinds of finished: the job has done all, or a user has stopped it."""

    COMPLETED = "completed"
    STOPPED = "stopped by user"


class StopRequest(StrEnum):
    """What a user has asked of a running job."""

    AFTER_ITERATION = "after this iteration"
    NOW = "now"


class Role(StrEnum):
    """What a member may do in a project; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"


class News(StrEnum):
    """What users are told in the dashboard: how their jobs ended or why one waits, and what others have done."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    WAITS = "waits"
    MENTIONED = "mentioned"
    SHARED = "shared"


ROLES = tuple(Role)

ACTIVE = (State.STARTING, State.RUNNING, State.STOPPING)
"""States in which processes of the job may be alive."""
ENDED = (State.FINISHED, State.FAILED)

STEPS: Mapping[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.WAITING}),
    State.WAITING: frozenset({State.STARTING, State.DRAFT, State.FINISHED, State.FAILED}),
    State.STARTING: frozenset(
        {State.RUNNING, State.STOPPING, State.FINISHED, State.FAILED, State.WAITING}
    ),
    State.RUNNING: frozenset({State.STOPPING, State.FINISHED, State.FAILED}),
    State.STOPPING: frozenset({State.FINISHED, State.FAILED}),
    State.FINISHED: frozenset({State.WAITING}),
    State.FAILED: frozenset({State.WAITING}),
}
"""From each state the ones that may follow.

A waiting job that is stopped was finished by its user; one that could not be launched after all waits again
(starting → waiting). A very short job may be finished before anybody saw it run. Ended jobs are continued.
"""


def check_step(before: State, after: State, what: str) -> None:
    """Refuse a change of state that is not in STEPS; `what` names the job."""
    if after not in STEPS[before]:
        allowed = " or ".join(sorted(STEPS[before]))
        raise Refused(f"{what} is {before} and cannot become {after}: it can become {allowed}")


def may(role: Role | None, needed: Role) -> bool:
    """Whether somebody with `role` (None: no member) may do what takes the role `needed`."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)
