"""What the demo says of its result."""

import pytest

from webapp.demo import verdict

EXTENT_A = 226.56


@pytest.mark.parametrize(
    ("truth", "claimed", "judged"),
    [
        (23, 23, "They agree within one shell"),
        (22, 23, "They agree within one shell"),
        (24, 23, "They agree within one shell"),
        (25, 23, "better than its halves claim, by 2 shells"),
        (20, 23, "claim 3 shells more than the truth confirms"),
    ],
)
def test_claim_and_truth_are_weighed_by_shells(truth: int, claimed: int, judged: str) -> None:
    found = {"shell": truth, "resolution_A": EXTENT_A / truth}
    text = verdict(found, EXTENT_A / claimed, EXTENT_A, 100.0)
    assert judged in text
    assert f"{EXTENT_A / claimed:.2f} Å, shell {claimed}" in text
    assert f"{EXTENT_A / truth:.2f} Å, shell {truth}" in text
