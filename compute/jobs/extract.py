"""Extraction: particle images cut out of micrographs, around coordinates or around refined particles."""

import errno
import os
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue

import psutil

from compute.files import events
from compute.files.labels import REASON
from compute.files.micrograph_pixels import PixelReader
from compute.files.micrographs import read_micrographs
from compute.jobs.extract_files import (
    check_room,
    make_room,
    particles_path,
    size_text,
    write_joined,
)
from compute.jobs.extract_micrograph import Done, extract_micrograph, fingerprint, finished
from compute.jobs.extract_plan import MUCH_PADDING, Plan, Work, make_plan
from compute.jobs.extract_source import read_source
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.extract import ExtractParams
from compute.signal.extraction import background

NAMED = 5
"""Micrographs that a warning names."""
MEMORY_SHARE = 0.5
"""Of the free memory, that micrographs in work may take together."""
DISC_FULL = (errno.ENOSPC, errno.EDQUOT)


def run(params: ExtractParams, voice: Voice) -> Result:
    """Extract all particles and join their tables; what an earlier run of this very work left is kept.

    Raises InputError, before anything is written, for input that cannot be used.
    """
    voice.progress.enter("checking")
    micrographs = read_micrographs(params.micrographs, params.micrograph_pixel_size_A)
    source = read_source(params, micrographs)
    plan = make_plan(params, micrographs, source)
    if params.premultiply_ctf or params.phase_flip:
        from compute.jobs.extract_ctf import check_ctf

        check_ctf(plan)
    _say_plan(params, plan, len(micrographs), source.below_fom, voice)
    marks = [fingerprint(params, work, plan) for work in plan.work]
    kept = [finished(params, work, mark) for work, mark in zip(plan.work, marks, strict=True)]
    to_do = [i for i, done in enumerate(kept) if done is None]
    needed = check_room(params, [plan.work[i] for i in to_do])
    if to_do:
        voice.log.line(f" stacks and tables of {len(to_do)} micrographs: {size_text(needed)}")
    moved = make_room(params, [plan.work[i] for i in to_do])
    if moved:
        voice.log.line(
            f" {len(moved)} files of an earlier run with other options or input are now in {moved[0].parent}"
        )
    if len(to_do) < len(kept):
        voice.log.line(f" {len(kept) - len(to_do)} of {len(kept)} micrographs are done already")
    done = _extract_all(params, plan, marks, kept, to_do, voice)
    _say_doubts(plan, done, voice)
    written = write_joined(params, plan)
    return _result(params, plan, written)


def _say_plan(
    params: ExtractParams, plan: Plan, micrographs: int, below_fom: int, voice: Voice
) -> None:
    """What will be made, and which particles are left out."""
    sizes_A = sorted({work.pixel_size_A for work in plan.work})
    pixels = ", ".join(f"{size:.5g} Å (Nyquist {2 * size:.3g} Å)" for size in sizes_A)
    voice.log.line(
        f" {plan.particles} particles in {len(plan.work)} of {micrographs} micrographs; box {params.box}"
        f" -> {params.final_box} pixels of {pixels}"
    )
    if below_fom:
        voice.log.line(
            f" {below_fom} particles are not above the figure of merit {params.minimum_pick_fom:g}"
        )
    if params.final_box > 2 * params.box:
        voice.log.warning(
            f"images are enlarged from {params.box} to {params.final_box} pixels, which adds no detail"
        )
    everything = plan.particles + len(plan.rejected)
    if count := len(plan.rejected):
        reasons = _counts(plan.rejected.columns[REASON].tolist())
        voice.log.warning(
            f"{count} particles ({count / everything:.2%}) are left out, because {reasons}; they are in rejected.star",
            "E4",
        )
    if plan.padded:
        voice.log.warning(
            f"{plan.padded} boxes reach beyond their micrograph's edge, {plan.much_padded} of them with more than "
            f"{MUCH_PADDING:.0%}; edge pixels are repeated there (--maximum-padding leaves such particles out)",
            "E5",
        )


def _counts(reasons: Sequence[str]) -> str:
    """The distinct reasons, each with how often it occurs."""
    return "; ".join(f"{reason} ({reasons.count(reason)})" for reason in dict.fromkeys(reasons))


