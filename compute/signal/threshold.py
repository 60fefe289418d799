"""The density at which a molecule's surface lies, found in the map itself or from the molecule's mass.

A map has two levels: the solvent, which is the most frequent density, and the inside of the molecule. A blurred edge
passes half of the way between them at the surface. The inner level is therefore found together with the surface, as
the mean of everything above half of the way to itself (Ridler & Calvard 1978, IEEE Trans. SMC 8, 630, with the lower
of the two levels known). A mask should also hold domains that are weaker than the rest, so the suggested threshold is
lower than half where the noise permits: 0.3 of the way, the half height of a domain that 60 % of the particles have,
but never within four standard deviations of the solvent's noise, and never above the half.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

DALTON_PER_A3 = 0.81
"""Mean density of protein, 1.35 g/cm3 (Matthews 1968, J. Mol. Biol. 33, 491); RELION uses the same figure."""

LOWEST, HIGHEST = 0.3, 0.5
NOISE_DEVIATIONS = 4.0
HISTOGRAM_BINS = 1024
MODE_SMOOTHING = 5
ITERATIONS = 200
# Scale from the median absolute deviation to the standard deviation of a Gaussian.
GAUSSIAN_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Levels:
    """The densities of a map: solvent and its noise (one standard deviation), inside of the molecule, suggestion."""

    solvent: float
    noise: float
    molecule: float
    threshold: float

    @property
    def is_above_noise(self) -> bool:
        """Whether the molecule's half height stands out of the solvent's noise."""
        return (
            HIGHEST * (self.molecule - self.solvent) >= NOISE_DEVIATIONS * self.noise
            and self.molecule > self.solvent
        )


def density_levels(volume: Float32[np.ndarray, "z y x"]) -> Levels:
    """Solvent, noise and molecule of a map (low-passed, if noisy), and the suggested threshold.

    Only the sphere that fits the box counts: its corners may have been filled or cut by other programs. The noise is
    measured on the side of the solvent that holds no molecule, below its level. Raises ValueError for a map that has
    the same value everywhere in the sphere.
    """
    ascending = np.sort(volume[within_sphere(volume.shape[0])])
    low, high = float(ascending[0]), float(ascending[-1])
    if not high > low:
        raise ValueError(f"the map has the value {low:g} everywhere, which shows no molecule")
    sums = np.concatenate([[0.0], ascending.cumsum(dtype=np.float64)])
    solvent, noise = _solvent(ascending, sums)
    molecule = _molecule_level(ascending, sums, solvent)
    share = np.clip(NOISE_DEVIATIONS * noise / (molecule - solvent), LOWEST, HIGHEST)
    return Levels(solvent, noise, molecule, solvent + float(share) * (molecule - solvent))


def solvent_level(values: Float32[np.ndarray, "voxel"]) -> tuple[float, float]:
    """The solvent's most frequent density and the standard deviation of its noise, among voxels with molecule too.

    The noise is measured below the level, on the side that holds no molecule. The values must not all be equal.
    """
    ascending = np.sort(values)
    return _solvent(ascending, np.concatenate([[0.0], ascending.cumsum(dtype=np.float64)]))


def threshold_of_volume(
    volume: Float32[np.ndarray, "z y x"],
    is_candidate: Bool[np.ndarray, "z y x"],
    voxels: float,
) -> float:
    """The threshold that exactly so many of the candidate voxels reach; ValueError where they are too few."""
    values = volume[is_candidate]
    count = max(1, round(voxels))
    if count > len(values):
        raise ValueError(f"{count} voxels are asked for but only {len(values)} show density")
    return float(np.partition(values, len(values) - count)[len(values) - count])


def mass_kDa(volume_A3: float) -> float:
    """The mass of protein that fills a volume."""
    return volume_A3 * DALTON_PER_A3 / 1000.0


def volume_A3(protein_kDa: float) -> float:
    """The volume that protein of a mass fills."""
    return protein_kDa * 1000.0 / DALTON_PER_A3


def within_sphere(box: int) -> Bool[np.ndarray, "z y x"]:
    """The voxels nearer than half a box to the centre box//2."""
    squared = (np.arange(box, dtype=np.int32) - box // 2) ** 2
    total: np.ndarray = squared[:, None, None] + squared[:, None] + squared
    return total < (box / 2) ** 2


def _solvent(
    ascending: Float32[np.ndarray, "voxel"], sums: Float64[np.ndarray, "voxel1"]
) -> tuple[float, float]:
    """Level and noise of the solvent, from sorted densities and their cumulative sums."""
    solvent = _most_frequent(ascending, sums)
    below = int(np.searchsorted(ascending, solvent))
    noise = GAUSSIAN_MAD * (solvent - float(ascending[below // 2])) if below else 0.0
    return solvent, noise


def _most_frequent(
    ascending: Float32[np.ndarray, "voxel"], sums: Float64[np.ndarray, "voxel1"]
) -> float:
    """The peak of the histogram: the mean of the values in the bins around the fullest one.

    sums: of the first 0, 1, 2 … values.
    """
    edges = np.linspace(float(ascending[0]), float(ascending[-1]), HISTOGRAM_BINS + 1)
    places = np.searchsorted(ascending, edges)
    places[-1] = len(ascending)
    smooth = np.convolve(np.diff(places), np.ones(MODE_SMOOTHING), mode="same")
    peak, aside = int(smooth.argmax()), MODE_SMOOTHING // 2
    first = places[max(0, peak - aside)]
    last = places[min(HISTOGRAM_BINS, peak + aside + 1)]
    return float((sums[last] - sums[first]) / (last - first))


def _molecule_level(
    ascending: Float32[np.ndarray, "voxel"], sums: Float64[np.ndarray, "voxel1"], solvent: float
) -> float:
    """The mean of all densities that are nearer to it than to the solvent."""
    level = float(ascending[-1])
    for _ in range(ITERATIONS):
        first = int(np.searchsorted(ascending, 0.5 * (solvent + level)))
        mean = (sums[-1] - sums[first]) / max(1, len(ascending) - first)
        if abs(mean - level) <= 1e-9 * abs(level - solvent):
            break
        level = float(mean)
    return level
