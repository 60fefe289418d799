"""The team of a job: seats, calls and their record, in one process."""

import pytest
import torch

from compute.parallel import (
    Alone,
    HalfTeam,
    Message,
    PerHalf,
    Seat,
    SoloTeam,
    check_rank_count,
    seats_of,
    usable_threads,
)

# ---- seats


def test_odd_ranks_hold_half_1_and_even_ranks_half_2() -> None:
    assert seats_of(1) == []
    assert seats_of(3) == [Seat(1, 0, 1), Seat(2, 0, 1)]
    assert seats_of(7) == [
        Seat(1, 0, 3),
        Seat(2, 0, 3),
        Seat(1, 1, 3),
        Seat(2, 1, 3),
        Seat(1, 2, 3),
        Seat(2, 2, 3),
    ]


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [
        (2, "2 processes cannot hold two independent halves and a leader: use 1 .* or 3"),
        (4, "4 processes cannot be shared out: use 3, 5, 7"),
        (0, "0 processes cannot be shared out"),
        (-1, "-1 processes cannot be shared out"),
    ],
)
def test_other_rank_counts_are_refused_with_a_reason(ranks: int, reason: str) -> None:
    for check in (check_rank_count, seats_of):
        with pytest.raises(ValueError, match=reason):
            check(ranks)


@pytest.mark.parametrize("ranks", [1, 3, 5, 17])
def test_rank_counts_that_fit_are_accepted(ranks: int) -> None:
    check_rank_count(ranks)
    assert len(seats_of(ranks)) == ranks - 1


@pytest.mark.parametrize(
    ("asked", "processes", "cores", "threads"),
    [(0, 1, 8, 8), (0, 3, 8, 4), (0, 5, 8, 2), (0, 9, 2, 1), (6, 3, 8, 6)],
)
def test_cores_are_shared_out_among_the_workers(
    asked: int, processes: int, cores: int, threads: int
) -> None:
    assert usable_threads(asked, processes, cores) == threads


# ---- one process


class Echo:
    """A worker that says what it was told."""

    def __init__(self, seat: Seat, team: HalfTeam) -> None:
        self.half, self.team = seat.half, team

    def say(self, word: str, number: int = 0) -> tuple[int, str, int]:
        return self.half, word, number

    def work(self) -> None:
        self.team.report(4)

    def fail(self) -> None:
        raise RuntimeError(f"half {self.half} cannot go on")


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_reach_each_half_with_its_own_values(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    replies = team.call("say", word=PerHalf("a", "b"), number=7)
    assert replies == [[(1, "a", 7)], [(2, "b", 7)]]
    assert team.call_heads("say", word="c") == [(1, "c", 0), (2, "c", 0)]
    team.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_leader_may_do_something_else_until_it_hears_the_replies(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    replies = team.ask("say", word=PerHalf("a", "b"), number=7)
    with pytest.raises(RuntimeError, match="work is asked before the last replies were heard"):
        team.call("work")
    assert replies() == [[(1, "a", 7)], [(2, "b", 7)]]
    heads = team.ask_heads("fail")
    with pytest.raises(RuntimeError, match="half 1 cannot go on"):
        heads()
    assert team.call_heads("say", word="c") == [(1, "c", 0), (2, "c", 0)]
    team.close()


def test_what_a_half_is_told_is_written_down() -> None:
    team = SoloTeam(Echo, 1)
    team.call("say", word=PerHalf("a", "b"), number=7)
    team.call_heads("work")
    assert team.messages == [
        Message(1, "say", ("number", "word")),
        Message(2, "say", ("number", "word")),
        Message(1, "work", ()),
        Message(2, "work", ()),
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_reaches_the_leader(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    heard: list[int] = []
    team.call("work")
    team.on_progress = heard.append
    team.call("work")
    assert heard == [4, 4]
    team.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_a_worker_is_the_leaders(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    with pytest.raises(RuntimeError, match="half 1 cannot go on"):
        team.call("fail")
    team.close()


def test_a_lone_worker_keeps_its_sums_and_its_map() -> None:
    team = Alone(lambda images: None)
    sums = torch.tensor([1.0, 2.0])
    team.reduce(sums)
    assert sums.tolist() == [1.0, 2.0]
    assert team.share("map") == "map"
    assert team.take() is None


def test_what_each_half_is_offered_is_written_down() -> None:
    team = SoloTeam(Echo, 1)
    team.offer(PerHalf(["image 1"], ["image 2"]))
    assert team.messages == [Message(1, "offer", ("things",)), Message(2, "offer", ("things",))]
