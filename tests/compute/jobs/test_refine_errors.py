"""What goes wrong for users of a refinement, and the sentence that each of them gets."""

import contextlib
import dataclasses
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compute import __main__ as program
from compute.expectation import step
from compute.expectation.prepare import Block
from compute.files.events import AnyEvent, End, Iteration, Start, Warn
from compute.files.labels import REASON
from compute.files.mrc import read_map, write_map
from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker
from compute.files.stacks import StackReader, StackWriter
from compute.files.star import read_star
from compute.jobs import half_lost
from compute.jobs.refine_inputs import Inputs, read_inputs
from compute.params.refine import RefineParams
from compute.sampling.rotations import rotation_vectors_to_matrices
from compute.signal.fourier import radial_frequency, shell_sums
from tests.data import particle_set, phantom_map
from webapp.launch import local

BOX, PIXEL_A, PARTICLES = 24, 4.0, 24
IMAGE = "rlnImageName"
RECORDS = ("run.out", "run.err", "progress.jsonl", "RELION_JOB_EXIT_FAILURE")


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with a good particle set of which bad ones are made."""

    folder: Path
    text: str
    images: np.ndarray
    reference: np.ndarray

    def star(self, old: str = "", new: str = "", name: str = "bad.star") -> str:
        """A STAR file with a change to its text."""
        path = self.folder / name
        path.write_text(self.text.replace(old, new))
        return str(path)

    def rows(self, count: int) -> str:
        """A STAR file with only the first particles."""
        lines = self.text.splitlines(keepends=True)
        first = next(i for i, line in enumerate(lines) if "@" in line)
        path = self.folder / "few.star"
        path.write_text("".join(lines[: first + count]))
        return str(path)

    def stack(self, images: np.ndarray, name: str = "bad.mrcs") -> str:
        """A STAR file whose images are these."""
        with StackWriter(self.folder / name, BOX, PIXEL_A) as writer:
            writer.append(images.astype(np.float32))
        return self.star(str(self.folder / "set.mrcs"), str(self.folder / name))

    def map(self, volume: np.ndarray, pixel_size_A: float, name: str = "bad.mrc") -> str:
        """A map file."""
        write_map(self.folder / name, volume.astype(np.float32), pixel_size_A)
        return str(self.folder / name)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a particle set of 24 images of 24 px."""
    folder = tmp_path_factory.mktemp("original")
    particle_set(folder, particles=PARTICLES, box=BOX, micrographs=2)
    return folder


@pytest.fixture
def bench(original: Path, tmp_path: Path) -> Bench:
    """The set, to be changed."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "set.star").read_text().replace(str(original), str(tmp_path))
    (tmp_path / "set.star").write_text(text)
    with StackReader(tmp_path / "set.mrcs") as reader:
        images = reader.read(np.arange(PARTICLES))
    return Bench(tmp_path, text, images, read_map(tmp_path / "set_reference.mrc").volume)


def options(bench: Bench, **changes: Any) -> dict[str, Any]:
    """Parameters of a refinement of the set that takes a second."""
    return {
        "particles": str(bench.folder / "set.star"),
        "reference": str(bench.folder / "set_reference.mrc"),
        "output": str(bench.folder / "O" / "run"),
        "particle_diameter_A": 72.0,
        "initial_lowpass_A": 40.0,
        "healpix_order": 0,
        "offset_range_px": 2.0,
        "maximum_iterations": 1,
        "random_seed": 1,
        "mpi": 1,
        "threads": 1,
    } | changes


def refine(values: dict[str, Any]) -> int:
    """The exit status of a refinement in this process."""
    return program.run_job({"job": "refine", "params": values})


def events(folder: Path) -> list[AnyEvent]:
    """All records of a job folder."""
    return read_progress(folder / "progress.jsonl")


def warnings(folder: Path) -> dict[str | None, str]:
    """The warnings among the records, by code."""
    return {event.code: event.message for event in events(folder) if isinstance(event, Warn)}


def refusal(values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a refinement is refused, shown once and left in all places where it must be."""
    capsys.readouterr()
    assert refine(values) == 2
    shown = capsys.readouterr()
    folder = Path(values["output"]).parent
    end = events(folder)[-1]
    assert isinstance(end, End)
    assert (end.reason, end.exit_status) == ("failed", 2)
    assert shown.err == f" ERROR: {end.message}\n"
    assert (folder / "run.err").read_text().endswith(shown.err)
    assert (folder / "run.out").read_text().endswith(shown.err)
    assert read_exit_marker(folder) == "failure"
    assert "Traceback" not in shown.out + (folder / "run.err").read_text()
    return end.message


