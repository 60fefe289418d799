"""The file of seconds by phase."""

from pathlib import Path

from compute.files.timing import add_timing, read_timing, timing_file


def test_lines_are_read_back_and_the_later_of_two_counts(tmp_path: Path) -> None:
    root = tmp_path / "run"
    one = {"role": "half 1", "wall_s": {"pass 1": 2.0}, "cpu_s": {"pass 1": 1.5}, "work": {}}
    add_timing(root, 1, [one])
    add_timing(root, 2, [one, one])
    add_timing(root, 2, [one])
    with timing_file(root).open("a") as file:
        file.write('{"iteration": 3, "proc')
    assert timing_file(root).name == "run_timing.jsonl"
    assert read_timing(root) == {1: [one], 2: [one]}
