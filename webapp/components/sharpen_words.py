"""What is said of settings of post-processing: the figures they give, and the commands that ask for the same."""

import html
from pathlib import Path
from typing import Any

from webapp.command_line import command_line
from webapp.sharpening import Settings, Shown


def words(settings: Settings, made: Shown) -> str:
    """The figures in a line, and what the mask is worth."""
    values, guinier = made.curves.values, made.guinier.values
    kind = {
        "corrected": "half-maps, masked and corrected",
        "masked": "half-maps, masked",
        "unmasked": "unmasked half-maps",
    }[values["final"]]
    facts = [f"<b>{made.curves.resolution_A:.2f} Å</b> (FSC 0.143, {kind})"]
    fit = guinier["fit"]
    if settings.b_factor_A2 is not None:
        found = f"; the fit gives {fit['b_factor_A2']:.0f} Å²" if fit is not None else ""
        facts.append(f"<b>B {settings.b_factor_A2:.0f} Å²</b>, your own{found}")
    elif fit is None:
        facts.append(
            f"no B-factor: the map has nothing beyond {settings.fit_lowest_resolution_A:g} Å to fit"
        )
    else:
        facts.append(
            f"<b>B {fit['b_factor_A2']:.0f} Å²</b> from {fit['points']} shells, {fit['region']} "
            f"(r² {fit['squared_correlation']:.2f})"
        )
    if settings.lowpass_A and settings.lowpass_A > made.curves.resolution_A:
        facts.append(f"the low-pass of {settings.lowpass_A:g} Å hides detail that is there")
    sentence = html.escape(str(values.get("sentence") or ""))
    style = {"good": "good", "fair": "warn", "too tight": "bad", "of no use": "bad"}
    grade = style.get(str(values.get("grade")), "")
    remark = f'<p class="notice {grade}">{sentence}</p>' if sentence else ""
    return f'<p class="sharpen-facts">{" · ".join(facts)}</p>{remark}'


def asked(settings: Settings, project: Path) -> dict[str, Any]:
    """The parameters of the post-processing job, with paths as the project writes them."""
    return {name: in_project(one, project) for name, one in settings.parameters().items()}


def asked_mask(settings: Settings, project: Path) -> dict[str, Any] | None:
    """The parameters of the job that makes the mask; None where it is there already."""
    values = settings.mask_parameters()
    if values is None:
        return None
    return {name: in_project(one, project) for name, one in values.items()}


def commands(settings: Settings, project: Path) -> str:
    """The command, or two where the mask is still to be made, a line each."""
    values, mask = asked(settings, project), asked_mask(settings, project)
    lines = []
    if mask is not None:
        lines.append(command_line("mask", {**mask, "output": "MaskCreate/mask"}))
        values["mask"] = "MaskCreate/mask.mrc"
    lines.append(command_line("postprocess", {**values, "output": "PostProcess/postprocess"}))
    return "\n".join(lines)


def in_project(value: object, project: Path) -> object:
    """A path inside the project as it is written there; anything else as it is."""
    if isinstance(value, str) and value.startswith(str(project) + "/"):
        return value.removeprefix(str(project) + "/")
    return value
