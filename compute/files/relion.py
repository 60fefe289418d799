"""The names and markers that RELION's tools expect in a job folder, and what makes room for a new attempt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["success", "failure", "aborted"]
ABORT_REQUEST = "RELION_JOB_ABORT_NOW"
SUPERSEDED = "superseded"
EXCLUDED = "excluded.star"
UNSCORED = "unscored.star"
FINAL_NAMES = (
    "class001.mrc",
    "half1_class001_unfil.mrc",
    "half2_class001_unfil.mrc",
    "model.star",
    "data.star",
    "sampling.star",
    "optimiser.star",
    "envelope.mrc",
    "class001_angdist.bild",
    "fsc.star",
    "fsc.xml",
    "timing.jsonl",
    UNSCORED,
)


def marker_path(folder: Path | str, outcome: Outcome) -> Path:
    """The empty file in a job folder whose presence says how the job ended."""
    return Path(folder) / f"RELION_JOB_EXIT_{outcome.upper()}"


def write_exit_marker(folder: Path | str, outcome: Outcome) -> None:
    """Leave the marker of `outcome`, and no other, in a job folder."""
    for other in ("success", "failure", "aborted"):
        marker_path(folder, other).unlink(missing_ok=True)
    marker_path(folder, outcome).touch()


def read_exit_marker(folder: Path | str) -> Outcome | None:
    """How the job in a folder ended, or None when it left no marker."""
    outcomes: tuple[Outcome, ...] = ("failure", "aborted", "success")
    for outcome in outcomes:
        if marker_path(folder, outcome).exists():
            return outcome
    return None


def clear_markers(folder: Path | str) -> None:
    """Remove the exit markers and a request to abort, as every job does when it starts."""
    for outcome in ("success", "failure", "aborted"):
        marker_path(folder, outcome).unlink(missing_ok=True)
    (Path(folder) / ABORT_REQUEST).unlink(missing_ok=True)


def is_abort_requested(folder: Path | str) -> bool:
    """Whether somebody has asked the job in this folder to stop."""
    return (Path(folder) / ABORT_REQUEST).exists()


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The names of the files that every job has in its folder."""

    path: Path

    @property
    def job_file(self) -> Path:
        """What was asked for."""
        return self.path / "job.json"

    @property
    def run_out(self) -> Path:
        """What the job said."""
        return self.path / "run.out"

    @property
    def run_err(self) -> Path:
        """What the job warned of."""
        return self.path / "run.err"

    @property
    def progress(self) -> Path:
        """The job's events."""
        return self.path / "progress.jsonl"


