"""What is said of a mask: sentences for the log, and figures for pages to show."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from compute.jobs.mask_region import Density, Region
from compute.params.mask import MaskParams
from compute.signal.mask_grade import MaskGrade
from compute.signal.threshold import DALTON_PER_A3, mass_kDa

HISTOGRAM_BINS = 200
"""Bins of the histogram that a page shows; enclosed volumes are given for the same densities."""


@dataclass(frozen=True, slots=True)
class Made:
    """A mask with all that is known of it."""

    values: Float32[np.ndarray, "z y x"]
    pixel_size_A: float
    region: Region
    density: Density | None
    grade: MaskGrade | None


def sentences(params: MaskParams, made: Made) -> list[str]:
    """What a user should read of how the region was found."""
    told = []
    region, density, pixel_size_A = made.region, made.density, made.pixel_size_A
    if density is not None:
        levels = density.levels
        told.append(
            f"{params.map}: solvent {levels.solvent:.4g} with noise {levels.noise:.3g}, molecule "
            f"{levels.molecule:.4g}; a threshold of {levels.threshold:.4g} is suggested."
        )
    if params.shape == "map" and region.threshold is not None:
        inside_A3 = float(region.is_inside.sum()) * pixel_size_A**3
        told.append(
            f"Threshold {region.threshold:.4g}, {region.reason}: {inside_A3:.0f} Å³ inside, which "
            f"{_kDa(inside_A3)} kDa of protein fill at {DALTON_PER_A3} Da/Å³."
        )
    if region.dust is not None and region.dust.removed_pieces:
        volume_A3 = region.dust.removed_voxels * pixel_size_A**3
        told.append(
            f"{region.dust.removed_pieces} of {region.dust.pieces} pieces were taken away as dust ({volume_A3:.0f} Å³)."
        )
    if region.holes is not None and region.holes.removed_pieces:
        volume_A3 = region.holes.removed_voxels * pixel_size_A**3
        told.append(f"{region.holes.removed_pieces} cavities were filled ({volume_A3:.0f} Å³).")
    return told


def summary(made: Made) -> str:
    """What the mask encloses (where it is above 0.5), and how it is graded, in one sentence or two."""
    inside_A3 = float((made.values > 0.5).sum()) * made.pixel_size_A**3
    share = inside_A3 / (len(made.values) * made.pixel_size_A) ** 3
    graded = f" Grade: {made.grade.grade}." if made.grade else ""
    return (
        f"The mask encloses {inside_A3:.0f} Å³, {share:.1%} of the box, which {_kDa(inside_A3)} kDa of protein "
        f"would fill.{graded}"
    )


def report_text(params: MaskParams, made: Made) -> str:
    """The figures as JSON: threshold, levels, histogram with enclosed volumes, volume, mass, grade."""
    values, pixel_size_A = made.values, made.pixel_size_A
    inside_A3 = float((values > 0.5).sum()) * pixel_size_A**3
    region_A3 = float(made.region.is_inside.sum()) * pixel_size_A**3
    figures: dict[str, Any] = {
        "map": params.map or None,
        "shape": params.shape,
        "box_px": len(values),
        "pixel_size_A": pixel_size_A,
        "threshold": made.region.threshold,
        "threshold_reason": made.region.reason,
        "region_volume_A3": region_A3,
        "region_mass_kDa": mass_kDa(region_A3),
        "volume_A3": inside_A3,
        "mass_kDa": mass_kDa(inside_A3),
        "dalton_per_A3": DALTON_PER_A3,
        "box_fraction": inside_A3 / (len(values) * pixel_size_A) ** 3,
        "sum": float(values.sum(dtype=np.float64)),
        "soft_edge_A": params.soft_edge_px * pixel_size_A,
        "dust_pieces": made.region.dust.removed_pieces if made.region.dust else 0,
        "holes_filled": made.region.holes.removed_pieces if made.region.holes else 0,
        "grade": asdict(made.grade) if made.grade else None,
        "levels": None,
        "histogram": None,
    }
    if made.density is not None:
        figures["levels"] = asdict(made.density.levels)
        figures["histogram"] = histogram(made.density.values, pixel_size_A)
    return json.dumps(figures, indent=1, ensure_ascii=False) + "\n"


def _kDa(inside_A3: float) -> str:
    """The mass of protein that fills a volume, as it is said."""
    mass = mass_kDa(inside_A3)
    return f"{mass:.0f}" if mass >= 10 else f"{mass:.2g}"


def histogram(values: Float32[np.ndarray, "z y x"], pixel_size_A: float) -> dict[str, list]:
    """The densities of a map: edges of bins, voxels in each, and the volume (Å³) at and above each lower edge."""
    counts, edges = np.histogram(values, bins=HISTOGRAM_BINS)
    above = counts[::-1].cumsum()[::-1] * pixel_size_A**3
    return {
        "edges": [float(edge) for edge in edges],
        "counts": counts.tolist(),
        "volume_above_A3": above.tolist(),
    }
