"""Sentences about odd particles: present where they should be, absent where not."""

import numpy as np

from compute.jobs.particle_report import particle_sentences, two_populations

GOOD = 400


def told(**changes: np.ndarray) -> list[str]:
    rng = np.random.default_rng(1)
    values = {
        "maximum_probability": rng.uniform(0.2, 1.0, GOOD),
        "norm": rng.normal(0.75, 0.02, GOOD),
        "contrast": rng.normal(1.0, 0.2, GOOD),
        "group_scale": rng.normal(1.0, 0.05, 8),
        "weight": np.ones(GOOD),
    }
    return particle_sentences(**{**values, **changes})


def test_good_particles_need_no_words() -> None:
    assert told() == []


def test_two_populations_are_found_with_their_shares() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0.2, 0.15, 150), rng.normal(1.0, 0.2, 250)])
    found = two_populations(values)
    assert found is not None
    assert abs(found.means[0] - 0.2) < 0.06 and abs(found.means[1] - 1.0) < 0.06
    assert abs(found.lower_share - 150 / 400) < 0.05
    assert found.is_lower[:150].mean() > 0.95 and found.is_lower[150:].mean() < 0.05
    (sentence,) = told(contrast=values)
    assert "two populations" in sentence and f"of {GOOD} particles" in sentence


def test_one_wide_or_skewed_population_is_not_split() -> None:
    rng = np.random.default_rng(3)
    assert two_populations(rng.normal(1.0, 0.5, 1000)) is None
    assert two_populations(np.full(200, 1.0)) is None
    assert two_populations(rng.normal(1.0, 0.5, 20)) is None


def test_uncertain_poses_norm_outliers_and_odd_groups_are_counted() -> None:
    pmax = np.full(GOOD, 0.5)
    pmax[:40] = 0.01
    (sentence,) = told(maximum_probability=pmax)
    assert sentence.startswith("40 of 400 particles (10.0%)")
    norm = np.random.default_rng(4).normal(0.75, 0.02, GOOD)
    norm[:3] = 3.0
    (sentence,) = told(norm=norm)
    assert sentence.startswith("3 of 400 particles")
    (sentence,) = told(group_scale=np.array([1.0, 0.4, 1.1, 2.0]))
    assert sentence.startswith("2 of 4 group scales")


def test_a_refinement_without_any_pose_says_so() -> None:
    assert told(weight=np.zeros(GOOD)) == ["No particle could be aligned."]
