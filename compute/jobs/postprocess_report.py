"""What a post-processing has found, as the record of its STAR file and as the summary for pages and reports."""

from typing import Any

from compute.files.fsc_files import FscCurves
from compute.files.postprocess_files import PostprocessRecord
from compute.jobs.half_fsc import THRESHOLD, HalfFsc
from compute.jobs.half_pair import HalfPair
from compute.jobs.sharpen import Sharpened
from compute.params.postprocess import PostprocessParams
from compute.signal.fsc import (
    DENSITY_DA_PER_A3,
    molecular_weight_factor,
    partial_volume_fsc,
    resolution_A,
)


def kind(found: HalfFsc) -> str:
    """Which curve a resolution is from."""
    return "half-maps, masked and corrected" if found.is_inside_mask else "unmasked half-maps"


def summary(
    pair: HalfPair, found: HalfFsc, params: PostprocessParams, sharpened: Sharpened, no_fit: str
) -> dict[str, Any]:
    """What pages and reports say about the result, as JSON."""
    curves = {
        "final": found.final,
        "unmasked": found.unmasked,
        "masked": found.masked,
        "particle_volume": found.partial_volume,
    }
    fit = sharpened.fit
    return {
        "resolution_A": found.resolution_A(),
        "criterion": f"FSC {THRESHOLD}, {kind(found)}",
        "is_at_nyquist": found.is_at_nyquist,
        "nyquist_A": found.extent_A / (len(found.final) - 1),
        "pixel_size_A": pair.pixel_size_A,
        "box": pair.box,
        "resolutions_A": {
            name: {str(level): resolution_A(curve, level, found.extent_A) for level in (0.5, 0.143)}
            for name, curve in curves.items()
            if curve is not None
        },
        "randomised_from_A": _randomised_from_A(found),
        "mask": _mask_summary(pair, found, params),
        "b_factor_A2": sharpened.b_factor_A2,
        "b_factor_whole_box_A2": sharpened.whole_box and sharpened.whole_box.b_factor_A2,
        "fit": None
        if fit is None
        else {
            "region": sharpened.region,
            "slope_A2": fit.slope_A2,
            "intercept": fit.intercept,
            "squared_correlation": fit.correlation,
            "points": fit.points,
            "lowest_resolution_A": params.fit_lowest_resolution_A,
            "highest_resolution_A": sharpened.fit_end_A,
        },
        "remarks": [*pair.warnings, *found.remarks, *([no_fit] if no_fit else [])],
    }


def _mask_summary(
    pair: HalfPair, found: HalfFsc, params: PostprocessParams
) -> dict[str, Any] | None:
    if pair.mask is None:
        return None
    share = float((pair.mask > 0.5).double().mean())
    volume_A3 = share * found.extent_A**3
    return {
        "file": params.mask,
        "grade": found.grade.grade,
        "sentence": found.grade.sentence,
        "share_of_box": share,
        "volume_A3": volume_A3,
        "mass_kDa": volume_A3 * DENSITY_DA_PER_A3 / 1000.0,
    }


def record(
    pair: HalfPair, found: HalfFsc, params: PostprocessParams, sharpened: Sharpened, root: str
) -> PostprocessRecord:
    """The result in the words of its STAR file."""
    weight_kDa = params.molecular_weight_kDa or None
    weight_factor = weight_kDa and molecular_weight_factor(pair.box, pair.pixel_size_A, weight_kDa)
    fit = sharpened.fit
    optional = (found.masked, found.randomised, found.partial_volume)
    masked, randomised, partial = (None if one is None else one.numpy() for one in optional)
    return PostprocessRecord(
        resolution_A=found.extent_A / found.shell,
        b_factor_A2=sharpened.b_factor_A2,
        half_maps=pair.names,
        map_file=f"{root}.mrc",
        masked_map_file=None if pair.mask is None else f"{root}_masked.mrc",
        mask_file=params.mask or None,
        mask_factor=found.mask_factor,
        molecular_weight_kDa=weight_kDa,
        molecular_weight_factor=weight_factor,
        randomised_from_A=_randomised_from_A(found),
        fit=None if fit is None else (fit.slope_A2, fit.intercept, fit.correlation),
        fitted_region=None if fit is None else sharpened.region,
        b_factor_whole_box_A2=sharpened.whole_box.b_factor_A2 if sharpened.whole_box else None,
        curves=FscCurves(
            extent_A=found.extent_A,
            unmasked=found.unmasked.numpy(),
            masked=masked,
            randomised=randomised,
            corrected=None if masked is None else found.final.numpy(),
            partial_volume=partial,
        ),
        molecular_weight_curve=(
            None
            if weight_factor is None
            else partial_volume_fsc(found.unmasked, weight_factor).numpy()
        ),
        guinier=sharpened.guinier,
    )


def _randomised_from_A(found: HalfFsc) -> float | None:
    shell = found.randomised_from_shell
    return None if shell is None else found.extent_A / shell
