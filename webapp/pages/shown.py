"""What the tabs of a job's page are handed: the job, its records, the chosen iteration, and where files are."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from compute.files.events import Iteration
from webapp.components.fsc_plot import Limits
from webapp.components.headline import nyquist_A
from webapp.records import JobRecords
from webapp.views import JobView


@dataclass(frozen=True, slots=True)
class Shown:
    """One moment of a job's page."""

    view: JobView
    records: JobRecords
    row: Iteration | None

    @property
    def earlier(self) -> tuple[Iteration, ...]:
        """The iterations before the chosen one."""
        row = self.row
        return tuple(
            one for one in self.records.iterations if row and one.iteration < row.iteration
        )

    @property
    def limits(self) -> Limits:
        """What bounds the curves."""
        start, row = self.records.start, self.row
        nyquist = nyquist_A(self.records) or 1.0
        extent = row.extent_A if row is not None and row.extent_A else None
        if extent is None and start is not None and start.box_size and start.pixel_size_A:
            extent = start.box_size * start.pixel_size_A
        return Limits(
            extent_A=extent or 1.0,
            nyquist_A=nyquist,
            lowpass_A=start.initial_lowpass_A if start else None,
            join_A=start.join_halves_A if start else None,
        )

    @property
    def label(self) -> str:
        """The iteration as a subtitle names it."""
        if self.row is None:
            return "no iteration yet"
        final = ", final" if self.row.is_final else ""
        return f"iteration {self.row.iteration}{final}"

    def file_name(self, what: str) -> str:
        """What a saved picture or table is called."""
        it = f"_it{self.row.iteration:03d}" if self.row else ""
        return f"{self.view.project.name}_job{self.view.job.number:03d}{it}_{what}".replace(
            " ", "_"
        )

    def half_maps(self) -> tuple[Path, Path] | None:
        """The half-maps of the chosen iteration, if it has any."""
        row = self.row
        if row is None:
            return None
        root = self.view.root
        if row.is_final:
            names = [f"{root.name}_half{half}_class001_unfil.mrc" for half in (1, 2)]
        else:
            names = [
                f"{root.name}_it{row.iteration:03d}_half{half}_class001.mrc" for half in (1, 2)
            ]
        return root.parent / names[0], root.parent / names[1]

    def final_map(self) -> Path | None:
        """The map from all particles, if the chosen iteration is the final one."""
        root = self.view.root
        path = root.parent / f"{root.name}_class001.mrc"
        return path if self.row is not None and self.row.is_final else None

    def fsc_mask(self) -> Path | None:
        """The mask inside which the chosen iteration's resolution was measured; envelopes are kept of the last one."""
        row, view = self.row, self.view
        if row is None or row.fsc_mask == "none":
            return None
        if row.fsc_mask == "envelope":
            path = view.root.parent / f"{view.root.name}_envelope.mrc"
            return path if row.is_final else None
        given = str(view.job.parameters.get("solvent_mask") or "")
        return Path(view.project.folder) / given if given else None

    def data_files(self) -> tuple[Path, Path] | None:
        """The particle file and a model file of the chosen iteration."""
        row, root = self.row, self.view.root
        if row is None:
            return None
        if row.is_final:
            return root.parent / f"{root.name}_data.star", root.parent / f"{root.name}_model.star"
        stem = f"{root.name}_it{row.iteration:03d}"
        return root.parent / f"{stem}_data.star", root.parent / f"{stem}_half1_model.star"

    def map_url(self, path: Path) -> str:
        """Where the browser gets a map of this job."""
        return f"api/map?job={self.view.job.id}&file={quote(self.relative(path))}"

    def file_url(self, path: Path) -> str:
        """Where the browser gets a file of this job."""
        return f"api/file?job={self.view.job.id}&file={quote(self.relative(path))}"

    def relative(self, path: Path) -> str:
        """A path relative to the job's folder."""
        return str(path.relative_to(self.view.folder)) if path.is_absolute() else str(path)
