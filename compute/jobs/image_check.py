"""Which images of a set cannot be refined, and whether the others look as they should."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.labels import REASON, star_label
from compute.files.particles import ParticleSet
from compute.files.star import write_star
from compute.files.table import Table

NOT_FINITE = "values that are not finite"
TOO_LARGE = "values over a thousand times as large as those of the others"
# Standard deviation over its median in all images above which an image would drown the others.
LARGEST_RATIO = 1000.0
# Images that may look unlike normalised ones before it is said.
ODD_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What the first reading of all images found.

    bad: rows of the particle set that cannot be refined, in order, with the reason of each. odd: how many of the
    others do not look normalised. images: how many were read.
    """

    bad: np.ndarray
    reasons: list[str]
    odd: int
    images: int

    def sentence(self, particles: ParticleSet) -> str:
        """How many images are bad, the first of them, and why."""
        return (
            f"{len(self.bad)} of {self.images} images cannot be used; the first is "
            f"{particles.image_name(int(self.bad[0]))}, which holds {self.reasons[0]}"
        )

    def warnings(self) -> list[tuple[str, str]]:
        """Sentences with their codes on the images that can be used."""
        if self.odd <= ODD_SHARE * (self.images - len(self.bad)):
            return []
        return [
            (
                f"{self.odd} of {self.images} images are not normalised: outside the mask diameter the mean should "
                "be near 0 and the standard deviation near 1. Extract them again with normalisation, and check the "
                "mask diameter.",
                "E28",
            )
        ]


def judge(scans: list[dict[str, Any]]) -> ImageReport:
    """The report on all images from what each worker saw in its own (the fields of `ImageStatistics`)."""
    seen = {name: np.concatenate([scan[name] for scan in scans]) for name in scans[0]}
    finite, deviation = seen["is_finite"], seen["std"]
    typical = float(np.median(deviation[finite])) if finite.any() else 0.0
    large = finite & (deviation > LARGEST_RATIO * typical) & (typical > 0)
    bad = np.flatnonzero(~finite | large)
    bad = bad[np.argsort(seen["indices"][bad])]
    mean, std = seen["background_mean"], seen["background_std"]
    is_odd = ~((np.abs(mean) <= std / 2) & (std >= 0.5) & (std <= 2.0))
    return ImageReport(
        bad=seen["indices"][bad],
        reasons=[TOO_LARGE if finite[i] else NOT_FINITE for i in bad],
        odd=int((is_odd & finite & ~large).sum()),
        images=len(finite),
    )


def write_excluded(path: Path, particles: ParticleSet, report: ImageReport) -> None:
    """Write the list of images that were left out, each with its reason."""
    label = star_label("image_name")
    columns = {
        label: particles.table.columns[label][report.bad],
        REASON: np.array(report.reasons),
    }
    write_star(path, [Table("excluded", columns)])