@dataclass(frozen=True, slots=True)
class IterationFiles:
    """The names of all files of a refinement with the root `OUT/run`.

    With an iteration number a name is that of a numbered file, `OUT/run_it003_data.star`; with
    None it is that of the final result, `OUT/run_data.star`.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """The job folder."""
        return self.root.parent

    @property
    def job(self) -> JobFolder:
        """The files that this job has like every other."""
        return JobFolder(self.folder)

    def named(self, iteration: int | None, name: str) -> Path:
        """`<root>_itNNN_<name>`, or `<root>_<name>` without an iteration."""
        number = "" if iteration is None else f"_it{iteration:03d}"
        return self.root.with_name(f"{self.root.name}{number}_{name}")

    def half_map(self, iteration: int | None, half: int) -> Path:
        """The filtered map of one half, from which the next iteration starts."""
        return self.named(iteration, f"half{half}_class001.mrc")

    def half_map_unfiltered(self, iteration: int | None, half: int) -> Path:
        """The map of one half without filter, join or mask."""
        return self.named(iteration, f"half{half}_class001_unfil.mrc")

    def joined_map(self) -> Path:
        """The final map, of all particles."""
        return self.named(None, "class001.mrc")

    def half_model(self, iteration: int, half: int) -> Path:
        """Model parameters and curves of one half."""
        return self.named(iteration, f"half{half}_model.star")

    def final_model(self) -> Path:
        """Model parameters and curves of the joined result."""
        return self.named(None, "model.star")

    def half_angdist(self, iteration: int, half: int) -> Path:
        """Cylinders that show the views of one half."""
        return self.named(iteration, f"half{half}_class001_angdist.bild")

    def final_angdist(self) -> Path:
        """Cylinders that show the views of all particles."""
        return self.named(None, "class001_angdist.bild")

    def data(self, iteration: int | None) -> Path:
        """The particles with their poses."""
        return self.named(iteration, "data.star")

    def sampling(self, iteration: int | None) -> Path:
        """The sampling of orientations and offsets."""
        return self.named(iteration, "sampling.star")

    def optimiser(self, iteration: int | None) -> Path:
        """The settings and the state of the schedule; names the other files."""
        return self.named(iteration, "optimiser.star")

    def checkpoint(self, iteration: int) -> Path:
        """The complete state after an iteration, from which a run goes on."""
        return self.named(iteration, "checkpoint.npz")

    def envelope(self) -> Path:
        """The envelope of the molecule inside which the final FSC was taken."""
        return self.named(None, "envelope.mrc")

    def fsc_star(self) -> Path:
        """The FSC curves of the result as a table."""
        return self.named(None, "fsc.star")

    def excluded(self) -> Path:
        """The images that were left out, with the reason of each."""
        return self.named(None, EXCLUDED)

    def unscored(self, iteration: int | None) -> Path:
        """The particles that had no orientation with a finite score, with the reason of each, if there were any."""
        return self.named(iteration, UNSCORED)

    def fsc_xml(self) -> Path:
        """The FSC curve of the result as EMDB takes it."""
        return self.named(None, "fsc.xml")

    def iteration_of(self, path: Path) -> int | None:
        """The iteration in the name of a numbered file of this root, else None."""
        found = re.match(rf"{re.escape(self.root.name)}_it(\d{{3,}})_", path.name)
        return int(found[1]) if found and path.parent == self.folder else None


def supersede(root: Path | str, after_iteration: int, attempt: int = 1) -> list[Path]:
    """Move the files of iterations after `after_iteration`, and final files, out of the way.

    -1 moves everything that a run has written, as a new run of the same name needs it.
    They go to `superseded/attemptNN/` in the job folder, NN being the first number from `attempt`
    on that is not taken; nothing is overwritten. Returns the new paths; none when nothing moved.
    """
    files = IterationFiles(Path(root))
    final = {files.named(None, name) for name in FINAL_NAMES}
    if after_iteration < 0:
        final.add(files.excluded())
    later = []
    for path in sorted(files.folder.glob("*")):
        iteration = files.iteration_of(path)
        if path in final or (iteration is not None and iteration > after_iteration):
            later.append(path)
    return set_aside(files.folder, later, attempt)


def set_aside(folder: Path, paths: Sequence[Path], attempt: int = 1) -> list[Path]:
    """Move those of the files that exist to `superseded/attemptNN/` in the job folder, and name them there.

    NN is the first number from `attempt` on that is not taken, so that nothing is overwritten. A file keeps its place
    below the folder.
    """
    present = [path for path in dict.fromkeys(paths) if path.exists()]
    if not present:
        return []
    target = _new_folder(folder / SUPERSEDED, attempt)
    moved = []
    for path in present:
        is_inside = path.is_relative_to(folder)
        place = target / (path.relative_to(folder) if is_inside else path.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        moved.append(path.rename(place))
    return moved


def _new_folder(parent: Path, attempt: int) -> Path:
    """A folder `attemptNN` that did not exist, NN being `attempt` or the next number free."""
    parent.mkdir(exist_ok=True)
    while True:
        target = parent / f"attempt{attempt:02d}"
        try:
            target.mkdir()
        except FileExistsError:
            attempt += 1
        else:
            return target