def _extract_all(
    params: ExtractParams,
    plan: Plan,
    marks: Sequence[str],
    kept: Sequence[Done | None],
    to_do: Sequence[int],
    voice: Voice,
) -> list[Done]:
    """Do all work that is left, several micrographs at once; raises the first error."""
    done = list(kept)
    voice.progress.enter("extracting", total=len(done))
    voice.progress.advance(len(done) - len(to_do))

    readers: SimpleQueue[PixelReader] = SimpleQueue()
    around = None
    if params.normalise:
        around = background(params.final_box, params.background_radius, params.ramp)

    def work_on(i: int) -> None:
        reader = readers.get()
        try:
            done[i] = extract_micrograph(params, plan.work[i], plan, marks[i], reader, around)
        finally:
            readers.put(reader)
        voice.progress.advance()

    if to_do:
        threads = _threads(params, plan, [plan.work[i] for i in to_do])
        for _ in range(threads):
            readers.put(PixelReader())
        pool = ThreadPoolExecutor(threads, thread_name_prefix="micrograph")
        try:
            _all_or_first_error([pool.submit(work_on, i) for i in to_do])
        except OSError as error:
            if error.errno in DISC_FULL:
                raise _disc_full(error.errno, plan, done) from error
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return [one for one in done if one is not None]


def _all_or_first_error(futures: Sequence[Future[None]]) -> None:
    """Wait until all are done; at the first error give up those that have not begun, and raise it."""
    wait(futures, return_when=FIRST_EXCEPTION)
    for future in futures:
        if future.done() and (error := future.exception()) is not None:
            raise error


def _disc_full(number: int, plan: Plan, done: Sequence[Done | None]) -> OSError:
    """The error of a full disc, with how far the work has come."""
    finished_ones = sum(
        len(work) for work, one in zip(plan.work, done, strict=True) if one is not None
    )
    sentence = (
        f"disc full after {finished_ones} of {plan.particles} particles; make room and start the job again: what is "
        "finished stays"
    )
    return OSError(number, sentence, str(plan.work[0].stack.parent))


def _threads(params: ExtractParams, plan: Plan, work: Sequence[Work]) -> int:
    """How many micrographs to work on at once: one for each core, as far as the memory goes."""
    cores = params.threads or len(os.sched_getaffinity(0))
    largest = max(one.path.stat().st_size for one in work)
    fitting = int(MEMORY_SHARE * psutil.virtual_memory().available / max(1, 4 * largest))
    return max(1, min(cores, len(work), fitting))


def _say_doubts(plan: Plan, done: Sequence[Done], voice: Voice) -> None:
    """Warn of images without contrast and of micrographs with pixels that are no numbers."""
    flat = [work.name for work, one in zip(plan.work, done, strict=True) if one.flat]
    if flat:
        count = sum(one.flat for one in done)
        voice.log.warning(
            f"{count} images have a constant background and were not scaled, in {_named(flat)}: "
            "is a micrograph empty or dead?",
            "E9",
        )
    bad = [work.name for work, one in zip(plan.work, done, strict=True) if one.bad_pixels]
    if bad:
        voice.log.warning(
            f"{len(bad)} micrographs hold pixels that are not finite, which were replaced by the mean: {_named(bad)}"
        )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _result(params: ExtractParams, plan: Plan, written: Sequence[Path]) -> Result:
    """What was made, for the last record."""
    folder = Path(params.output).parent
    size_A = plan.work[0].pixel_size_A
    outputs = [
        events.Output(
            path=os.path.relpath(path, folder),
            content="coordinates" if path.name.endswith("pick.star") else "particles",
            particles=len(plan.rejected) if path.name == "rejected.star" else plan.particles,
            box_size=None if path != written[0] else params.final_box,
            pixel_size_A=None if path != written[0] else size_A,
        )
        for path in written
    ]
    return Result(
        outputs=[one for one in outputs if one.path != "rejected.star"],
        message=f"{plan.particles} particles of {params.final_box} pixels were written to {particles_path(params)}",
    )
