"""Post-processing: two half-maps become a sharpened map, its FSC curves and its B-factor."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float32, Float64
from torch import Tensor

from compute.files import events
from compute.files.atomic import write_whole
from compute.files.errors import InputError
from compute.files.fsc_files import FscCurves, write_fsc_xml
from compute.files.mrc import write_map
from compute.files.postprocess_files import (
    GuinierTable,
    PostprocessRecord,
    read_mtf,
    write_postprocess,
)
from compute.jobs.half_fsc import THRESHOLD, HalfFsc, measure
from compute.jobs.half_pair import HalfPair, read_half_pair
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.postprocess import PostprocessParams
from compute.signal.fourier import lowpass_weight
from compute.signal.fsc import (
    DENSITY_DA_PER_A3,
    molecular_weight_factor,
    partial_volume_fsc,
    resolution_A,
)
from compute.signal.sharpening import (
    GuinierFit,
    apply_b_factor,
    divide_by_mtf,
    fsc_filter,
    guinier_fit,
    log_amplitudes,
    weight_shells,
)

ENDINGS = (".mrc", "_masked.mrc", "_fsc.xml", "_summary.json", ".star")
Mtf = tuple[Float64[np.ndarray, "row"], Float64[np.ndarray, "row"]]


@dataclass(frozen=True, slots=True)
class Sharpened:
    """The map, the B-factor that was applied, the line it came from and the amplitudes of all steps.

    `inside` is the line for the map inside the mask down to the resolution, if there is a mask.
    """

    volume: Float32[Tensor, "z y x"]
    b_factor_A2: float
    fit: GuinierFit | None
    inside: GuinierFit | None
    guinier: GuinierTable


def run(params: PostprocessParams, voice: Voice) -> Result:
    """Post-process two half-maps; all files begin with `params.output`."""
    voice.progress.enter("reading", total=1)
    mtf = read_mtf(params.mtf) if params.mtf else None
    pair = read_half_pair(params)
    files = [_named(params, ending) for ending in ENDINGS]
    make_room(files, 2 * 4 * pair.box**3 + (1 << 20), voice)
    for text in pair.warnings:
        voice.log.warning(text)
    voice.progress.enter("Fourier shell correlation", total=1)
    found = _measured(pair, params)
    for text in found.remarks:
        voice.log.warning(f"{text[0].upper()}{text[1:]}.")
    if found.grade.grade in {"too tight", "of no use"}:
        voice.log.warning(found.grade.sentence, code="mask")
    else:
        voice.log.line(f" {found.grade.sentence}")
    voice.progress.enter("sharpening", total=1)
    average = torch.fft.rfftn((pair.first + pair.second) / 2, norm="forward")
    sharpened = sharpen(average, found, params, mtf, pair.mask)
    no_fit = _why_no_fit(found, params, sharpened)
    if no_fit:
        voice.log.warning(no_fit, code="no B-factor")
    voice.progress.enter("writing", total=1)
    summary = _summary(pair, found, params, sharpened, no_fit)
    outputs = _write(pair, found, params, sharpened, summary)
    return Result(
        outputs,
        _message(found, sharpened),
        found.resolution_A(),
        f"FSC {THRESHOLD}, {_kind(found)}",
    )


def sharpen(
    average: Complex[Tensor, "z y xhalf"],
    found: HalfFsc,
    params: PostprocessParams,
    mtf: Mtf | None = None,
    mask: Float32[Tensor, "z y x"] | None = None,
) -> Sharpened:
    """The average of the halves after MTF, FSC weight, B-factor and low-pass filter, in this order.

    The mask serves only to fit the amplitudes inside it.
    """
    box, extent_A = average.shape[0], found.extent_A
    shells = len(found.final)
    original = log_amplitudes(average, shells)
    transform, corrected, weighted = average, None, None
    if mtf is not None:
        transform = divide_by_mtf(transform, *mtf, params.mtf_pixel_size_A, extent_A)
        corrected = log_amplitudes(transform, shells)
    if not params.skip_fsc_weighting:
        transform = weight_shells(transform, fsc_filter(found.final))
        weighted = log_amplitudes(transform, shells)
    fit = inside = None
    if params.auto_b_factor:
        fit = _fitted(transform, shells, extent_A, params, params.fit_highest_resolution_A)
        if mask is not None:
            alone = torch.fft.irfftn(transform, s=(box,) * 3, norm="forward") * mask
            end_A = params.fit_highest_resolution_A or found.resolution_A()
            masked = torch.fft.rfftn(alone, norm="forward")
            inside = _fitted(masked, shells, extent_A, params, end_A)
        fit = inside if params.fit_inside_mask else fit
    b_factor_A2 = fit.b_factor_A2 if fit is not None else params.own_b_factor_A2
    if b_factor_A2 != 0:
        transform = apply_b_factor(transform, b_factor_A2, extent_A)
    steps = (original, corrected, weighted, log_amplitudes(transform, shells))
    if params.lowpass_A > 0:
        width = params.filter_edge_width_px
        transform = transform * lowpass_weight(box, extent_A / box, params.lowpass_A, width)
    first, second, third, last = (None if one is None else one.numpy() for one in steps)
    assert first is not None and last is not None
    guinier = GuinierTable(first, second, third, last, None if fit is None else fit.intercept)
    volume = torch.fft.irfftn(transform, s=(box,) * 3, norm="forward")
    return Sharpened(volume, b_factor_A2, fit, inside, guinier)


def _fitted(
    transform: Complex[Tensor, "z y xhalf"],
    shells: int,
    extent_A: float,
    params: PostprocessParams,
    highest_resolution_A: float,
) -> GuinierFit | None:
    """The line through the shells of the fit's range that have an amplitude; 0 leaves its end open."""
    frequency = torch.arange(shells, dtype=torch.float64) / extent_A
    is_used = frequency >= 1.0 / params.fit_lowest_resolution_A
    if highest_resolution_A > 0:
        is_used &= frequency <= 1.0 / highest_resolution_A
    return guinier_fit(frequency.square(), log_amplitudes(transform, shells), is_used)


