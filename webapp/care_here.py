"""Looks after jobs of this machine, whose processes can be seen."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from db.repository import attempts
from db.words import State, StopRequest
from webapp import watcher
from webapp.at_work import AtWork, Care, Desk
from webapp.job_types import REFINE
from webapp.launch import processes
from webapp.launch.keeper import LaunchRecord, read_record
from webapp.launch.processes import Found
from webapp.watcher import Verdict

KILLED_STATUS = 128 + signal.SIGKILL
GRACE_S = 20.0
"""How long a job that was asked to stop may take before its processes are killed."""


@dataclass(slots=True)
class CareHere:
    """Looks after jobs of this machine; `restart` starts an attempt that a dead supervisor had only claimed."""

    desk: Desk
    restart: Callable[[AtWork], None]

    def look(self, one: AtWork, care: Care, found: list[Found], end_reason: str | None) -> None:
        """A job of this machine, whose processes can be seen."""
        if one.attempt.host not in (None, self.desk.office.host):
            self._look_from_afar(one, care, end_reason)
            return
        record = read_record(one.folder, one.launch_id)
        if record is not None and one.attempt.pid != record.pid:
            with self.desk.office.acting() as session:
                attempts.identify(
                    session,
                    one.attempt.id,
                    host=record.host,
                    pid=record.pid,
                    pid_started_at=record.pid_started_at,
                )
        if found:
            self._stop_if_asked(one, care, record, found)
            if one.job.state != State.STOPPING:
                self.desk.say(
                    one, watcher.trouble(found, self.desk.clock() - care.news_s, care.since)
                )
            return
        if care.child is not None and care.child.poll() is None:
            return
        if end_reason == "stopped" and one.job.stop_request is None and was_killed(care):
            how = watcher.advice(one.folder, one.root, one.attempt.progress_from)
            why = "The keeper of the job was killed, and the job ended with it."
            self.desk.close(one, care, Verdict("failed", f"{why} {how}", KILLED_STATUS))
        elif end_reason is not None:
            self.desk.settle(one)
        elif record is None and care.child is None and one.attempt.pid is None:
            self.resume_start(one)
        else:
            wants_stop = one.job.state == State.STOPPING
            start = one.attempt.progress_from
            verdict = watcher.verdict_here(one.folder, one.root, start, record, wants_stop)
            self.desk.close(one, care, verdict)

    def resume_start(self, one: AtWork) -> None:
        """A supervisor died between the claim and the start: the start is made up for, or left off if asked."""
        if one.job.state == State.STOPPING:
            self.desk.settle(one, Verdict("stopped", "The job was stopped before it was started."))
        else:
            self.restart(one)

    def _look_from_afar(self, one: AtWork, care: Care, end_reason: str | None) -> None:
        """A job of another machine, of which only the records can be seen."""
        if end_reason is not None:
            self.desk.settle(one)
            return
        self.desk.ask_politely(one)
        if self.desk.clock() - care.news_s > watcher.SILENCE_S:
            self.desk.say(one, f"No sign of life from {one.attempt.host} since {care.since}.")

    def _stop_if_asked(
        self, one: AtWork, care: Care, record: LaunchRecord | None, found: list[Found]
    ) -> None:
        """Hand a request to stop on to the job; processes that take too long are killed."""
        if one.job.stop_request is None:
            return
        if one.job.stop_request == StopRequest.AFTER_ITERATION and one.job.type == REFINE:
            self.desk.ask_politely(one)
            return
        now_s = self.desk.clock()
        if care.stop_s is None:
            care.stop_s = now_s
            for process in found:
                if process.is_frozen:
                    os.kill(process.pid, signal.SIGCONT)
            if record is not None and processes.is_same(record.pid, record.pid_started_at):
                os.kill(record.pid, signal.SIGTERM)
            else:
                processes.end(one.launch_id)
        elif now_s - care.stop_s > GRACE_S:
            processes.end(one.launch_id, signal.SIGKILL)


def was_killed(care: Care) -> bool:
    """Whether the keeper of a job is known to have been killed: its processes stopped for want of it."""
    return care.child is not None and care.child.returncode == -signal.SIGKILL
