"""The two tables of a particle STAR file, whatever layout it has; without pandas, which large tables alone need."""

from dataclasses import replace
from pathlib import Path

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.legacy import convert_legacy
from compute.files.star import STAR_VERSION, read_star
from compute.files.table import Table


def particle_tables(path: Path, needs_images: bool = True) -> tuple[Table, Table]:
    """The optics and the particle table of a STAR file, in the present layout.

    Raises InputError for a file without particles, without optics that can be told, and where
    `needs_images`, without the names of their images.
    """
    tables = read_star(path)
    image = star_label("image_name")
    table = tables.get("particles")
    if table is None:
        table = next((one for one in tables.values() if image in one.columns), None)
    others = [name for name in tables if name != "optics"]
    if table is None and others:
        raise InputError(
            f"{path} has no data_particles block with {image}; it holds "
            f"{', '.join(f'data_{name}' for name in others)}. Pick a particle file."
        )
    if table is None or len(table) == 0:
        raise InputError(f"{path} contains no particles. Pick another file.")
    if needs_images and image not in table.columns:
        raise InputError(f"{path}: data_{table.name} has no {image}, which says where images are.")
    if "optics" in tables:
        return tables["optics"], replace(table, name="particles")
    if table.version is not None and table.version >= STAR_VERSION:
        raise InputError(
            f"{path} has no data_optics block, which files of version {table.version} need."
        )
    return convert_legacy(table, str(path))
