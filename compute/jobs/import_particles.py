"""Import of particles: a STAR file of any version or cryoSPARC's particles, with stacks that are found here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compute.files.cryosparc import read_cryosparc
from compute.files.errors import InputError
from compute.files.events import Output
from compute.files.labels import star_label
from compute.files.local_names import local_name, local_or_same, mapped_path
from compute.files.micrograph_names import parse_map
from compute.files.optics import has
from compute.files.particle_checks import check_particles
from compute.files.particle_set import ParticleSet
from compute.files.particles import particle_tables, particles_of
from compute.files.relion import set_aside
from compute.files.star import write_star
from compute.files.table import Table
from compute.jobs.import_cryosparc import convert
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.importing import ImportingParams

STACKS = "stacks"
"""Folder of the links to stacks whose names RELION's programs would take for maps."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names that imported particles get: of their images, and links that must be made for them."""

    images: np.ndarray
    links: tuple[tuple[Path, Path], ...]
    renamed: int


def import_particles(params: ImportingParams, target: Path, voice: Voice) -> Result:
    """Write the particles in the present layout to `target`, with names that lead to their stacks from here.

    Raises InputError, before anything is written, for particles that cannot be refined.
    """
    voice.progress.enter("reading particles", total=1)
    optics, table, remarks = _read(params)
    source = Path(params.files)
    pairs = parse_map(params.path_map, "--path-map")
    particles = particles_of(optics, _placed(_mapped(table, pairs), source), source)
    optics = _renamed_optics(particles, params.particles_optics_group_name)
    for remark in (*remarks, *check_particles(particles, needs_ctf=False)):
        voice.log.warning(remark)
    if not particles.has_ctf:
        voice.log.warning(
            "The particles have no defocus; refine them without CTF correction.", "E29"
        )
    names = _names(particles, target)
    columns = particles.table.columns | {star_label("image_name"): names.images}
    columns |= _micrographs(particles)
    voice.progress.advance()
    if moved := set_aside(target.parent, [target]):
        voice.log.line(f" The particles of an earlier import were moved to {moved[0].parent}.")
    for link, stack in names.links:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(stack)
    write_star(target, [optics, replace(particles.table, columns=columns)])
    return _result(particles, names, target, voice)


def _result(particles: ParticleSet, names: Names, target: Path, voice: Voice) -> Result:
    groups = [particles.optics[i] for i in np.unique(particles.optics_index)]
    used = len(np.unique(particles.stack_index))
    if names.renamed:
        voice.log.line(
            f" {names.renamed} of {used} stacks lie elsewhere and are named by their place."
        )
    if names.links:
        voice.log.line(
            f" {len(names.links)} stacks got links that end in .mrcs in {target.parent / STACKS}."
        )
    for group in groups:
        count = int((particles.optics_index == particles.optics.index(group)).sum())
        voice.log.line(
            f" Optics group {group.name}: {count} particles, {group.image_size} px of "
            f"{group.pixel_size_A:.6g} Å, {group.voltage_kV:g} kV."
        )
    output = Output(
        path=target.name,
        content="particles",
        particles=len(particles),
        box_size=groups[0].image_size,
        pixel_size_A=groups[0].pixel_size_A,
    )
    return Result([output], f"{len(particles)} particles in {used} stacks were imported.")


def _read(params: ImportingParams) -> tuple[Table, Table, Sequence[str]]:
    """The tables of the file, in the present layout, and remarks on their conversion."""
    path = Path(params.files)
    if path.suffix != ".cs":
        if params.passthrough:
            raise InputError(f"{path} is no .cs file; passthrough files belong to cryoSPARC's.")
        return *particle_tables(path), ()
    others = [part.strip() for part in params.passthrough.split(",") if part.strip()]
    found = convert(read_cryosparc(path, others), params.flip_coordinates)
    return found.optics, found.particles, found.remarks


def _mapped(table: Table, pairs: Sequence[tuple[str, str]]) -> Table:
    """The table with the beginnings of its image names changed as the user says."""
    label = star_label("image_name")
    if not pairs:
        return table
    parts = [str(name).partition("@") for name in table.columns[label]]
    names = [f"{n}@{mapped_path(p, pairs)}" if at else mapped_path(n, pairs) for n, at, p in parts]
    return replace(table, columns=table.columns | {label: np.array(names, dtype=object)})


def _placed(table: Table, source: Path) -> Table:
    """The table with image names that lead from the current folder to the stacks of the file's own project."""
    label = star_label("image_name")
    texts = [str(name) for name in table.columns[label].tolist()]
    parts = [text.partition("@") if "@" in text else ("1", "@", text) for text in texts]
    places = {stack: local_or_same(stack, source) for stack in {stack for _, _, stack in parts}}
    names = [f"{number}@{places[stack]}" for number, _, stack in parts]
    return replace(table, columns=table.columns | {label: np.array(names, dtype=object)})


def _renamed_optics(particles: ParticleSet, name: str) -> Table:
    """The optics table, with another name of its only group and the detector's curve found from here."""
    table = particles.optics_table
    columns = dict(table.columns)
    if name:
        if len(table) > 1:
            raise InputError(
                f"{particles.path} has {len(table)} optics groups; only the name of a single one can be changed."
            )
        columns[star_label("optics_group_name")] = np.array([name], dtype=object)
    label = star_label("mtf_file_name")
    if label in columns:
        columns[label] = np.array(
            [local_or_same(str(one), particles.path) for one in columns[label]], dtype=object
        )
    return replace(table, columns=columns)


def _micrographs(particles: ParticleSet) -> dict[str, np.ndarray]:
    """The micrograph names that lead there from here; those of micrographs that are nowhere stay."""
    if not has(particles.table, "micrograph_name"):
        return {}
    label = star_label("micrograph_name")
    names = particles.table.columns[label]
    known = {name: local_or_same(str(name), particles.path) for name in set(names.tolist())}
    return {label: np.array([known[name] for name in names.tolist()], dtype=object)}


def _names(particles: ParticleSet, target: Path) -> Names:
    """The image names that RELION and we find from the current folder.

    A stack that does not end in .mrcs would be a map to RELION: it gets a link that does, in the job folder.
    """
    texts = [str(name) for name in particles.table.columns[star_label("image_name")]]
    given = [text.partition("@")[2] or text for text in texts]
    names: dict[int, str] = {}
    links: list[tuple[Path, Path]] = []
    taken: set[str] = set()
    renamed = 0
    for row, index in zip(*np.unique(particles.stack_index, return_index=True), strict=True):
        stack, text = particles.stacks[row], given[index]
        name = text if Path(text).exists() else local_name(stack)
        renamed += name != text
        if stack.suffix != ".mrcs":
            link = target.parent / STACKS / _free_name(f"{stack.stem}.mrcs", taken)
            links.append((link, stack.absolute()))
            name = local_name(link)
        names[int(row)] = name
    numbers = particles.slice_index + 1
    images = [
        f"{number:06d}@{names[stack]}"
        for number, stack in zip(numbers.tolist(), particles.stack_index.tolist(), strict=True)
    ]
    return Names(np.array(images, dtype=object), tuple(links), renamed)


def _free_name(name: str, taken: set[str]) -> str:
    """A file name that no other stack of this import has."""
    path, number = Path(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem}_{number}{path.suffix}"
    taken.add(name)
    return name
