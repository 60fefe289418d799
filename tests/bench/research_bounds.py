"""What rules for the second pass would look at, and lose: `python -m tests.bench.research_bounds [OUT.json]`.

The real particles (`../shared`) are refined in one process. For every 16th image of an iteration all coarse poses
within `DEPTH` log units of the best get their children scored, many more than the second pass looks at: that is taken
as the whole posterior. Rules choose among them by the coarse scores: `share`, the poses that hold a share of the coarse
weight (0.999 is in use); `below`, all within a bound that is the same for all images; `bound`, a bound of each image:
poses in the order of their scores, until the rest could no longer hold a thousandth of the weight found so far, if
every pose gained on its coarse score as much as the best, or the mean, of those already looked at. README.md says what
came of it.
"""

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import mpi4py
import numpy as np
import torch

from compute import parallel
from compute.expectation import host
from compute.expectation.coarse import shared_scores
from compute.expectation.fine import HostResult
from compute.expectation.host_results import Poses
from compute.expectation.meter import Meter
from compute.expectation.posterior import significant
from compute.expectation.put_back_cpu import Target
from compute.params.refine import RefineParams
from tests.bench.cases import case_of

RESULTS = Path(__file__).parent / "results" / "research_bounds.json"
EVERY, DEPTH, MOST = 16, 25.0, 4000
LEFT = 1e-3
SHARES, BELOW = (0.999, 0.99, 0.9), (2.0, 4.0, 6.0, 8.0)

Rules = dict[str, tuple[int, float]]
"""Poses that each rule keeps, and the share of the posterior that it loses."""


def judged(coarse: np.ndarray, fine: np.ndarray) -> Rules:
    """The rules on one image: coarse scores of poses, best first, and the log of their children's weight."""
    weight = np.exp(fine - fine.max())
    weight /= weight.sum()
    kept = {f"share {share:g}": _share(coarse, share) for share in SHARES}
    kept |= {f"below {bound:g}": int((coarse > coarse[0] - bound).sum()) for bound in BELOW}
    gain, rest = fine - coarse, np.cumsum(np.exp(coarse - coarse[0])[::-1])[::-1]
    left = np.log(np.append(rest[1:], 1e-30)) + coarse[0]
    found = np.logaddexp.accumulate(fine) + np.log(LEFT)
    gains = {
        "best": np.maximum.accumulate(gain),
        "mean": np.cumsum(gain) / np.arange(1, len(gain) + 1),
    }
    kept |= {
        f"bound, {name}": int(np.argmax(left + one < found)) + 1 for name, one in gains.items()
    }
    return {name: (count, float(weight[count:].sum())) for name, count in kept.items()}


def _share(coarse: np.ndarray, share: float) -> int:
    return len(significant(torch.from_numpy(coarse.astype(np.float32)), share))


class Watching(host.HostSearch):
    """The search of a block that also asks what every rule would have done."""

    seen: list[tuple[float, Rules]] = []
    images_seen = [0]

    @property
    def is_one_by_one(self) -> bool:
        """Never: images are looked at between both passes."""
        return False

    def second_pass(self, part: slice, poses: Poses, target: Target, meter: Meter) -> HostResult:
        """As always; every 16th image is looked at closely before."""
        for image in range(part.start, part.stop):
            self.images_seen[0] += 1
            if self.images_seen[0] % EVERY == 0 and not self.search.is_correlation:
                self._look_at(image)
        return super().second_pass(part, poses, target, meter)

    def _look_at(self, image: int) -> None:
        """Ask what every rule would do with an image."""
        scores = self._all_scores(image)
        order = np.argsort(-scores, kind="stable")[:MOST]
        deep = order[scores[order] > scores[order[0]] - DEPTH]
        step_deg = self.search.orientations.step_deg / (2 if self.search.oversample else 1)
        self.seen.append((step_deg, judged(scores[deep], self._children(image, deep))))

    def _all_scores(self, image: int) -> np.ndarray:
        """The coarse scores of an image at all poses."""
        if self.search.is_local:
            scores = self._coarse_scores(image, np.arange(len(self.tables.coarse_rotations)))
        else:
            one = self.block.part(slice(image, image + 1))
            scores = shared_scores(one.images, one.base_A, self.search, self.tables)
        return scores.reshape(-1).double().numpy()

    def _children(self, image: int, poses: np.ndarray) -> np.ndarray:
        """The log of the weight of each pose's children."""
        found = self.candidates(image, np.sort(poses))
        scores = self.fine_scores(image, found).double().numpy()
        rows = found.rows.numpy() // self.search.orientation_children
        columns = found.columns.numpy() // self.search.translation_children
        parent = rows[:, None] * len(self.tables.coarse_shifts_A) + columns[None]
        best = scores.max()
        weight = np.zeros(parent.max() + 1)
        np.add.at(weight, parent, np.exp(scores - best))
        return np.log(np.maximum(weight[poses], 1e-300)) + best


def table(seen: list[tuple[float, Rules]]) -> list[dict[str, Any]]:
    """Per fine step and rule: poses kept on average and in the median, weight lost, images that lose a tenth."""
    groups: dict[tuple[float, str], list[tuple[int, float]]] = defaultdict(list)
    for step_deg, rules in seen:
        for name, one in rules.items():
            groups[step_deg, name].append(one)
    rows = []
    for (step_deg, name), all_of in groups.items():
        kept, lost = (np.array(column) for column in zip(*all_of, strict=True))
        rows.append(
            {
                "fine_step_deg": step_deg,
                "rule": name,
                "images": len(kept),
                "poses_mean": round(float(kept.mean()), 1),
                "poses_median": float(np.median(kept)),
                "weight_lost": round(float(lost.mean()), 4),
                "images_losing_a_tenth": round(float((lost > 0.1).mean()), 4),
            }
        )
    return rows


def main() -> None:
    """Refine, and write what was seen."""
    mpi4py.rc(initialize=False)
    from compute.jobs import refine
    from compute.jobs.half import make_half

    parallel.limit_threads(1)
    host.HostSearch = Watching  # type: ignore[misc, assignment]
    with tempfile.TemporaryDirectory() as name:
        case = case_of("real", Path(name))
        params = RefineParams(
            particles=str(case.particles),
            reference=str(case.reference),
            output=f"{name}/Refine/run",
            symmetry=case.symmetry,
            particle_diameter_A=case.diameter_A,
            initial_lowpass_A=50.0,
            ignore_angles=True,
            resolution_angles=True,
            random_seed=1,
        )
        refine.run(params, parallel.SoloTeam(lambda seat, team: make_half(seat, team), 1))
    found = table(Watching.seen)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    path.write_text(json.dumps(found, indent=1) + "\n")
    for one in found:
        print(json.dumps(one))


if __name__ == "__main__":
    main()
