"""A refinement from particles and a rough map to the joined map, with its options one by one."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compute.files import events
from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.files.progress import read_progress
from compute.files.stacks import StackReader, StackWriter
from compute.files.star import read_star, read_tables, write_star
from compute.jobs.simulate import SimulatedSet
from compute.signal.fourier import lowpass
from compute.signal.resize import resize_map
from tests.compute.jobs.refining import (
    Run,
    copy_inputs,
    curve,
    make_set,
    options_of,
    particle_columns,
    pose_errors,
    refine_here,
    shells_above,
)

Tiny = tuple[Path, SimulatedSet]


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A folder of its own with the tiny set."""
    return copy_inputs(tiny[0], tmp_path / "job")


def short(tiny: Tiny, **options: Any) -> dict[str, Any]:
    """Parameters of a refinement of the tiny set that is cut off after three iterations."""
    return (
        options_of(tiny[1], symmetry="D2", maximum_iterations=3, initial_lowpass_A=30.0) | options
    )


def agreement(run: Run) -> int:
    """The last shell in which the joined map agrees with the truth by FSC 0.5, inside its envelope if it has one."""
    truth, found = (
        read_map(path).volume for path in (run.folder / "set_truth.mrc", run.files.joined_map())
    )
    envelope = run.files.envelope()
    mask = read_map(envelope).volume if envelope.is_file() else np.float32(1.0)
    return shells_above(curve(found * mask, truth * mask))


# ---- to the end


def test_a_refinement_ends_by_itself_with_the_true_map(finished: Run) -> None:
    state = finished.progress.state
    assert state.stop_reason == "converged"
    assert state.is_finished and state.iteration < 20
    assert agreement(finished) >= 13
    # The half-maps' own figure claims no more than one shell beyond what the truth confirms.
    claimed = 140.0 / state.resolution_0143_A
    assert claimed <= agreement(finished) + 1


def test_poses_are_found_and_improve(finished: Run) -> None:
    truth = finished.folder / "set_truth.star"
    turned, moved = pose_errors(finished.files.data(None), truth, "D2")
    assert np.median(turned) < 3.0
    assert (turned < 12.0).mean() > 0.9
    assert np.median(moved) < 0.8
    earlier, _ = pose_errors(finished.files.data(2), truth, "D2")
    assert np.median(turned) < np.median(earlier)


def test_the_fsc_is_one_where_the_halves_are_joined_and_only_there(finished: Run) -> None:
    told = read_progress(finished.files.job.progress)
    fsc = np.array([one for one in told if isinstance(one, events.Iteration)][-2].fsc_unmasked)
    # 140 Å / 40 Å: up to shell 4, whose outermost padded voxels lie half a shell further.
    assert fsc[:4] == pytest.approx(np.ones(4), abs=1e-6)
    assert 0.99 < fsc[4] < 1.0
    halves = [read_map(finished.files.half_map_unfiltered(None, h)).volume for h in (1, 2)]
    unjoined = curve(*halves)
    assert unjoined[3] < 1 - 1e-4


def test_the_joined_map_is_on_the_scale_of_the_data(finished: Run) -> None:
    assert slope(finished) == pytest.approx(1.0, abs=0.05)


def slope(run: Run) -> float:
    """Grey scale of the joined map against the truth, both at low resolution."""
    found, truth = (
        lowpass(torch.from_numpy(read_map(path).volume.copy()), read_map(path).pixel_size_A, 24.0)
        for path in (run.files.joined_map(), run.folder / "set_truth.mrc")
    )
    truth = truth - truth.mean()
    return float((found * truth).sum() / truth.square().sum())


def test_the_iteration_limit_ends_with_a_proper_final_iteration(tiny: Tiny, folder: Path) -> None:
    run = refine_here(folder, short(tiny))
    assert run.progress.state.iteration == 3
    assert run.progress.state.accumulation_size == 32
    assert agreement(run) >= 5
    end = read_progress(run.files.job.progress)[-1]
    assert isinstance(end, events.End)
    assert (end.reason, end.iteration) == ("iteration limit", 3)
    assert run.files.half_map_unfiltered(None, 2).is_file()


def test_a_single_iteration_is_a_refinement_too(tiny: Tiny, folder: Path) -> None:
    run = refine_here(folder, short(tiny, maximum_iterations=1))
    assert run.progress.state.iteration == 1
    assert np.isfinite(read_map(run.files.joined_map()).volume).all()


# ---- the reference