def snapshot(folder: Path) -> dict[str, bytes]:
    """The results in a folder by name."""
    paths = [path for path in folder.glob("run_*") if path.is_file()]
    return {path.name: path.read_bytes() for path in paths}


Break = Callable[[Bench], dict[str, Any]]


def with_bad_pixels(bench: Bench) -> np.ndarray:
    """The images with one NaN in the fourth and one infinite pixel in the ninth."""
    images = bench.images.copy()
    images[3, 4, 5], images[8, 0, 0] = np.nan, np.inf
    return images


def cut_stack(bench: Bench) -> dict[str, Any]:
    """A stack that lost its last bytes."""
    path = bench.folder / "set.mrcs"
    path.write_bytes(path.read_bytes()[:-100])
    return {}


def not_finite_map(bench: Bench) -> dict[str, Any]:
    """A reference with a NaN."""
    volume = bench.reference.copy()
    volume[1, 2, 3] = np.nan
    return {"reference": bench.map(volume, PIXEL_A)}


def huge_image(bench: Bench) -> dict[str, Any]:
    """An image whose squares overflow."""
    images = bench.images.copy()
    images[5] *= 1e25
    return {"particles": bench.stack(images)}


def latin(bench: Bench) -> dict[str, Any]:
    """A STAR file in Latin-1."""
    path = bench.folder / "latin.star"
    text = bench.text.replace("micrograph_00002", "micrograph_µ")
    path.write_bytes(text.encode("latin-1"))
    return {"particles": str(path)}


def utf16(bench: Bench) -> dict[str, Any]:
    """A STAR file in UTF-16."""
    path = bench.folder / "wide.star"
    path.write_bytes(bench.text.encode("utf-16"))
    return {"particles": str(path)}


