"""What the demo says of its result."""

import pytest

from webapp.demo import verdict


def crossing(shell: int) -> dict[str, float]:
    """The last shell above a threshold, in the demo's box."""
    return {"shell": shell, "resolution_A": 226.56 / shell}


@pytest.mark.parametrize(
    ("truth", "halves", "judged"),
    [
        (23, 23, "They agree within one shell"),
        (22, 23, "They agree within one shell"),
        (24, 23, "They agree within one shell"),
        (25, 23, "better than its halves claim, by 2 shells"),
        (20, 23, "claim 3 shells more than the truth confirms"),
    ],
)
def test_claim_and_truth_are_weighed_by_shells(truth: int, halves: int, judged: str) -> None:
    text = verdict(crossing(truth), crossing(halves), 10.3, 100.0)
    assert judged in text
    assert f"{226.56 / halves:.2f} Å, shell {halves}" in text
    assert f"{226.56 / truth:.2f} Å, shell {truth}" in text
    assert "in the log: 10.30 Å" in text


def test_a_resolution_that_the_log_does_not_say_is_left_out() -> None:
    assert "in the log" not in verdict(crossing(23), crossing(23), None, 100.0)
