"""Which iterations of a refinement can be continued."""

import re
from pathlib import Path

from compute.files.checkpoint import load_state
from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.model_star import read_model
from compute.files.relion import IterationFiles


def find_continuation(path: Path | str) -> tuple[Path, int]:
    """Root and iteration of the `<root>_itNNN_optimiser.star` to go on from.

    Raises InputError, with the iterations in that folder that can be continued and their
    resolutions, when the name is not of that kind (the converged file has no number), or the file
    or an intact checkpoint beside it is missing.
    """
    path = Path(path)
    found = re.fullmatch(r"(.+)_it(\d{3,})_optimiser\.star", path.name)
    if found is None:
        problem = f"{path} is not the optimiser file of an iteration (*_itNNN_optimiser.star)"
    elif not path.is_file():
        problem = f"{path} does not exist"
    else:
        root, iteration = path.with_name(found[1]), int(found[2])
        try:
            load_state(IterationFiles(root).checkpoint(iteration))
        except InputError as error:
            problem = str(error)
        else:
            return root, iteration
    raise InputError(f"cannot continue: {problem}. {_continuable_sentence(path.parent)}")


def last_complete(root: Path) -> int | None:
    """The last iteration of a refinement from which it can go on; None where there is none."""
    files = IterationFiles(root)
    for number in sorted(_checkpoints(root), reverse=True):
        if not files.optimiser(number).is_file():
            continue
        try:
            load_state(files.checkpoint(number))
        except InputError:
            continue
        return number
    return None


def _checkpoints(root: Path) -> list[int]:
    """The iterations that have left a checkpoint, whole or not."""
    pattern = re.compile(rf"{re.escape(root.name)}_it(\d{{3,}})_checkpoint\.npz")
    found = [pattern.fullmatch(path.name) for path in root.parent.glob("*_checkpoint.npz")]
    return sorted(int(one[1]) for one in found if one)


def _continuable_sentence(folder: Path) -> str:
    """One sentence: the iterations in `folder` that have an intact checkpoint."""
    names = []
    for path in sorted(folder.glob("*_it[0-9][0-9][0-9]*_optimiser.star")):
        stem, _, number = path.name.removesuffix("_optimiser.star").rpartition("_it")
        if not number.isdigit():
            continue
        files = IterationFiles(path.with_name(stem))
        try:
            load_state(files.checkpoint(int(number)))
        except InputError:
            continue
        names.append(path.name + _resolution_text(files.half_model(int(number), 1)))
    if not names:
        return f"No iteration in {folder} can be continued"
    return f"In {folder} these can be continued: {', '.join(names)}"


def _resolution_text(model: Path) -> str:
    """The working resolution in a half-set's model file, for people; empty without the file."""
    if not model.is_file():
        return ""
    resolution_A = float(read_model(model)["model_general"][star_label("current_resolution_A")])
    return f" ({resolution_A:.2f} Å, half-set FSC 0.5)"