def test_a_reference_of_another_box_and_pixel_is_brought_to_the_particles(
    tiny: Tiny, folder: Path
) -> None:
    truth = torch.from_numpy(read_map(folder / "set_truth.mrc").volume.copy())
    larger = resize_map(truth, 4.0, 3.2, 48)
    write_map(folder / "other.mrc", larger.numpy(), 3.2)
    run = refine_here(folder, short(tiny, reference="other.mrc", maximum_iterations=2))
    start = read_map(run.files.half_map(0, 1))
    assert start.volume.shape == (32, 32, 32)
    expected = lowpass(truth, 4.0, 30.0).numpy()
    assert np.corrcoef(start.volume.ravel(), expected.ravel())[0, 1] > 0.99
    warnings = [
        one for one in read_progress(run.files.job.progress) if isinstance(one, events.Warn)
    ]
    assert any("other.mrc" in one.message for one in warnings)


def test_the_grey_scale_of_the_reference_does_not_matter(tiny: Tiny, folder: Path) -> None:
    plain = refine_here(folder, short(tiny, maximum_iterations=4))
    reference = read_map(folder / "set_reference.mrc").volume
    write_map(folder / "tenfold.mrc", 10 * reference, 4.0)
    options = short(tiny, reference="tenfold.mrc", output="out10/run", maximum_iterations=4)
    with contextlib.chdir(folder):
        refine_here(folder, options)
    angles = [
        particle_columns(folder / out / "run_it001_data.star")["AngleTilt"]
        for out in ("out", "out10")
    ]
    assert (np.abs(angles[0] - angles[1]) < 1e-4).mean() > 0.98
    (folder / "out").rename(folder / "kept")
    (folder / "out10").rename(folder / "out")
    assert slope(plain) == pytest.approx(1.0, abs=0.05)


def test_an_absolute_grey_scale_needs_no_correlation_iteration(tiny: Tiny, folder: Path) -> None:
    run = refine_here(folder, short(tiny, absolute_greyscale=True))
    assert run.progress.state.accuracy_angle_deg < 90
    assert agreement(run) >= 5
    norms = particle_columns(run.files.data(1))["NormCorrection"]
    assert len(set(norms)) > 1


def test_an_unfiltered_reference_sets_its_own_resolution(tiny: Tiny, folder: Path) -> None:
    options = short(tiny, absolute_greyscale=True, initial_lowpass_A=0.0)
    run = refine_here(folder, options | {"reference": "set_truth.mrc"})
    first = next(
        one for one in read_progress(run.files.job.progress) if isinstance(one, events.Iteration)
    )
    assert first.current_size is not None and first.current_size >= 16
    assert agreement(run) >= 6


# ---- options


@pytest.mark.parametrize(
    "options",
    [
        {"relax_symmetry": "C2", "symmetry": "C2"},
        {"zero_mask": False},
        {"oversampling": 0},
        {"score_divisor": 2.0},
        {"padding": 1},
        {"norm_correction": False, "scale_correction": False},
        {"flatten_solvent": False, "low_resolution_join_A": 0.0},
        {"adaptive_solvent": False, "preread_images": False},
        {"maximum_significant": 5, "perturbation": 0.0},
    ],
    ids=lambda options: "-".join(options),
)
def test_options_give_a_map_that_agrees_with_the_truth(
    tiny: Tiny, folder: Path, options: dict[str, Any]
) -> None:
    run = refine_here(folder, short(tiny, **options))
    assert agreement(run) >= 5


def test_mates_of_a_relaxed_symmetry_are_searched_locally(tiny: Tiny, folder: Path) -> None:
    options = short(tiny, relax_symmetry="C2", symmetry="C1", local_search_order=2, healpix_order=2)
    run = refine_here(folder, options | {"maximum_iterations": 4})
    assert run.progress.state.sampling.is_local
    before, after = (particle_columns(run.files.data(n))["AngleRot"] for n in (2, 3))
    jump = np.abs((after - before + 180) % 360 - 180)
    assert (jump > 150).any()