def _measured(pair: HalfPair, params: PostprocessParams) -> HalfFsc:
    """The FSC curves; InputError for half-maps that hold the same map."""
    try:
        return measure(
            pair,
            params.random_seed,
            params.randomise_at_fsc,
            params.randomise_from_A or None,
            params.force_mask,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def _why_no_fit(found: HalfFsc, params: PostprocessParams, sharpened: Sharpened) -> str:
    """Why no B-factor was found, or why it is strange; nothing where all is well."""
    if not params.auto_b_factor:
        return ""
    limit_A = params.fit_lowest_resolution_A
    if sharpened.fit is None:
        return (
            f"Resolution {found.resolution_A():.1f} Å: automatic B-factor needs data beyond "
            f"{limit_A:g} Å; map was not sharpened."
        )
    if sharpened.b_factor_A2 > 0:
        return (
            f"The fitted B-factor is positive ({sharpened.b_factor_A2:.0f} Å²) and blurs the map: was "
            "it sharpened before, or is its FSC noise in this range?"
        )
    return ""


def _kind(found: HalfFsc) -> str:
    """Which curve a resolution is from."""
    if found.masked is None or found.grade.grade == "of no use":
        return "unmasked half-maps"
    return "half-maps, masked and corrected"


def _message(found: HalfFsc, sharpened: Sharpened) -> str:
    limit = ", at Nyquist (limited by the pixel size)" if found.is_at_nyquist else ""
    return (
        f"Final resolution {found.resolution_A():.2f} Å (FSC {THRESHOLD}, {_kind(found)}){limit}; "
        f"B-factor {sharpened.b_factor_A2:.0f} Å²."
    )


def _summary(
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
        "criterion": f"FSC {THRESHOLD}, {_kind(found)}",
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
        "b_factor_inside_mask_A2": sharpened.inside and sharpened.inside.b_factor_A2,
        "fit": None
        if fit is None
        else {
            "slope_A2": fit.slope_A2,
            "intercept": fit.intercept,
            "squared_correlation": fit.correlation,
            "points": fit.points,
            "lowest_resolution_A": params.fit_lowest_resolution_A,
            "highest_resolution_A": params.fit_highest_resolution_A or None,
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


def _randomised_from_A(found: HalfFsc) -> float | None:
    shell = found.randomised_from_shell
    return None if shell is None else found.extent_A / shell


def _write(
    pair: HalfPair,
    found: HalfFsc,
    params: PostprocessParams,
    sharpened: Sharpened,
    summary: dict[str, Any],
) -> Sequence[events.Output]:
    """Write all files of the result; returns them."""
    size: dict[str, Any] = {"box_size": pair.box, "pixel_size_A": pair.pixel_size_A}
    outputs = []

    def named(ending: str) -> Path:
        return _named(params, ending)

    write_map(named(".mrc"), sharpened.volume.numpy(), pair.pixel_size_A)
    outputs.append(events.Output(path=named(".mrc").name, content="map", **size))
    if pair.mask is not None:
        write_map(named("_masked.mrc"), (sharpened.volume * pair.mask).numpy(), pair.pixel_size_A)
        outputs.append(events.Output(path=named("_masked.mrc").name, content="map", **size))
    record = _record(pair, found, params, sharpened, named("").as_posix())
    comments = [f"Halfmap postprocess; version {version('halfmap')}", shlex.join(sys.argv)]
    write_fsc_xml(named("_fsc.xml"), record.curves)
    outputs.append(events.Output(path=named("_fsc.xml").name, content="FSC"))
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    write_whole(named("_summary.json"), text.encode())
    outputs.append(events.Output(path=named("_summary.json").name, content="report"))
    write_postprocess(named(".star"), record, comments)
    outputs.append(events.Output(path=named(".star").name, content="post-processing"))
    return outputs


def _named(params: PostprocessParams, ending: str) -> Path:
    root = Path(params.output)
    return root.with_name(root.name + ending)


def _record(
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
