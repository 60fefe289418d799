"""What the head of a job's page says: its state in one plain sentence, the resolution, and the time left."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from compute.files.events import Iteration
from db.models.jobs import Job
from db.words import ENDED, Ending, State
from webapp.components.shared_shells import shared_words
from webapp.records import JobRecords

SILENT_AFTER_S = 120.0
"""Without a sign of life for that long, the page says so."""
PHASES = {
    "expectation": "comparing every particle with the map",
    "maximisation": "making the new maps",
    "planning": "deciding the sampling",
    "reading": "reading the files",
    "writing": "writing the files",
    "edge": "making the soft edge",
    "random phases": "randomising phases",
    "directions": "comparing direction by direction",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The number that counts, with what it means, and the working value beside it."""

    number: str
    meaning: str
    working: str


def duration(seconds: float | None) -> str:
    """A time span as people say it: 41 s, 7 min 05 s, 2 h 03 min."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole == 0 and seconds > 0:
        return "under 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


MASKS = {
    "none": "unmasked",
    "given": "inside your mask, corrected",
    "envelope": "inside the molecule's envelope, corrected",
}


def headline(records: JobRecords, row: Iteration | None) -> Headline:
    """The resolution of an iteration, with criterion, mask and maps named."""
    if row is None or row.resolution_fsc0143_A is None:
        return Headline("–", "no resolution yet", "")
    nyquist = nyquist_A(records)
    mask = MASKS[row.fsc_mask if row.is_solvent_corrected else "none"]
    maps = (
        "half-maps of all particles" if row.is_final else f"half-maps of iteration {row.iteration}"
    )
    meaning = f"FSC 0.143 · {mask} · {maps}"
    if nyquist and not crosses(row, 0.143):
        meaning = f"at Nyquist, limited by the pixel size · {mask} · {maps}"
    working = ""
    if row.resolution_fsc05_A is not None:
        verb = "working value" if row.is_final else "refining to"
        working = f"{verb} {row.resolution_fsc05_A:.2f} Å (half-set FSC 0.5)"
    if row.is_solvent_corrected and row.resolution_unmasked_A is not None:
        working = f"{working} · without mask {row.resolution_unmasked_A:.2f} Å".lstrip(" ·")
    return Headline(f"{row.resolution_fsc0143_A:.2f}", meaning, working)


def crosses(row: Iteration, threshold: float) -> bool:
    """Whether the curve of an iteration falls below a threshold."""
    return any(value is None or value < threshold for value in row.fsc[1:])


def nyquist_A(records: JobRecords) -> float | None:
    """The finest resolution that the pixel size allows."""
    start = records.start
    return 2 * start.pixel_size_A if start is not None and start.pixel_size_A else None


def status_word(job: Job) -> str:
    """The state as the page shows it; stopped by its user is a kind of finished."""
    is_stopped = job.state == State.FINISHED and job.ending == Ending.STOPPED
    return "stopped by user" if is_stopped else str(job.state)


def sentence(job: Job, records: JobRecords, now: datetime | None = None) -> str:
    """One plain sentence on where the job is and what comes next, or why it ended."""
    if job.state == State.DRAFT:
        return "This job has not been started."
    if job.state == State.WAITING:
        return f"Waiting: {job.reason or 'the next free place is its own'}."
    if job.state == State.FAILED:
        why = job.reason or (records.end.message if records.end else "") or "The job failed."
        return why[:1].upper() + why[1:]
    if job.state == State.FINISHED:
        return _finished(job, records)
    if job.state == State.STOPPING:
        return f"Stopping: {job.reason or 'its processes are being ended'}."
    return _at_work(job, records, now or datetime.now(UTC))


def _finished(job: Job, records: JobRecords) -> str:
    newest = records.newest
    if job.ending == Ending.STOPPED:
        last = f" after iteration {newest.iteration}" if newest else ""
        return f"Stopped{last}. What was finished is kept and can be continued."
    if newest is not None and newest.explanation:
        return newest.explanation
    return job.reason or (records.end.message if records.end else "") or "Finished."


def _at_work(job: Job, records: JobRecords, now: datetime) -> str:
    if records.start is None:
        return "Started, no output yet."
    newest = records.newest
    words = newest.explanation if newest else "The first iteration is under way."
    if job.type != "refine":
        words = "At work: the result comes at its end."
    last = last_sign(records)
    if last is not None and (now - last).total_seconds() > SILENT_AFTER_S:
        silent = duration((now - last).total_seconds())
        words = f"No sign of life for {silent}: the job may hang. {words}"
    return words


def last_sign(records: JobRecords) -> datetime | None:
    """When the job last wrote anything."""
    events = (
        records.start,
        records.newest,
        records.phase,
        records.heartbeats[-1] if records.heartbeats else None,
        records.end,
    )
    return max((event.time for event in events if event is not None), default=None)


def activity(records: JobRecords, now: datetime | None = None) -> tuple[str, float | None]:
    """What the job does at the moment in words, and how much of it is done (0 to 1)."""
    phase = records.phase
    if phase is None or records.end is not None:
        return "", None
    now = now or datetime.now(UTC)
    where = f"Iteration {phase.iteration}: " if phase.iteration else ""
    words = f"{where}{PHASES.get(phase.phase, phase.phase)}"
    elapsed_s = (now - phase.time).total_seconds()
    share = None
    beat = records.heartbeats[-1] if records.heartbeats else None
    if beat is not None and beat.time >= phase.time and beat.total:
        share = beat.done / beat.total
    left = time_left_s(records, now)
    if left is not None:
        words += f", about {duration(left)} left in it" if left >= 1 else ", nearly done"
    else:
        words += f", for {duration(elapsed_s)}"
    return words, share


def time_left_s(records: JobRecords, now: datetime) -> float | None:
    """Seconds left in the iteration: from the last sign of life, else from the last iteration of that step."""
    phase = records.phase
    if phase is None or phase.phase != "expectation":
        return None
    beat = records.heartbeats[-1] if records.heartbeats else None
    if beat is not None and beat.time >= phase.time and beat.seconds_left is not None:
        return max(0.0, beat.seconds_left - (now - beat.time).total_seconds())
    newest = records.newest
    if newest is None or not newest.seconds:
        return None
    return max(0.0, newest.seconds - (now - phase.time).total_seconds())


def run_left(rows: Sequence[Iteration]) -> str:
    """What is known of the time until convergence; a refinement never knows its number of iterations."""
    if not rows or rows[-1].is_final:
        return ""
    newest = rows[-1]
    if newest.has_converged:
        return "the final iteration remains"
    if newest.is_fine_enough:
        return "at least the final iteration remains"
    return "at least three iterations remain: the sampling is not fine enough yet"


def hero_html(job: Job, title: str, author: str, records: JobRecords, row: Iteration | None) -> str:
    """The head of a job's page."""
    number = headline(records, row)
    if job.state in ENDED:
        number = replace(number, meaning=number.meaning.removesuffix(" yet"))
    words, share = activity(records) if job.state in ("running", "stopping") else ("", None)
    bar = f'<div class="bar"><span style="width:{100 * share:.0f}%"></span></div>' if share else ""
    facts = [
        f"<span>{html.escape(fact)}</span>" for fact in _facts(job, author, records, row) if fact
    ]
    unit = "<small> Å</small>" if number.number != "–" else ""
    figures = (
        f'<div class="headline"><div class="number">{number.number}{unit}</div>'
        f'<div class="meaning">{html.escape(number.meaning)}</div>'
        f'<div class="working">{html.escape(number.working)}</div></div>'
        if job.type == "refine"
        else "<div></div>"
    )
    kind = "" if job.state != State.FAILED else " notice bad"
    return (
        '<div class="hero"><div>'
        f'<div class="title"><h1>{html.escape(title)}</h1>'
        f'<span class="chip {str(status_word(job)).split()[0]}">{status_word(job)}</span></div>'
        f'<p class="sentence{kind}" role="status" aria-live="polite">'
        f"{html.escape(sentence(job, records))}</p>{_held(records, row)}"
        f'<div class="facts">{" · ".join(facts)}</div>'
        f'<div class="facts activity">{html.escape(words)}</div>{bar}'
        f"</div>{figures}</div>"
    )


