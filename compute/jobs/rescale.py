"""Maps brought to another pixel size and box, exactly."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files import events
from compute.files.errors import InputError
from compute.files.mrc import Layout, read_layout, write_map
from compute.files.optics import OpticsGroup
from compute.files.particles import read_particles
from compute.jobs.map_input import is_mask, read_cube, stated_pixel_A
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.rescale import RescaleParams
from compute.signal.fourier import highpass, lowpass
from compute.signal.resize import covering_box, resize_map

BYTES_PER_VOXEL = 4
HEADER_BYTES = 1024
PIXEL_FLAG = "--angpix"


@dataclass(frozen=True, slots=True)
class Grid:
    """The box and the pixel size of a map."""

    box: int
    pixel_size_A: float

    def __str__(self) -> str:
        return f"{self.box} px of {self.pixel_size_A:.7g} Å"


@dataclass(frozen=True, slots=True)
class Task:
    """One map: where it is and will be, the grid that it is on and the one that it gets."""

    source: Path
    target: Path
    old: Grid
    new: Grid


def run(params: RescaleParams, voice: Voice) -> Result:
    """Rescale every map; raises InputError before anything is written."""
    remarks: list[str] = []
    tasks = plan(params, remarks)
    for remark in remarks:
        voice.log.warning(remark, "E19")
    size = sum(HEADER_BYTES + BYTES_PER_VOXEL * task.new.box**3 for task in tasks)
    make_room([task.target for task in tasks], size, voice)
    voice.progress.enter("rescaling", total=len(tasks))
    outputs = []
    for task in tasks:
        outputs.append(_rescale(task, params, voice))
        voice.progress.advance()
    first = tasks[0]
    count = f"{len(tasks)} maps were" if len(tasks) > 1 else "The map was"
    return Result(outputs, f"{count} brought from {first.old} to {first.new}.")


def plan(params: RescaleParams, remarks: list[str]) -> list[Task]:
    """What is to be done with every map, from the headers alone; remarks get what is odd about them.

    Raises InputError with one sentence for whatever cannot be used.
    """
    sources = map_paths(params.maps)
    layouts = [_cubic(path) for path in sources]
    goal = particle_grid(Path(params.match_particles)) if params.match_particles else None
    tasks = []
    for source, target, layout in zip(sources, _targets(params, sources), layouts, strict=True):
        pixel_A = stated_pixel_A(
            source, layout.pixel_size_A, params.pixel_size_A, PIXEL_FLAG, remarks
        )
        old = Grid(layout.shape[0], pixel_A)
        tasks.append(Task(source, target, old, goal or _new_grid(params, old)))
        _check_filters(params, old, source)
    return tasks


def map_paths(text: str) -> list[Path]:
    """The maps that a text with commas names; a name that holds a comma counts where it exists."""
    if Path(text).exists():
        return [Path(text)]
    paths = [Path(part.strip()) for part in text.split(",") if part.strip()]
    doubled = [path for path, count in Counter(paths).items() if count > 1]
    if doubled:
        raise InputError(f"{doubled[0]} is named twice; once is enough")
    return paths


def particle_grid(path: Path) -> Grid:
    """Box and pixel size of a particle set; InputError where its optics groups in use differ."""
    particles = read_particles(path)
    used = sorted(set(particles.optics_index.tolist()))
    grids = {particles.optics[i].name: _group_grid(particles.optics[i], path) for i in used}
    if len(set(grids.values())) > 1:
        listed = ", ".join(f"'{name}' has {grid}" for name, grid in grids.items())
        raise InputError(
            f"the optics groups of {path} differ ({listed}): give pixel size and box as numbers"
        )
    return next(iter(grids.values()))


def _group_grid(group: OpticsGroup, path: Path) -> Grid:
    if not group.image_size:
        raise InputError(
            f"{path} does not say how large the images of optics group '{group.name}' are, and they cannot be found: "
            "give pixel size and box as numbers"
        )
    return Grid(group.image_size, group.pixel_size_A)


def _cubic(path: Path) -> Layout:
    """The layout of a map; InputError unless it is a cube."""
    layout = read_layout(path)
    if path.suffix == ".mrcs" or layout.shape[0] == 1:
        raise InputError(f"{path} holds images, not a map; pick a 3D map (.mrc).")
    if len(set(layout.shape)) != 1:
        raise InputError(f"{path} has shape {layout.shape} (z, y, x); a map must be cubic")
    return layout


def _targets(params: RescaleParams, sources: list[Path]) -> list[Path]:
    """The new name of every map; InputError where one of them is that of a map to read."""
    root = Path(params.output)
    names = [path.stem for path in sources]
    if len(set(names)) < len(names):
        names = [f"{number}_{name}" for number, name in enumerate(names, start=1)]
    targets = [root.with_name(f"{root.name}_{name}.mrc") for name in names]
    if len(sources) == 1:
        targets = [root.with_name(f"{root.name}.mrc")]
    for target in targets:
        for source in sources:
            if target.resolve() == source.resolve():
                raise InputError(
                    f"{source} would be overwritten by its own result: choose another output"
                )
    return targets


def _new_grid(params: RescaleParams, old: Grid) -> Grid:
    """The grid that the numbers ask for: the whole map where no box is given."""
    pixel_A = params.new_pixel_size_A or old.pixel_size_A
    is_same = pixel_A == old.pixel_size_A
    box = old.box if is_same else covering_box(old.box, old.pixel_size_A, pixel_A)
    return Grid(params.new_box_px or box, pixel_A)


def _check_filters(params: RescaleParams, old: Grid, path: Path) -> None:
    """Raises InputError for a filter that the map's grid cannot have."""
    for name, limit_A in (("low-pass", params.lowpass_A), ("high-pass", params.highpass_A)):
        if 0 < limit_A < 2 * old.pixel_size_A:
            raise InputError(
                f"a {name} of {limit_A:g} Å is finer than two pixels of {path}, {2 * old.pixel_size_A:.4g} Å"
            )
        if limit_A > old.box * old.pixel_size_A:
            raise InputError(
                f"a {name} of {limit_A:g} Å is coarser than {path} is wide, {old.box * old.pixel_size_A:.4g} Å"
            )


