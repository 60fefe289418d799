"""The supervisor: starts the jobs that wait and owns those at work, one process for a database.

Jobs do not need it to run. What it remembers is in the database and in the jobs' folders, so that it may be killed
at any moment and another one goes on.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from compute.files.errors import InputError
from compute.files.relion import JobFolder
from db import folders, relion_export
from db.models.projects import Project
from db.repository import attempts, claims, machines, nodes, queue, rows, states
from db.repository.claims import Claim
from db.session import Database
from db.words import State
from webapp.at_work import AtWork
from webapp.caretaker import Caretaker
from webapp.launch import local, machine, orders
from webapp.launch.local import LaunchError
from webapp.launch.processes import started_at
from webapp.launch.slurm import Slurm, SlurmUnavailable
from webapp.launch.starting import checksums, environment_record, order_of
from webapp.notices import Teller
from webapp.office import Office, OfficeLost
from webapp.settings import Settings

LOG = logging.getLogger("halfmap.supervisor")
INTERVAL_S = 1.0
MACHINE_S = 10.0
AGAIN_S = 30.0
"""When a cluster that did not answer is asked again."""


class Supervisor:
    """Everything that happens to jobs by itself. `clock` is any that only goes forward."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        slurm: Slurm | None = None,
        clock: Callable[[], float] = time.monotonic,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.database = database
        self.settings = settings
        self.office = Office(database)
        self.teller = Teller(settings.notices)
        self._variables = variables
        self._slurm = slurm or Slurm(variables)
        self._clock = clock
        self._machine_due_s = clock()
        self._not_before: dict[str, float] = {}
        self._told: list[str] = []
        self.caretaker = Caretaker(
            self.office, self._slurm, self._restart, self.teller.tell, clock=clock
        )

    def cycle(self) -> bool:
        """One round: look after jobs at work, then start what can start. False where another process has the office."""
        if not self.office.is_held and self.office.take():
            return False
        try:
            self._renew()
            self.caretaker.look_at_all()
            self._start_waiting()
        except OfficeLost:
            return False
        self._show_relion()
        return True

    def run(self, stop: threading.Event) -> None:
        """Rounds until `stop` is set. A database that does not answer is asked again; jobs run on meanwhile."""
        trouble = ""
        while not stop.is_set():
            try:
                said = "" if self.cycle() else "another supervisor has the office; waiting for it"
            except OperationalError as error:
                said = f"the database does not answer: {error.orig}"
            except (
                Exception
            ) as error:  # jobs depend on the supervisor: it goes on, and says what is wrong
                said = f"{type(error).__name__}: {error}"
                if said != trouble:
                    LOG.exception("a round was not finished")
            if said and said != trouble:
                LOG.warning("%s", said)
            trouble = said
            stop.wait(INTERVAL_S)
        self.leave()

    def leave(self) -> None:
        """Give the office back; jobs run on."""
        self.teller.wait()
        try:
            self.office.leave()
        except OperationalError as error:
            LOG.warning("the office could not be given back: %s", error.orig)

    def _show_relion(self) -> None:
        """Let RELION's files of the projects follow; what cannot be written now is tried in the next round."""
        problems = relion_export.export_pending(self.database)
        for problem in problems:
            if problem not in self._told:
                LOG.warning("%s", problem)
        self._told = problems

    def _renew(self) -> None:
        """Hold the office, and say what this machine has and does."""
        with self.office.acting() as session:
            if self._clock() < self._machine_due_s:
                return
            found = machine.gpus()
            machines.register(
                session,
                self.office.host,
                cores=local.cores(),
                gpus=found,
                load=machine.load() | {"gpus": found},
            )
        self._machine_due_s = self._clock() + MACHINE_S

    def _start_waiting(self) -> None:
        """Start all jobs that can start now."""
        here = [one.name for one in self.settings.profiles.values() if one.kind == "local"]
        while self._start_next(here, self.office.host):
            pass
        now_s = self._clock()
        there = [
            one.name
            for one in self.settings.profiles.values()
            if one.kind == "slurm" and self._not_before.get(one.name, now_s) <= now_s
        ]
        while there and self._start_next(there, None):
            pass
        self._name_unknown_profiles()

    def _start_next(self, profiles: list[str], host: str | None) -> bool:
        """Claim one job, record its attempt in the same breath, and start it."""
        with self.office.acting() as session:
            claim = claims.claim_next(session, profiles=profiles, machine=host)
            if claim is None:
                return False
            project = rows.project(session, claim.job.project_id, in_bin=True)
            one = self._attempt_of(claim, project, session)
        self._start(one, claim.gpus)
        return True

    def _attempt_of(self, claim: Claim, project: Project, session: Session) -> AtWork:
        """The attempt of a claimed job, which begins where its records now end."""
        profile = self.settings.profile(claim.job.profile)
        records = JobFolder(Path(project.folder) / claim.job.folder).progress
        attempt = attempts.begin(
            session,
            claim.job.id,
            launcher=profile.kind,
            profile=profile.name,
            host=self.office.host if profile.kind == "local" else None,
            environment=environment_record(profile, str(uuid.uuid4())),
            progress_from=records.stat().st_size if records.exists() else 0,
        )
        return AtWork(claim.job, attempt, project)

    def _restart(self, one: AtWork) -> None:
        """Start an attempt that was claimed and, for all that is known, never started. It cannot start twice."""
        with self.database.reading() as session:
            gpus = machines.gpus_of(session, one.job.id)
        self._start(one, gpus)

    def _start(self, one: AtWork, gpus: tuple[int, ...]) -> None:
        """Start an attempt; one that cannot be started fails with the reason, or waits for its cluster."""
        try:
            self._launch(one, gpus)
        except SlurmUnavailable as error:
            self._not_before[one.job.profile] = self._clock() + AGAIN_S
            with self.office.acting() as session:
                if one.job.state == State.STOPPING:
                    attempts.settle(session, one.attempt.id, reason="stopped", message=str(error))
                else:
                    attempts.abandon(session, one.attempt.id, f"Slurm does not answer: {error}")
        except (LaunchError, InputError, OSError) as error:
            with self.office.acting() as session:
                job = attempts.settle(session, one.attempt.id, reason="failed", message=str(error))
            self.teller.tell(job, one.project)

    def _launch(self, one: AtWork, gpus: tuple[int, ...]) -> None:
        profile = self.settings.profile(one.job.profile)
        project = Path(one.project.folder)
        order = order_of(one.job, one.attempt, project, profile, gpus)
        folders.make_shared(order.folder)
        with self.database.reading() as session:
            paths = [line.node.path for line in nodes.inputs(session, one.job.id)]
        sums = dict(checksums(project, paths))
        pid: int | None = None
        number: str | None = None
        if profile.kind == "slurm":
            number = str(orders.submit(self._slurm, profile, order))
        else:
            child = orders.start_here(profile, order, self._variables)
            self.caretaker.care_of(one.attempt.id).child = child
            pid = child.pid
        with self.office.acting() as session:
            attempts.identify(
                session,
                one.attempt.id,
                pid=pid,
                pid_started_at=started_at(pid) if pid else None,
                slurm_id=number,
            )
            nodes.set_input_checksums(session, one.job.id, sums)
        LOG.info("%s of %s: started", one.job.name, one.project.name)

    def _name_unknown_profiles(self) -> None:
        """Tell jobs that wait for a launcher profile that is not in the settings."""
        with self.database.reading() as session:
            lost = [
                job for job in queue.waiting(session) if job.profile not in self.settings.profiles
            ]
        for job in lost:
            sentence = f"the launcher profile '{job.profile}' is not in the settings"
            if job.reason != sentence:
                with self.office.acting() as session:
                    states.set_reason(session, job.id, sentence)
