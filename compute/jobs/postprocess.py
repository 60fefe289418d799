"""Post-processing: two half-maps become a sharpened map, its FSC curves and its B-factor."""

import json
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files import events
from compute.files.atomic import write_whole
from compute.files.errors import InputError
from compute.files.fsc_files import write_fsc_text, write_fsc_xml
from compute.files.mrc import write_map
from compute.files.postprocess_files import read_mtf, write_postprocess
from compute.jobs import postprocess_report as report
from compute.jobs.half_fsc import THRESHOLD, HalfFsc, measure
from compute.jobs.half_pair import HalfPair, read_half_pair
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.sharpen import Mtf, Sharpened, sharpen, sharpened_alike
from compute.jobs.voice import Voice
from compute.params.postprocess import PostprocessParams

ENDINGS = (".mrc", "_masked.mrc", "_fsc.xml", "_fsc.dat", "_summary.json", ".star")
HALVES = ("_half1.mrc", "_half1_masked.mrc", "_half2.mrc", "_half2_masked.mrc")


def run(params: PostprocessParams, voice: Voice) -> Result:
    """Post-process two half-maps; all files begin with `params.output`."""
    voice.progress.enter("reading", total=1)
    mtf = read_mtf(params.mtf) if params.mtf else None
    pair = read_half_pair(params)
    files = [_named(params, ending) for ending in (*ENDINGS, *HALVES)]
    maps = 6 if params.half_maps else 2
    make_room(files, maps * 4 * pair.box**3 + (1 << 20), voice)
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
    summary = report.summary(pair, found, params, sharpened, no_fit)
    outputs = _write(pair, found, params, sharpened, summary)
    if params.half_maps:
        outputs += _write_halves(pair, found, params, sharpened, mtf)
    return Result(
        outputs,
        _message(found, sharpened),
        found.resolution_A(),
        f"FSC {THRESHOLD}, {report.kind(found)}",
    )


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


def _message(found: HalfFsc, sharpened: Sharpened) -> str:
    limit = ", at Nyquist (limited by the pixel size)" if found.is_at_nyquist else ""
    return (
        f"Final resolution {found.resolution_A():.2f} Å (FSC {THRESHOLD}, {report.kind(found)}){limit}; "
        f"B-factor {sharpened.b_factor_A2:.0f} Å²{_region(sharpened)}."
    )


def _region(sharpened: Sharpened) -> str:
    """Where the B-factor was fitted, with that of the other place; nothing for one of the user's own."""
    if sharpened.fit is None:
        return ""
    if sharpened.whole_box is None or sharpened.fit is sharpened.whole_box:
        return ", fitted to the whole box"
    return f", fitted inside the mask ({sharpened.whole_box.b_factor_A2:.0f} Å² for the whole box)"


def _write(
    pair: HalfPair,
    found: HalfFsc,
    params: PostprocessParams,
    sharpened: Sharpened,
    summary: dict[str, Any],
) -> list[events.Output]:
    """Write all files of the result; returns them."""

    def named(ending: str) -> Path:
        return _named(params, ending)

    outputs = _write_maps(pair, params, sharpened.volume, "")
    record = report.record(pair, found, params, sharpened, named("").as_posix())
    comments = [f"Halfmap postprocess; version {version('halfmap')}", shlex.join(sys.argv)]
    write_fsc_xml(named("_fsc.xml"), record.curves)
    outputs.append(events.Output(path=named("_fsc.xml").name, content="FSC"))
    write_fsc_text(named("_fsc.dat"), record.curves)
    outputs.append(events.Output(path=named("_fsc.dat").name, content="FSC"))
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    write_whole(named("_summary.json"), text.encode())
    outputs.append(events.Output(path=named("_summary.json").name, content="report"))
    write_postprocess(named(".star"), record, comments)
    outputs.append(events.Output(path=named(".star").name, content="post-processing"))
    return outputs


def _write_maps(
    pair: HalfPair, params: PostprocessParams, volume: Float32[Tensor, "z y x"], which: str
) -> list[events.Output]:
    """Write a map, and what of it is inside the mask where there is one; returns both."""
    volumes = {f"{which}.mrc": volume}
    if pair.mask is not None:
        volumes[f"{which}_masked.mrc"] = volume * pair.mask
    outputs = []
    for ending, one in volumes.items():
        path = _named(params, ending)
        write_map(path, one.numpy(), pair.pixel_size_A)
        size: dict[str, Any] = {"box_size": pair.box, "pixel_size_A": pair.pixel_size_A}
        outputs.append(events.Output(path=path.name, content="map", **size))
    return outputs


def _write_halves(
    pair: HalfPair,
    found: HalfFsc,
    params: PostprocessParams,
    sharpened: Sharpened,
    mtf: Mtf | None,
) -> list[events.Output]:
    """Write both half-maps, sharpened and filtered as their average; returns them."""
    outputs = []
    for number, half in ((1, pair.first), (2, pair.second)):
        transform = torch.fft.rfftn(half, norm="forward")
        volume = sharpened_alike(transform, found, params, sharpened.b_factor_A2, mtf)
        outputs += _write_maps(pair, params, volume, f"_half{number}")
    return outputs


def _named(params: PostprocessParams, ending: str) -> Path:
    root = Path(params.output)
    return root.with_name(root.name + ending)