def _held(records: JobRecords, row: Iteration | None) -> str:
    """Why the resolution stands where it does, if the half-maps share what is coarser."""
    start = records.start
    if row is None or start is None:
        return ""
    words = shared_words(row.resolution_fsc0143_A, start.join_halves_A, start.initial_lowpass_A)
    return f'<p class="held">{words}</p>' if words else ""


def _processes(count: int, devices: list[str]) -> str:
    """How many processes, and on what."""
    where = ", ".join("CPU" if device == "cpu" else device for device in devices)
    return f"{count} {'process' if count == 1 else 'processes'} on {where}"


def _facts(job: Job, author: str, records: JobRecords, row: Iteration | None) -> list[str]:
    """What is said in small letters below the sentence."""
    start, end = records.start, records.end
    facts = [job.folder]
    if start is not None:
        facts.append(f"{start.particles:,} particles".replace(",", " ") if start.particles else "")
        if start.box_size and start.pixel_size_A:
            facts.append(f"{start.box_size} px of {start.pixel_size_A:.4g} Å")
        facts.append(start.symmetry or "")
        ranks = len(start.ranks)
        devices = sorted({rank.device for rank in start.ranks})
        facts.append(_processes(ranks, devices) if ranks else "")
        facts.append(f"started {start.time.astimezone():%d %b %H:%M}")
    facts.append(f"by {author}" if author else "")
    if end is not None and end.seconds:
        facts.append(f"took {duration(end.seconds)}")
    elif job.state == State.RUNNING:
        facts.append(run_left(records.iterations))
    return facts