def _rescale(task: Task, params: RescaleParams, voice: Voice) -> events.Output:
    """Read, change and write one map."""
    volume, _ = read_cube(task.source)
    was_mask = is_mask(volume)
    volume = changed(volume, task.old.pixel_size_A, params)
    if task.new != task.old:
        volume = resize_map(volume, task.old.pixel_size_A, task.new.pixel_size_A, task.new.box)
    if was_mask and not params.changes_values:
        volume = volume.clamp(0.0, 1.0)
        voice.log.line(f" {task.source} looks like a mask: its values were kept between 0 and 1.")
    header_A = params.header_pixel_size_A or task.new.pixel_size_A
    write_map(task.target, volume.numpy(), header_A)
    voice.log.line(
        f" {task.source}: {task.old} -> {task.target}: {task.new} "
        f"(values {float(volume.min()):.4g} to {float(volume.max()):.4g}, deviation {float(volume.std()):.4g}); "
        f"it can hold detail to {2 * max(task.old.pixel_size_A, task.new.pixel_size_A):.3f} Å."
    )
    is_half = any(half in task.source.name for half in ("half1", "half2"))
    return events.Output(
        path=task.target.name,
        content="mask" if was_mask else "half map" if is_half else "map",
        box_size=task.new.box,
        pixel_size_A=header_A,
    )


def changed(
    volume: Float32[Tensor, "z y x"], pixel_size_A: float, params: RescaleParams
) -> Float32[Tensor, "z y x"]:
    """The map with hand, contrast and filters as asked for, on the grid that it is on."""
    if params.invert_hand:
        # About the voxel n//2: index i becomes 2 (n//2) - i.
        volume = torch.roll(volume.flip(2), 1 - volume.shape[2] % 2, dims=2)
    if params.invert_contrast:
        volume = -volume
    if params.lowpass_A:
        volume = lowpass(volume, pixel_size_A, params.lowpass_A, params.filter_edge_shells)
    if params.highpass_A:
        volume = highpass(volume, pixel_size_A, params.highpass_A, params.filter_edge_shells)
    return volume.contiguous()
