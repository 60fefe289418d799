"""Looks after jobs at Slurm."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from db.words import State, StopRequest
from webapp import watcher
from webapp.at_work import AtWork, Care, Desk
from webapp.launch import processes
from webapp.launch.slurm import Slurm, SlurmUnavailable, judge, states_in_words
from webapp.launch.slurm_text import SlurmJob
from webapp.watcher import Verdict

LATE_S = 10.0
"""How long the last record of a job that Slurm calls over may be on its way through a network file system."""
WRITES_S = 60.0
"""A lost node's job that has written so lately is alive."""


@dataclass(slots=True)
class CareAtSlurm:
    """Looks after jobs at Slurm; `resume_start` makes up for a start that a dead supervisor had only claimed."""

    desk: Desk
    slurm: Slurm
    resume_start: Callable[[AtWork], None]

    def look(
        self,
        one: AtWork,
        care: Care,
        queue: Mapping[int, SlurmJob] | None,
        end_reason: str | None,
    ) -> None:
        """A job at Slurm."""
        if one.attempt.slurm_id is None:
            self.resume_start(one)
            return
        number = int(one.attempt.slurm_id)
        try:
            if queue is None:
                raise SlurmUnavailable("squeue")
            job = queue.get(number) or self.slurm.job(number)
            if job is not None and job.stage in {"waiting", "running"}:
                self._care_at_slurm(one, care, job)
                return
            job = self.slurm.job(number) or job
        except SlurmUnavailable:
            self.desk.say(
                one, f"Slurm does not answer; the job was last seen to write at {care.since}."
            )
            return
        now_s = self.desk.clock()
        care.over_s = now_s if care.over_s is None else care.over_s
        if end_reason is None and now_s - care.over_s < LATE_S:
            return
        if end_reason is None and job is not None and job.state == "NODE_FAIL":
            if now_s - care.news_s < WRITES_S or processes.of(one.launch_id):
                self.desk.say(
                    one, f"Slurm has lost the node {job.nodes}, but the job may still run."
                )
                return
        self._end_at_slurm(one, care, job)

    def _care_at_slurm(self, one: AtWork, care: Care, job: SlurmJob) -> None:
        if one.job.stop_request == StopRequest.NOW:
            if care.stop_s is None:
                care.stop_s = self.desk.clock()
                self.slurm.cancel(job.number)
            return
        self.desk.ask_politely(one)
        words = states_in_words(job, self.slurm.lost_nodes(job.nodes))
        if not words and self.desk.clock() - care.news_s > watcher.SILENCE_S:
            words = f"No sign of life since {care.since}." if one.attempt.has_reported else ""
        if one.job.state != State.STOPPING:
            self.desk.say(one, words)

    def _end_at_slurm(self, one: AtWork, care: Care, job: SlurmJob | None) -> None:
        """The end of a job at Slurm: its own last record counts, except that Slurm knows limits better."""
        end = watcher.last_record(one.folder, one.attempt.progress_from)
        advice = watcher.advice(one.folder, one.root, one.attempt.progress_from)
        ending = judge(end, job, advice)
        wants_stop = one.job.state == State.STOPPING and ending.state == "failed" and end is None
        state = "stopped" if wants_stop else ending.state
        if end is not None and ending.sentence == end.message:
            self.desk.settle(one)
        elif state == "stopped":
            self.desk.close(one, care, Verdict("stopped", ending.sentence, watcher.STOPPED_STATUS))
        else:
            self.desk.close(one, care, Verdict("failed", ending.sentence))
