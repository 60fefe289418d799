"""What a finished refinement says of its particles: low certainty, odd amplitudes, two populations."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

# A best pose less probable than this says little about where the particle is.
UNCERTAIN_PMAX = 0.05
# Robust standard deviations beyond which a norm correction is an outlier.
NORM_SIGMAS = 6.0
# Group scales outside this range and its inverse are worth a look (the update itself stops at 5).
ODD_SCALE = 1.5
# Smallest share of images that is worth a sentence.
RELEVANT_SHARE = 0.02
# Two normal populations are told apart when their means differ by this many pooled deviations (Ashman et al. 1994).
SEPARATION = 2.0
# Evidence for two populations over one, in units of the Bayesian information criterion ("very strong": 10).
STRONG_EVIDENCE = 10.0


@dataclass(frozen=True, slots=True)
class Populations:
    """Two normal populations of a quantity: means, deviations and share of the lower one; members of the lower."""

    means: tuple[float, float]
    deviations: tuple[float, float]
    lower_share: float
    is_lower: Bool[np.ndarray, " particle"]


def particle_sentences(
    maximum_probability: Float64[np.ndarray, " particle"],
    norm: Float64[np.ndarray, " particle"],
    contrast: Float64[np.ndarray, " particle"],
    group_scale: Float64[np.ndarray, " group"],
    weight: Float64[np.ndarray, " particle"],
) -> list[str]:
    """Sentences on what looks odd among the particles; empty when nothing does.

    contrast: least-squares amplitude of the map's projection in each image (1 in the mean, near 0 for an image without
    the particle). weight 0 marks particles for which no pose could be scored.
    """
    sentences = []
    used = weight > 0
    total = len(weight)
    if not used.any():
        return ["No particle could be aligned."]
    uncertain = used & (maximum_probability < UNCERTAIN_PMAX)
    if uncertain.mean() > RELEVANT_SHARE:
        sentences.append(
            f"{_count(uncertain)} have no certain pose: their best one has a probability below {UNCERTAIN_PMAX:g}."
        )
    middle = float(np.median(norm[used]))
    spread = 1.4826 * float(np.median(np.abs(norm[used] - middle)))
    odd = used & (np.abs(norm - middle) > NORM_SIGMAS * max(spread, 1e-9))
    if odd.any():
        sentences.append(
            f"{_count(odd)} have a noise amplitude far from the others' ({middle:.2f}): "
            "aggregates, carbon or bad pixels?"
        )
    strange = (group_scale > ODD_SCALE) | (group_scale < 1 / ODD_SCALE)
    if strange.any():
        sentences.append(
            f"{int(strange.sum())} of {len(group_scale)} group scales lie outside {1 / ODD_SCALE:.2f} to "
            f"{ODD_SCALE:.2f} (from {group_scale.min():.2f} to {group_scale.max():.2f})."
        )
    found = two_populations(contrast[used])
    if found is not None and found.lower_share > RELEVANT_SHARE:
        number = int(found.is_lower.sum())
        sentences.append(
            f"The amplitudes of the map in the images form two populations, at {found.means[0]:.2f} and "
            f"{found.means[1]:.2f} of the median: {number} of {total} particles ({number / total:.0%}) fit it poorly "
            "and may be something else. A 2D or 3D classification may take them out."
        )
    return sentences


def _count(which: Bool[np.ndarray, " particle"]) -> str:
    """How many particles of how many."""
    return f"{int(which.sum())} of {len(which)} particles ({which.mean():.1%})"


def two_populations(values: Float64[np.ndarray, " particle"]) -> Populations | None:
    """A mixture of two normal distributions where it describes the values clearly better than one, else None.

    Fitted by expectation maximisation from the quartiles; the Bayesian information criterion must prefer it by
    `STRONG_EVIDENCE` and the means must be `SEPARATION` pooled deviations apart.
    """
    values = values[np.isfinite(values)]
    if len(values) < 50 or float(values.std()) == 0.0:
        return None
    floor = 0.05 * float(values.std())
    means = np.quantile(values, [0.2, 0.8])
    deviations = np.full(2, float(values.std()) / 2)
    shares = np.array([0.5, 0.5])
    for _ in range(200):
        joint = shares * _normal(values[:, None], means, deviations)
        belonging = joint / np.maximum(joint.sum(1, keepdims=True), 1e-300)
        mass = belonging.sum(0)
        if mass.min() < 5:
            return None
        shares = mass / len(values)
        means = (belonging * values[:, None]).sum(0) / mass
        squares = (belonging * (values[:, None] - means) ** 2).sum(0) / mass
        deviations = np.maximum(np.sqrt(squares), floor)
    if means[0] > means[1]:
        means, deviations, shares = means[::-1], deviations[::-1], shares[::-1]
        belonging = belonging[:, ::-1]
    two = float(np.log(np.maximum(joint.sum(1), 1e-300)).sum())
    one = float(np.log(_normal(values, values.mean(), values.std())).sum())
    evidence = 2 * (two - one) - 3 * np.log(len(values))
    apart = np.sqrt(2) * (means[1] - means[0]) / np.hypot(*deviations)
    if evidence < STRONG_EVIDENCE or apart < SEPARATION:
        return None
    return Populations(
        (float(means[0]), float(means[1])),
        (float(deviations[0]), float(deviations[1])),
        float(shares[0]),
        belonging[:, 0] > 0.5,
    )


def _normal(
    values: np.ndarray, mean: np.ndarray | float, deviation: np.ndarray | float
) -> np.ndarray:
    """The normal density."""
    scaled = (values - mean) / deviation
    return np.asarray(np.exp(-0.5 * scaled**2) / (deviation * np.sqrt(2 * np.pi)))