def test_a_mask_corrects_the_fsc(tiny: Tiny, folder: Path) -> None:
    axis = np.arange(32) - 16
    radius = np.sqrt(sum(one**2 for one in np.meshgrid(axis, axis, axis)))
    mask = np.clip((13.0 - radius) / 3.0, 0.0, 1.0).astype(np.float32)
    write_map(folder / "mask.mrc", mask, 4.0)
    run = refine_here(folder, short(tiny, solvent_mask="mask.mrc", solvent_correct_fsc=True))
    table = read_tables(run.files.fsc_star())["fsc"]
    curves = {
        name: table[f"rlnFourierShellCorrelation{name}"].to_numpy()
        for name in ("Corrected", "MaskedMaps", "UnmaskedMaps")
    }
    assert not np.allclose(curves["MaskedMaps"], curves["UnmaskedMaps"], atol=1e-3)
    assert curves["Corrected"] == pytest.approx(np.array(run.progress.state.fsc), abs=1e-6)
    randomised = "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps"
    assert np.abs(table[randomised].to_numpy()[1:]).max() > 0.01
    for number in (1, 2):
        unfiltered = read_map(run.files.half_map_unfiltered(number, 1)).volume
        assert not np.array_equal(unfiltered, read_map(run.files.half_map(number, 1)).volume)
    outside = read_map(run.files.half_map(2, 1)).volume[mask == 0]
    assert outside.std() < 1e-6 * np.abs(read_map(run.files.half_map(2, 1)).volume).max()
    end = read_progress(run.files.job.progress)[-1]
    assert "mask given" in end.resolution_criterion
    general = read_tables(run.files.fsc_star())["general"]
    assert general["rlnFinalResolution"] == pytest.approx(end.resolution_A)


def test_solvent_correction_without_a_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a mask"):
        refine_here(
            Path("."),
            {"particles": "a", "reference": "b", "output": "c/run"} | {"solvent_correct_fsc": True},
        )


def test_optics_groups_of_different_box_and_pixel_are_aligned_together(tmp_path: Path) -> None:
    phantom = {"symmetry": "D2", "particles": 100, "snr": 1.0, "resolution_A": 8.0}
    folder, other = tmp_path / "job", tmp_path / "other"
    made = make_set(folder, **phantom)
    make_set(other, box=40, pixel_size_A=3.2, **phantom)
    _merge(folder, other)
    run = refine_here(folder, options_of(made, symmetry="D2", maximum_iterations=6))
    errors, moved = pose_errors(run.files.data(None), folder / "set_truth.star", "D2")
    for rows in (slice(0, 100), slice(100, 200)):
        assert np.median(errors[rows]) < 9.0
        assert np.median(moved[rows]) < 2.0
    assert agreement(run) >= 11
    assert run.progress.parameters[0].noise_power.shape == (2, 17)
    assert run.progress.parameters[0].noise_power.min() > 0


def _merge(target: Path, other: Path) -> None:
    """Add the particles of another simulated set as a second optics group."""
    for name in ("set.star", "set_truth.star"):
        one, two = read_star(target / name), read_star(other / name)
        for table in ("optics", "particles"):
            columns = dict(two[table].columns)
            columns["rlnOpticsGroup"] = np.full(len(columns["rlnOpticsGroup"]), 2)
            if table == "optics":
                columns["rlnOpticsGroupName"] = np.array(["second"], dtype=object)
            else:
                columns["rlnImageName"] = np.array(
                    [text.replace("set.mrcs", "second.mrcs") for text in columns["rlnImageName"]],
                    dtype=object,
                )
                columns["rlnMicrographName"] = np.array(
                    [f"second_{text}" for text in columns["rlnMicrographName"]], dtype=object
                )
            joined = {
                label: np.concatenate([values, columns[label]])
                for label, values in one[table].columns.items()
            }
            one[table] = dataclasses.replace(one[table], columns=joined, is_list=False)
        write_star(target / name, [one["optics"], one["particles"]])
    (other / "set.mrcs").rename(target / "second.mrcs")


def test_images_with_undefined_pixels_are_refused_or_left_out(tiny: Tiny, folder: Path) -> None:
    reader = StackReader(folder / "set.mrcs")
    images = reader.read(np.arange(80)).copy()
    reader.close()
    images[[5, 40], 3, 3] = np.nan
    with StackWriter(folder / "set.mrcs", 32, 4.0) as writer:
        writer.append(images)
    with pytest.raises(InputError, match="2 of 80 images .* 000006@"):
        refine_here(folder, short(tiny))
    end = read_progress(folder / "out" / "progress.jsonl")[-1]
    assert isinstance(end, events.End)
    assert end.reason == "failed"
    run = refine_here(folder, short(tiny, bad_images="exclude"))
    names = particle_columns(run.files.data(None))["ImageName"]
    assert len(names) == 78
    assert not {"000006", "000041"} & {name.partition("@")[0] for name in names}