REFUSED: dict[str, tuple[Break, tuple[str, ...]]] = {
    "E1 no particle file": (lambda b: {"particles": "no.star"}, ("no.star does not exist",)),
    "E1 no reference": (lambda b: {"reference": "no.mrc"}, ("no.mrc does not exist",)),
    "E1 no mask": (lambda b: {"solvent_mask": "mask.mrc"}, ("mask.mrc does not exist",)),
    "E15 empty": (lambda b: {"particles": b.rows(0)}, ("few.star", "no particles")),
    "E15 too few": (lambda b: {"particles": b.rows(19)}, ("19 particles", "at least 10")),
    "E25 stack gone": (
        lambda b: {"particles": b.star("set.mrcs", "gone.mrcs")},
        ("1 of 1 image stacks", "do not exist", "24 particles", "gone.mrcs"),
    ),
    "E25 too few images": (
        lambda b: {"particles": b.star("000024@", "000025@")},
        ("image 25", "set.mrcs", "24 images"),
    ),
    "E26 cut": (cut_stack, ("set.mrcs", "cut short", str(1024 + 24**3 * 4))),
    "E27 images": (
        lambda b: {"particles": b.stack(with_bad_pixels(b))},
        ("2 of 24 images", "000004@", "bad.mrcs", "not finite", "--bad-images exclude"),
    ),
    "E27 huge image": (huge_image, ("1 of 24 images", "000006@", "a thousand times")),
    "E27 reference": (not_finite_map, ("bad.mrc", "not finite", "[1, 2, 3]")),
    "E29 no CTF": (
        lambda b: {"particles": b.star("_rlnDefocusU", "_rlnA", "d.star")},
        ("rlnDefocusU in data_particles", "switch CTF correction off"),
    ),
    "E29 no optics": (
        lambda b: {"particles": b.star("_rlnVoltage", "_rlnA", "v.star")},
        ("rlnVoltage in data_optics",),
    ),
    "E33 empty mask": (
        lambda b: {"solvent_mask": b.map(0 * b.reference, PIXEL_A)},
        ("bad.mrc", "no value above 0.5"),
    ),
    "E47 Latin-1": (latin, ("latin.star, line", "0xb5", "UTF-8")),
    "E47 UTF-16": (utf16, ("wide.star", "UTF-16", "save it as UTF-8")),
    "flat reference": (
        lambda b: {"reference": b.map(0 * b.reference, PIXEL_A)},
        ("bad.mrc", "same value everywhere"),
    ),
    "stack as reference": (
        lambda b: {"reference": str(b.folder / "set.mrcs")},
        ("set.mrcs holds images", "3D map"),
    ),
    "low-pass beyond Nyquist": (
        lambda b: {"initial_lowpass_A": 5.0},
        ("low-pass of 5", "two pixels, 8"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_refined_is_refused_before_any_work(
    name: str, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words = REFUSED[name]
    values = options(bench, **spoil(bench))
    sentence = refusal(values, capsys)
    assert all(word in sentence for word in words), sentence
    folder = Path(values["output"]).parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(RECORDS)


def test_e23_an_unknown_symmetry_is_named_with_the_known_ones(bench: Bench) -> None:
    with pytest.raises(ValueError, match="'Q7' is not known: use C1 to C99, D1 to D99, T, O, I"):
        refine(options(bench, symmetry="Q7"))
    assert not (bench.folder / "O").exists()


@pytest.mark.parametrize("ranks", [2, 4, 6])
def test_e20_e21_numbers_of_processes_that_make_no_two_halves(ranks: int, bench: Bench) -> None:
    with pytest.raises(ValueError, match=f"{ranks} processes cannot be shared out: use 1, or 3, 5"):
        refine(options(bench, mpi=ranks))


def test_an_output_folder_that_cannot_be_made(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench.folder / "file").touch()
    assert refine(options(bench, output=str(bench.folder / "file" / "run"))) == 2
    assert "the folder" in capsys.readouterr().err


# ---- what is repaired or only told


def inputs_of(bench: Bench, **changes: Any) -> Inputs:
    """The inputs as a refinement reads them."""
    return read_inputs(RefineParams(**options(bench, **changes)))


def remark(inputs: Inputs, *words: str) -> str:
    """The one remark that holds all words."""
    (found,) = [one for one in inputs.remarks if all(word in one for word in words)]
    return found


def test_e17_e18_another_box_and_pixel_size_are_resolved_and_said(bench: Bench) -> None:
    good = inputs_of(bench)
    padded = np.pad(bench.reference, 4)
    found = inputs_of(bench, reference=bench.map(padded, PIXEL_A))
    remark(found, "bad.mrc", "32 px", "24 px", "4.00000 Å")
    np.testing.assert_allclose(found.references[0], good.references[0], atol=1e-5)
    other = inputs_of(bench, reference=bench.map(bench.reference, 4.8))
    remark(other, "4.8000 Å", "4.00000 Å")


@pytest.mark.parametrize("header_A", [0.0, 1.0])
def test_e19_a_header_without_a_pixel_size_counts_as_that_of_the_particles(
    header_A: float, bench: Bench
) -> None:
    good = inputs_of(bench)
    found = inputs_of(bench, reference=bench.map(bench.reference, header_A))
    remark(found, f"says {header_A:.3f} Å", "taken as 4 Å", "--reference-pixel-size")
    np.testing.assert_array_equal(found.references[0], good.references[0])
    stated = inputs_of(
        bench, reference=str(bench.folder / "bad.mrc"), reference_pixel_size_A=PIXEL_A
    )
    assert stated.remarks == good.remarks


def test_e24_a_map_without_the_symmetry_is_noticed(bench: Bench) -> None:
    volume = phantom_map(box=BOX, symmetry="D2").numpy()
    good = inputs_of(bench, reference=bench.map(volume, PIXEL_A), symmetry="D2")
    assert not any("mates" in said for said in good.remarks)
    for wrong, name in ((volume, "O"), (np.roll(volume, 3, axis=0), "D2")):
        path = bench.map(wrong, PIXEL_A)
        remark(inputs_of(bench, reference=path, symmetry=name), f"its own {name} mates")
    turn = rotation_vectors_to_matrices(np.array([[0.0, 0.0, np.radians(30.0)]]))[0]
    assert "D2 mates" in remark(
        inputs_of(bench, reference=bench.map(turned(volume, turn), PIXEL_A), symmetry="D2"), "mates"
    )


def turned(volume: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A map turned about its centre."""
    from scipy.ndimage import affine_transform

    swapped = matrix[::-1, ::-1]
    centre = np.full(3, len(volume) // 2)
    return affine_transform(volume, swapped.T, centre - swapped.T @ centre, order=1)


def test_e24_a_ball_has_every_symmetry(bench: Bench) -> None:
    axis = np.arange(BOX) - BOX // 2
    square = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    ball = np.exp(-square / 30.0)
    found = inputs_of(bench, reference=bench.map(ball, PIXEL_A), symmetry="I1")
    assert not any("mates" in one for one in found.remarks)


def test_e30_a_mask_of_another_box_pixel_and_range_is_repaired_and_said(bench: Bench) -> None:
    mask = np.zeros((32, 32, 32), dtype=np.float32)
    mask[8:24, 8:24, 8:24] = 1.5
    mask[0, 0, 0] = -0.25
    found = inputs_of(bench, solvent_mask=bench.map(mask, 1.0, "mask.mrc"))
    remark(found, "mask.mrc", "says 1.000 Å")
    remark(found, "mask.mrc", "32 px", "24 px")
    remark(found, "mask.mrc", "from -0.250 to 1.500", "clipped")
    assert found.mask is not None
    assert found.mask.shape == (BOX, BOX, BOX)
    assert found.mask.min() >= 0.0
    assert found.mask.max() <= 1.0
    assert len([one for one in found.remarks if "clipped" in one]) == 1


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_e47_line_ends_of_other_systems_are_accepted(line_end: str, bench: Bench) -> None:
    good = inputs_of(bench)
    path = bench.folder / "other.star"
    path.write_bytes(bench.text.replace("\n", line_end).encode())
    found = inputs_of(bench, particles=str(path))
    np.testing.assert_array_equal(found.particles.defocus_u_A, good.particles.defocus_u_A)
    assert found.particles.image_name(23) == good.particles.image_name(23)


def test_e27_bad_images_are_left_out_and_listed(bench: Bench) -> None:
    images = with_bad_pixels(bench)
    images[20] *= 1e25
    values = options(bench, particles=bench.stack(images), bad_images="exclude")
    assert refine(values) == 0
    folder = bench.folder / "O"
    listed = read_star(folder / "run_excluded.star")["excluded"].columns
    assert [name[:7] for name in listed[IMAGE]] == ["000004@", "000009@", "000021@"]
    assert ["not finite" in reason for reason in listed["halfmapReason"]] == [True, True, False]
    assert "a thousand times" in listed["halfmapReason"][2]
    kept = read_star(folder / "run_data.star")["particles"].columns[IMAGE]
    assert len(kept) == PARTICLES - 3
    assert not set(kept) & set(listed[IMAGE])
    assert np.isfinite(read_map(folder / "run_class001.mrc").volume).all()
    sentence = warnings(folder)["E27"]
    assert all(word in sentence for word in ("3 of 24", "000004@", "run_excluded.star"))
    assert sentence in (folder / "run.err").read_text()


def test_e27_without_enough_good_images_nothing_starts(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    images = bench.images.copy()
    images[:8] = np.nan
    values = options(bench, particles=bench.stack(images), bad_images="exclude")
    sentence = refusal(values, capsys)
    assert "8 of 24 images" in sentence
    assert "fewer than 10" in sentence
    assert snapshot(bench.folder / "O") == {}


def test_e28_images_that_are_not_normalised_are_told_of(bench: Bench) -> None:
    assert refine(options(bench, particles=bench.stack(7 * bench.images + 3))) == 0
    sentence = warnings(bench.folder / "O")["E28"]
    assert all(word in sentence for word in ("24 of 24", "not normalised", "mask diameter"))


# ---- while it runs


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """No particle of a block (all, with True in the list) or else only the first finds no orientation."""
    everything = [False]
    search = step.search_images

    def poor(block: Block, *rest: Any) -> Iterator[Any]:
        masked = block.images.masked.clone()
        masked[: None if everything[0] else 1] = torch.nan
        images = dataclasses.replace(block.images, masked=masked)
        yield from search(dataclasses.replace(block, images=images), *rest)

    monkeypatch.setattr(step, "search_images", poor)
    yield everything


def test_e44_particles_without_a_finite_score_are_kept_and_counted(
    bench: Bench, lost: list[bool]
) -> None:
    assert refine(options(bench, maximum_iterations=2)) == 0
    folder = bench.folder / "O"
    columns = read_star(folder / "run_data.star")["particles"].columns
    flagged = columns["rlnNrOfSignificantSamples"] == 0
    assert len(flagged) == PARTICLES
    assert 0 < flagged.sum() < PARTICLES
    assert (columns["rlnMaxValueProbDistribution"][flagged] == 0).all()
    said = [event for event in events(folder) if isinstance(event, Warn) and event.code == "E44"]
    assert [event.iteration for event in said] == [1, 2]
    first = str(columns[IMAGE][np.flatnonzero(flagged)[0]])
    assert f"{flagged.sum()} of 24 particles" in said[1].message
    assert f"{flagged.sum()} because {half_lost.NO_POSE}" in said[1].message
    assert first in said[1].message
    assert (folder / "run_it001_unscored.star").exists()
    listed = read_star(folder / "run_unscored.star")["unscored"].columns
    assert listed[IMAGE].tolist() == columns[IMAGE][flagged].tolist()
    assert set(listed[REASON]) == {half_lost.NO_POSE}
    assert np.isfinite(read_map(folder / "run_class001.mrc").volume).all()


def test_e44_every_particle_without_a_score_has_its_reason(bench: Bench) -> None:
    """An envelope that grows without bound, and an offset that is larger than the box."""
    with_b = bench.text.replace("_rlnPhaseShift #7", "_rlnPhaseShift #7\n_rlnCtfBfactor #8")
    lines = with_b.splitlines()
    first = next(i for i, line in enumerate(lines) if "@" in line)
    for row in range(PARTICLES):
        lines[first + row] += " -1e6" if row in {4, 11} else " 0"
    (bench.folder / "bad.star").write_text("\n".join(lines) + "\n")
    assert refine(options(bench, particles=str(bench.folder / "bad.star"))) == 0
    folder = bench.folder / "O"
    names = read_star(folder / "run_data.star")["particles"].columns[IMAGE]
    listed = read_star(folder / "run_unscored.star")["unscored"].columns
    assert listed[IMAGE].tolist() == names[[4, 11]].tolist()
    assert set(listed[REASON]) == {half_lost.CTF_NOT_FINITE}
    assert f"2 because {half_lost.CTF_NOT_FINITE}" in warnings(folder)["E44"]
    assert np.isfinite(read_map(folder / "run_class001.mrc").volume).all()


def test_e44_nothing_found_at_all_ends_the_refinement(
    bench: Bench, lost: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    lost[0] = True
    sentence = refusal(options(bench), capsys)
    assert all(word in sentence for word in ("none of the 12", "half 1", "iteration 1"))


def test_e45_poor_angular_accuracy_is_told_at_the_end(bench: Bench) -> None:
    noise = np.random.default_rng(1).standard_normal(bench.images.shape)
    values = options(bench, particles=bench.stack(noise), maximum_iterations=2)
    assert refine(values) == 0
    sentence = warnings(bench.folder / "O")["E45"]
    assert all(
        word in sentence for word in ("angular accuracy", "worse than 10", "cannot be trust")
    )


def test_noise_is_worth_what_the_halves_share(bench: Bench) -> None:
    """No resolution beyond the join is claimed, and the final map holds nothing finer."""
    noise = np.random.default_rng(2).standard_normal(bench.images.shape)
    values = options(bench, particles=bench.stack(noise), maximum_iterations=4)
    assert refine(values) == 0
    folder = bench.folder / "O"
    assert "40 Å" in warnings(folder)["no signal"]
    end = events(folder)[-1]
    assert isinstance(end, End) and end.resolution_A is not None and end.resolution_A >= 40.0
    told = [event for event in events(folder) if isinstance(event, Iteration)]
    assert len(told) == 4
    # The working value of the first iteration is the least that a schedule begins with: five shells.
    assert all(one.resolution_fsc05_A >= 40 for one in told[1:])
    assert all(one.resolution_fsc0143_A >= 40 for one in told)
    assert all((one.resolution_unmasked_A or 0) >= 40 for one in told)
    final = torch.from_numpy(read_map(folder / "run_class001.mrc").volume)
    shell = radial_frequency(BOX, 3).round().long().flatten()
    power = shell_sums(torch.fft.rfftn(final).abs().square().flatten(), shell, BOX // 2)
    # What is left there comes from the soft sphere that flattens the solvent.
    assert power[5:].max() < 1e-2 * power[1:3].max()


def test_an_error_that_nobody_foresaw_leaves_its_place_in_run_err_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: Any) -> Iterator[Any]:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(step, "search_images", broken)
    assert refine(options(bench)) == 1
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert shown.err.count("ZeroDivisionError: a fault") == 1
    assert "Traceback" in (bench.folder / "O" / "run.err").read_text()
    end = events(bench.folder / "O")[-1]
    assert isinstance(end, End)
    assert (end.reason, end.exit_status) == ("failed", 1)


def test_a_full_disk_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, *rest: Any) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("compute.jobs.refine_files.write_map", full)
    assert refine(options(bench)) == 1
    assert "half1_class001.mrc: No space left on device" in capsys.readouterr().err
    assert read_exit_marker(bench.folder / "O") == "failure"


# ---- folders that hold finished work


@pytest.fixture
def done(bench: Bench) -> Path:
    """The folder of a refinement that has ended."""
    assert refine(options(bench, maximum_iterations=2)) == 0
    assert read_exit_marker(bench.folder / "O") == "success"
    return bench.folder / "O"


def test_nothing_finished_is_touched_by_what_goes_wrong(
    bench: Bench, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(done)
    spoiled = bench.stack(with_bad_pixels(bench))
    for changes in ({"particles": "no.star"}, {"particles": spoiled}, {"reference": "no.mrc"}):
        refusal(options(bench, **changes), capsys)
    for wrong, words in (
        ("run_optimiser.star", ("not the optimiser file of an iteration",)),
        ("run_it009_optimiser.star", ("run_it009_optimiser.star does not exist",)),
    ):
        values = {"continue_from": str(done / wrong), "output": str(done / "run"), "mpi": 1}
        sentence = refusal(values, capsys)
        assert all(word in sentence for word in (*words, "run_it001_optimiser.star (", "Å"))
    (done / "run_it001_half2_class001.mrc").unlink()
    values = {"continue_from": str(done / "run_it001_optimiser.star"), "mpi": 1}
    values["output"] = str(done / "run")
    assert "run_it001_half2_class001.mrc is missing" in refusal(values, capsys)
    del before["run_it001_half2_class001.mrc"]
    assert snapshot(done) == before
    assert not (done / "superseded").exists()


def test_another_run_of_the_same_name_moves_the_finished_one_aside(
    bench: Bench, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(done)
    assert refine(options(bench, random_seed=2)) == 0
    aside = done / "superseded" / "attempt01"
    assert snapshot(aside) == before
    assert f"({len(before)}) were moved to {aside}" in capsys.readouterr().out
    assert not list(done.glob("run_it001*"))
    starts = [event for event in events(done) if isinstance(event, Start)]
    assert [event.attempt for event in starts] == [1, 2]
    assert read_exit_marker(done) == "success"


# ---- processes


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "3"}, "3 processes were started"),
        ({"PMI_RANK": "0", "PMI_SIZE": "5"}, "5 processes were started"),
    ],
)
def test_e22_an_mpirun_of_another_library_is_explained(
    variables: dict[str, str],
    sentence: str,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = refusal(options(bench, mpi=0), capsys)
    assert sentence in found
    assert "MPI counts 1" in found
    assert "another MPI library" in found


def test_e22_only_the_first_process_speaks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    assert refine(options(bench, mpi=0)) == 0
    assert capsys.readouterr() == ("", "")
    assert not (bench.folder / "O").exists()


def test_e22_fewer_processes_than_asked_for(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "3 processes were started or asked for" in refusal(options(bench, mpi=3), capsys)


def under_mpi(values: dict[str, Any], ranks: int) -> subprocess.CompletedProcess[str]:
    """A job run to its end by several processes."""
    path = local.write_job(Path(values["output"]).parent, "refine", values, "an-id")
    return subprocess.run(local.command(path, ranks), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("ranks", "changes", "sentence"),
    [
        (2, {"mpi": 0}, "2 processes cannot hold two independent halves and a leader"),
        (3, {"mpi": 3, "particles": "no.star"}, "no.star does not exist"),
    ],
)
def test_e20_several_processes_say_one_sentence(
    ranks: int, changes: dict[str, Any], sentence: str, bench: Bench
) -> None:
    found = under_mpi(options(bench, **changes), ranks)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert line.startswith(" ERROR: ")
    assert sentence in line
    assert found.stdout == ""


def test_a_worker_that_fails_ends_the_job_with_its_sentence(bench: Bench) -> None:
    """Even if MPI's launcher is held up while the sentence is printed and the job aborts."""
    script = bench.folder / "job.py"
    script.write_text(
        "import os, signal, subprocess, sys\n"
        "from compute import __main__ as program\n"
        "from compute.files.errors import InputError\n"
        "from compute.files.log import Log\n"
        "from compute.jobs.half import Half\n"
        "def broken(self, **values):\n"
        "    if self.half == 2:\n"
        "        raise InputError('the images of half 2 have gone')\n"
        "def error(self, sentence, say=Log.error):\n"
        "    launcher = os.getppid()\n"
        "    os.kill(launcher, signal.SIGSTOP)\n"
        "    later = ['sh', '-c', f'sleep 0.3; kill -CONT {launcher}']\n"
        "    subprocess.Popen(later, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "    say(self, sentence)\n"
        "Half.measure_power = broken\n"
        "Log.error = error\n"
        "sys.exit(program.main(sys.argv[1:]))\n"
    )
    values = options(bench, mpi=3, particles=str(bench.folder / "set.star"))
    path = local.write_job(bench.folder / "O", "refine", values, "an-id")
    words = local.command(path, 3)
    words = [*words[: words.index(sys.executable)], sys.executable, "-P", str(script), str(path)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert found.returncode == 2
    assert found.stderr == " ERROR: the images of half 2 have gone\n"
    end = events(bench.folder / "O")[-1]
    assert isinstance(end, End)
    assert end.message == "the images of half 2 have gone"
    assert read_exit_marker(bench.folder / "O") == "failure"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("job.json", "cannot be read")),
        ("{", ("job.json is not JSON",)),
        ("[]", ("must hold",)),
        ('{"job": "refin"}', ("'refin' is not known",)),
        ('{"job": "compare", "params": {"mapp": 1}}', ("mapp: ",)),
    ],
)
def test_job_files_that_say_nothing_usable(
    text: str | None, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "job.json"
    if text is not None:
        path.write_text(text)
    words_of_job = [sys.executable, "-m", "compute", str(path)]
    found = subprocess.run(words_of_job, capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert all(word in line for word in words), line


def test_a_job_that_is_stopped_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any) -> Iterator[Any]:
        raise SystemExit(128 + signal.SIGTERM)

    monkeypatch.setattr(step, "search_images", stopped)
    with contextlib.redirect_stderr(None):
        assert refine(options(bench)) == 128 + signal.SIGTERM
    end = events(bench.folder / "O")[-1]
    assert isinstance(end, End)
    assert end.reason == "stopped"
    assert read_exit_marker(bench.folder / "O") == "aborted"
