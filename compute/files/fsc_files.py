"""The FSC curves of a result: as a STAR table and as the XML file that EMDB takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from compute.files.atomic import write_whole
from compute.files.model_star import shell_columns
from compute.files.own_tables import UNKNOWN, Value, list_table, loop_table
from compute.files.star import write_tables
from compute.files.table import Table


@dataclass(frozen=True, slots=True)
class FscCurves:
    """FSC curves of two half-maps, one value per shell of a box whose edge is `extent_A`.

    Without a mask only `unmasked` is given: then it stands for the other curves too (the mask is
    1 everywhere, and nothing is randomised). `partial_volume` is the unmasked curve scaled to the
    mask's share of the box; `corrected` is the masked one freed of what the mask alone causes.
    """

    extent_A: float
    unmasked: Float64[np.ndarray, "shell"]
    masked: Float64[np.ndarray, "shell"] | None = None
    randomised: Float64[np.ndarray, "shell"] | None = None
    corrected: Float64[np.ndarray, "shell"] | None = None
    partial_volume: Float64[np.ndarray, "shell"] | None = None

    @property
    def best(self) -> Float64[np.ndarray, "shell"]:
        """The corrected curve, or without a mask the unmasked one."""
        return self.unmasked if self.corrected is None else self.corrected


def fsc_table(curves: FscCurves) -> Table:
    """The block `fsc`, one row per shell. Shell 0 stands at 999 Å, 1/999 per Å."""
    columns = shell_columns(np.arange(len(curves.unmasked)), curves.extent_A)
    columns["resolution_per_A"][:1] = 1.0 / UNKNOWN
    optional = {
        "fourier_shell_correlation_particle_mask_fraction": curves.partial_volume,
        "fourier_shell_correlation_unmasked_maps": curves.unmasked,
        "fourier_shell_correlation_masked_maps": curves.masked,
    }
    columns["fourier_shell_correlation_corrected"] = curves.best
    columns |= {
        name: curves.unmasked if curve is None else curve for name, curve in optional.items()
    }
    columns["corrected_fourier_shell_correlation_phase_randomized_masked_maps"] = (
        np.zeros(len(curves.unmasked)) if curves.randomised is None else curves.randomised
    )
    return loop_table("fsc", columns)


def write_fsc_star(
    path: Path | str, curves: FscCurves, resolution_A: float, half_maps: Sequence[str]
) -> None:
    """Write the blocks `general` and `fsc` of a post-processing file: the resolution, of which maps, and curves."""
    first, second = half_maps
    general: dict[str, Value] = {
        "final_resolution_A": resolution_A,
        "unfiltered_map_half1": first,
        "unfiltered_map_half2": second,
    }
    write_tables(path, [list_table("general", general), fsc_table(curves)])


def write_fsc_xml(path: Path | str, curves: FscCurves) -> None:
    """Write the best curve as EMDB's XML, frequencies in 1/Å, six significant digits.

    Raises ValueError for a value that is not finite.
    """
    values = curves.best
    if not np.all(np.isfinite(values)):
        raise ValueError(f"the FSC is {values[~np.isfinite(values)][0]} in some shell")
    kind = "unmasked" if curves.corrected is None else "masked-corrected"
    rows = "".join(
        f"  <coordinate>\n    <x>{x:.6g}</x>\n    <y>{y:.6g}</y>\n  </coordinate>\n"
        for x, y in zip(_frequencies_per_A(curves), values, strict=True)
    )
    head = (
        f'<fsc title="Halfmap {kind} FSC" xaxis="Resolution (A-1)" '
        'yaxis="Correlation Coefficient">\n'
    )
    write_whole(path, f"{head}{rows}</fsc>\n".encode())


def write_fsc_text(path: Path | str, curves: FscCurves) -> None:
    """Write the best curve as text: frequency (1/Å) and correlation of each shell, a line each."""
    rows = zip(_frequencies_per_A(curves), curves.best, strict=True)
    write_whole(path, "".join(f"{x:.6f} {y:.6f}\n" for x, y in rows).encode())


def _frequencies_per_A(curves: FscCurves) -> Float64[np.ndarray, "shell"]:
    """The frequency of each shell; that of shell 0 is 1/999."""
    frequency = np.arange(len(curves.best)) / curves.extent_A
    frequency[:1] = 1.0 / UNKNOWN
    return frequency
