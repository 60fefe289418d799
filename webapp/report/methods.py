"""The paragraph for a methods section, and what it cites."""

from collections.abc import Sequence
from dataclasses import dataclass

from compute.files.errors import InputError
from compute.files.postprocess_files import read_postprocess
from webapp.report.facts import Facts


@dataclass(frozen=True, slots=True)
class Citation:
    """A publication."""

    key: str
    words: str
    doi: str


BAYESIAN = Citation(
    "Scheres, 2012",
    "Scheres SHW. A Bayesian view on cryo-EM structure determination. J Mol Biol 415, 406–418 (2012).",
    "10.1016/j.jmb.2011.11.010",
)
HALVES = Citation(
    "Scheres & Chen, 2012",
    "Scheres SHW, Chen S. Prevention of overfitting in cryo-EM structure determination. "
    "Nat Methods 9, 853–854 (2012).",
    "10.1038/nmeth.2115",
)
CRITERION = Citation(
    "Rosenthal & Henderson, 2003",
    "Rosenthal PB, Henderson R. Optimal determination of particle orientation, absolute hand, and contrast loss "
    "in single-particle electron cryomicroscopy. J Mol Biol 333, 721–745 (2003).",
    "10.1016/j.jmb.2003.07.013",
)
RANDOMISED = Citation(
    "Chen et al., 2013",
    "Chen S et al. High-resolution noise substitution to measure overfitting and validate resolution in 3D "
    "structure determination by single particle electron cryomicroscopy. Ultramicroscopy 135, 24–35 (2013).",
    "10.1016/j.ultramic.2013.06.004",
)
HEALPIX = Citation(
    "Górski et al., 2005",
    "Górski KM et al. HEALPix: a framework for high-resolution discretization and fast analysis of data "
    "distributed on the sphere. Astrophys J 622, 759–771 (2005).",
    "10.1086/427976",
)
POINT_GROUPS = {"T": "tetrahedral", "O": "octahedral", "I": "icosahedral"}


def paragraph(facts: Facts) -> str:
    """What was done, in the past tense, with numbers; empty for jobs of which nothing is told."""
    if facts.job.type == "refine":
        return " ".join(_refined(facts))
    if facts.job.type == "postprocess":
        return " ".join(_post_processed(facts))
    return ""


def citations(facts: Facts) -> Sequence[Citation]:
    """The publications behind the paragraph, in the order of their mention."""
    if facts.job.type == "refine":
        row = facts.newest
        is_masked = row is not None and row.is_solvent_corrected
        return [BAYESIAN, HALVES, HEALPIX, CRITERION, *([RANDOMISED] if is_masked else [])]
    return [CRITERION, RANDOMISED] if facts.job.type == "postprocess" else []


def _refined(facts: Facts) -> list[str]:
    start, row, used = facts.records.start, facts.newest, facts.parameters
    if start is None or row is None:
        return []
    version = f"Halfmap {start.program_version}"
    images = f"{start.particles:,}".replace(",", " ") if start.particles else "The"
    size = (
        f" of {start.box_size} × {start.box_size} pixels ({start.pixel_size_A:.4g} Å per pixel)"
        if start.box_size and start.pixel_size_A
        else ""
    )
    lowpass = (
        f", starting from a reference low-pass filtered to {start.initial_lowpass_A:g} Å"
        if start.initial_lowpass_A
        else ""
    )
    said = [
        f"{images} particle images{size} were refined in {version} by regularised likelihood "
        f"({BAYESIAN.key}) in two independent half-sets ({HALVES.key}){lowpass}, "
        f"with {symmetry_words(start.symmetry or 'C1')} and a particle diameter of "
        f"{start.particle_diameter_A or 0:g} Å."
    ]
    if start.join_halves_A:
        said.append(
            f"The half-sets shared information up to {start.join_halves_A:g} Å only, to stay in one frame."
        )
    searched = (
        "local searches were used" if row.is_local_search else "all orientations were searched"
    )
    said.append(
        f"Orientations were sampled on a HEALPix grid ({HEALPIX.key}) down to a step of "
        f"{row.fine_step_deg or 0:.3g}°, chosen from the estimated accuracy of the alignment; "
        f"in the last of {row.iteration} iterations {searched}."
    )
    said.append(_ending(facts))
    said.append(_resolution(facts))
    if used.get("solvent_mask"):
        said.append("A solvent mask was applied to the references.")
    return [one for one in said if one]


def _ending(facts: Facts) -> str:
    end = facts.records.end
    if end is None:
        return "The refinement had not ended when this was written."
    words = {
        "converged": "The refinement converged by itself.",
        "iteration limit": "The refinement was ended by the limit on its number of iterations.",
        "stopped": "The refinement was stopped before it converged.",
        "failed": "The refinement failed before it converged.",
    }
    return words.get(end.reason, "")


def _resolution(facts: Facts) -> str:
    row = facts.newest
    if row is None or row.resolution_fsc0143_A is None:
        return ""
    where = {
        "given": f" inside a mask, corrected by phase randomisation ({RANDOMISED.key})",
        "envelope": f" inside an automatic envelope of the molecule, corrected by phase randomisation "
        f"({RANDOMISED.key})",
    }.get(row.fsc_mask if row.is_solvent_corrected else "none", " without a mask")
    without = (
        f" ({row.resolution_unmasked_A:.2f} Å without a mask)"
        if row.is_solvent_corrected and row.resolution_unmasked_A
        else ""
    )
    return (
        f"The resolution was {row.resolution_fsc0143_A:.2f} Å at a half-map FSC of 0.143 "
        f"({CRITERION.key}){where}{without}."
    )


def _post_processed(facts: Facts) -> list[str]:
    end, used = facts.records.end, facts.parameters
    if end is None or end.resolution_A is None:
        return []
    masked = "inside a soft mask" if used.get("mask") else "without a mask"
    return [
        f"The half-maps were compared {masked}, the curve being corrected by phase randomisation "
        f"({RANDOMISED.key}); the resolution at FSC 0.143 ({CRITERION.key}) was {end.resolution_A:.2f} Å.",
        f"The map was sharpened with {_b_factor(facts)} and weighted by its FSC.",
    ]


def _b_factor(facts: Facts) -> str:
    """The B-factor and where it is from; its value and the place of the fit as the job's STAR file says them."""
    if facts.parameters.get("own_b_factor_A2"):
        return f"a B-factor of {facts.parameters['own_b_factor_A2']:g} Å²"
    try:
        found = read_postprocess(facts.root.with_suffix(".star"))
    except InputError:
        return "a B-factor estimated from the slope of the Guinier plot"
    place = {"inside the mask": "map inside the mask", "whole box": "whole box"}
    return (
        f"a B-factor of {found.b_factor_A2:.0f} Å², estimated from the slope of the Guinier plot of the "
        f"{place.get(found.fitted_region or '', 'map')}"
    )


def symmetry_words(group: str) -> str:
    """A point group in words: no symmetry, C4 symmetry, icosahedral symmetry (I1)."""
    if group.upper() == "C1":
        return "no symmetry"
    named = POINT_GROUPS.get(group[:1].upper())
    return f"{named} symmetry ({group})" if named else f"{group} symmetry"
