"""What a refinement leaves on disk: every file of every iteration and of the end, and what they hold."""

import os
import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch

from compute.files import events
from compute.files.checkpoint import load_checkpoint
from compute.files.model_star import read_model
from compute.files.mrc import read_map
from compute.files.optimiser_star import read_optimiser
from compute.files.progress import read_progress
from compute.files.relion import FINAL_NAMES, UNSCORED, read_exit_marker
from compute.files.sampling_star import read_sampling
from compute.files.star import read_star, read_tables
from compute.signal.fsc import CorrectedFsc, corrected_fsc
from tests.compute.jobs.refining import Run, curve, particle_columns, shells_above

RESULT_COLUMNS = {
    "AngleRot",
    "AngleTilt",
    "AnglePsi",
    "OriginXAngst",
    "OriginYAngst",
    "ClassNumber",
    "NormCorrection",
    "LogLikeliContribution",
    "MaxValueProbDistribution",
    "NrOfSignificantSamples",
    "RandomSubset",
    "GroupNumber",
}
NUMBERED = (
    "half1_class001.mrc",
    "half2_class001.mrc",
    "half1_model.star",
    "half2_model.star",
    "half1_class001_angdist.bild",
    "half2_class001_angdist.bild",
    "data.star",
    "optimiser.star",
    "sampling.star",
    "checkpoint.npz",
)


def test_every_file_of_every_iteration_and_of_the_end_is_there_and_no_other(finished: Run) -> None:
    last = finished.progress.state.iteration
    numbered = {f"run_it{n:03d}_{name}" for n in range(last) for name in NUMBERED}
    final = {f"run_{name}" for name in FINAL_NAMES if name != UNSCORED}
    job = {"run.out", "run.err", "progress.jsonl", "RELION_JOB_EXIT_SUCCESS"}
    assert {path.name for path in finished.files.folder.iterdir()} == numbered | final | job
    assert read_exit_marker(finished.files.folder) == "success"


def test_all_input_columns_and_rows_survive(finished: Run) -> None:
    given = particle_columns(finished.folder / "set.star")
    for path in (finished.files.data(0), finished.files.data(3), finished.files.data(None)):
        found = particle_columns(path)
        assert set(found) == set(given) | RESULT_COLUMNS
        for name, values in given.items():
            assert np.array_equal(found[name], values), name
        optics = [read_star(one)["optics"].columns for one in (path, finished.folder / "set.star")]
        assert optics[0].keys() == optics[1].keys()


def test_the_particle_table_holds_the_results(finished: Run) -> None:
    table, progress = particle_columns(finished.files.data(None)), finished.progress
    rows = [np.flatnonzero(table["RandomSubset"] == half) for half in (1, 2)]
    assert [len(one) for one in rows] == [60, 60]
    for one, results, parameters in zip(
        rows, progress.results or [], progress.parameters, strict=True
    ):
        assert table["MaxValueProbDistribution"][one] == pytest.approx(
            results.maximum_probability, abs=1e-6
        )
        assert table["LogLikeliContribution"][one] == pytest.approx(results.log_evidence, abs=1e-3)
        assert table["OriginXAngst"][one] == pytest.approx(results.origin_A[:, 0], abs=1e-5)
        assert table["NormCorrection"][one] == pytest.approx(parameters.norm, abs=1e-5)
        assert np.array_equal(table["NrOfSignificantSamples"][one], results.significant_samples)
    assert set(table["ClassNumber"]) == {1}
    assert sorted(set(table["GroupNumber"])) == [1, 2, 3, 4, 5]
    assert table["MaxValueProbDistribution"].max() <= 1.0
    assert table["MaxValueProbDistribution"].min() > 0.0


def test_halves_stay_the_same_in_every_iteration(finished: Run) -> None:
    first = particle_columns(finished.files.data(0))["RandomSubset"]
    for number in (*range(1, finished.progress.state.iteration), None):
        assert np.array_equal(particle_columns(finished.files.data(number))["RandomSubset"], first)


def test_maps_carry_box_pixel_size_and_what_was_computed(finished: Run) -> None:
    progress, files = finished.progress, finished.files
    expected = {files.joined_map(): progress.joined}
    expected |= {files.half_map_unfiltered(None, h): progress.unfiltered[h - 1] for h in (1, 2)}
    for path, volume in expected.items():
        assert np.array_equal(read_map(path).volume, volume)
        assert read_map(path).pixel_size_A == pytest.approx(3.5)
        assert mrcfile.validate(path, print_file=None) or path.suffix == ".mrc"
    # The half-maps themselves bear out the reported resolution.
    halves = [read_map(files.half_map_unfiltered(None, half)).volume for half in (1, 2)]
    claimed = round(140.0 / progress.state.resolution_0143_A)
    assert curve(*halves)[claimed] > 0.1


def final_curves(run: Run) -> CorrectedFsc:
    """The FSC of the written half-maps inside the written envelope, as any other program would find it."""
    files = run.files
    first, second, mask = (
        torch.from_numpy(read_map(path).volume)
        for path in (*(files.half_map_unfiltered(None, half) for half in (1, 2)), files.envelope())
    )
    return corrected_fsc(first, second, mask, 3.5, seed=1)


def test_fsc_files_hold_the_curves_of_the_half_maps_beside_them(finished: Run) -> None:
    table = read_tables(finished.files.fsc_star())["fsc"]
    expected = final_curves(finished)
    assert len(table) == 21
    for name, known in (
        ("UnmaskedMaps", expected.unmasked),
        ("MaskedMaps", expected.masked),
        ("Corrected", expected.corrected),
    ):
        found = table[f"rlnFourierShellCorrelation{name}"].to_numpy()
        assert found == pytest.approx(known.numpy(), abs=1e-4)
    assert table["rlnAngstromResolution"].to_numpy()[4] == pytest.approx(35.0)
    text = finished.files.fsc_xml().read_text()
    values = [float(value) for value in re.findall(r"<y>(.*?)</y>", text)]
    assert values == pytest.approx(expected.corrected.tolist(), abs=1e-4)


def test_the_envelope_holds_the_molecule_and_leaves_solvent_out(finished: Run) -> None:
    mask = read_map(finished.files.envelope()).volume
    outside = finished.progress.joined[mask == 0]
    assert 0.02 < mask.mean() < 0.7
    assert np.abs(finished.progress.joined[mask == 1]).max() > 3 * np.abs(outside).max()


def test_every_record_says_the_resolution_of_the_half_maps_that_are_written(finished: Run) -> None:
    """One figure and one curve, which a program that is given maps and mask finds too; the join has no part in them."""
    files = finished.files
    expected = final_curves(finished).corrected.numpy()
    said_A = 140.0 / shells_above(expected, 0.143)
    model, fsc = read_model(files.final_model()), read_tables(files.fsc_star())
    told = read_progress(files.job.progress)
    last = [one for one in told if isinstance(one, events.Iteration)][-1]
    printed = re.findall(r"Final resolution.*: ([0-9.]+)", files.job.run_out.read_text())
    figures = {
        "state": finished.progress.state.resolution_0143_A,
        "model": model["model_general"]["rlnCurrentResolution"],
        "class": float(model["model_classes"]["rlnEstimatedResolution"].iloc[0]),
        "FSC file": fsc["general"]["rlnFinalResolution"],
        "iteration": last.resolution_fsc0143_A,
        "end": told[-1].resolution_A,
        "printed": float(printed[-1]),
    }
    assert figures == {name: pytest.approx(said_A, rel=1e-5) for name in figures}
    assert last.is_final and last.resolution_fsc05_A == 140.0 / shells_above(expected, 0.5)
    for found in (
        model["model_class_1"]["rlnGoldStandardFsc"].to_numpy(),
        fsc["fsc"]["rlnFourierShellCorrelationCorrected"].to_numpy(),
        np.array(last.fsc),
    ):
        assert found == pytest.approx(expected, abs=1e-4)
    names = [fsc["general"][f"rlnUnfilteredMapHalf{half}"] for half in (1, 2)]
    assert names == [f"out/run_half{half}_class001_unfil.mrc" for half in (1, 2)]


@pytest.mark.parametrize("half", [1, 2])
def test_model_files_hold_the_half_s_own_parameters(finished: Run, half: int) -> None:
    last = finished.progress.state.iteration - 1
    tables = read_model(finished.files.half_model(last, half))
    arrays, state = load_checkpoint(finished.files.checkpoint(last))
    general = tables["model_general"]
    assert general["rlnOriginalImageSize"] == 40
    assert general["rlnNormCorrectionAverage"] == pytest.approx(state[f"half{half}_mean_norm"])
    assert general["rlnSigmaOffsetsAngst"] == pytest.approx(state[f"half{half}_offset_sigma_A"])
    assert general["rlnCurrentResolution"] == pytest.approx(state["state"]["resolution_A"])
    noise = tables["model_optics_group_1"]["rlnSigma2Noise"].to_numpy()
    assert noise == pytest.approx(arrays[f"half{half}_noise_power"][0], rel=1e-5)
    curves = tables["model_class_1"]
    assert curves["rlnGoldStandardFsc"].to_numpy() == pytest.approx(
        np.array(state["state"]["fsc"]), abs=1e-6
    )
    shares = curves["rlnSpectralOrientabilityContribution"].to_numpy()
    assert shares.sum() == pytest.approx(1.0, abs=1e-4)
    groups = tables["model_groups"]
    assert int(groups["rlnGroupNrParticles"].sum()) == 60
    assert groups["rlnGroupScaleCorrection"].to_numpy() == pytest.approx(
        arrays[f"half{half}_scale"], rel=1e-5
    )
    views = tables["model_pdf_orient_class_1"]["rlnOrientationDistribution"].to_numpy()
    assert views.sum() == pytest.approx(1.0, abs=1e-6)


def test_the_final_model_is_that_of_all_particles(finished: Run) -> None:
    tables, progress = read_model(finished.files.final_model()), finished.progress
    general, curves = tables["model_general"], tables["model_class_1"]
    total = sum(float(one.log_evidence.sum()) for one in progress.results or [])
    assert general["rlnLogLikelihood"] == pytest.approx(total, rel=1e-6)
    assert general["rlnCurrentResolution"] == pytest.approx(progress.state.resolution_0143_A)
    assert int(tables["model_groups"]["rlnGroupNrParticles"].sum()) == 120
    # Twice the data of a half has half its noise.
    noise = curves["rlnReferenceSigma2"].to_numpy()
    half = progress.spectra[0]["noise"]
    assert noise[3:] == pytest.approx(half[3:] / 2, rel=0.15)
    ssnr = curves["rlnSsnrMap"].to_numpy()
    assert ssnr == pytest.approx(np.array(progress.state.ssnr), rel=1e-5)
    assert curves["rlnReferenceTau2"].to_numpy()[3:] == pytest.approx((ssnr * noise)[3:], rel=1e-4)


def test_optimiser_and_sampling_files_name_the_state_and_the_other_files(finished: Run) -> None:
    for number in (0, 2, None):
        values = read_optimiser(finished.files.optimiser(number))["optimiser_general"]
        state = finished.progress.state
        if number is not None:
            state_values = load_checkpoint(finished.files.checkpoint(number))[1]["state"]
            assert (
                values["rlnNumberOfIterWithoutResolutionGain"]
                == (state_values["iterations_without_gain"])
            )
        assert values["rlnCurrentIteration"] == (state.iteration if number is None else number)
        assert values["rlnRandomSeed"] == 1
        names = ["ModelStarFile", "ExperimentalDataStarFile", "OrientSamplingStarFile"]
        for name in names:
            assert (finished.folder / values[f"rln{name}"]).is_file()
        assert (values["rlnModelStarFile2"] == "") == (number is None)
        assert values["rlnHasConverged"] == (number is None)
    sampling = read_sampling(finished.files.sampling(None))
    general, last = sampling["sampling_general"], finished.progress.state.sampling
    assert general["rlnHealpixOrder"] == last.order
    assert general["rlnOffsetStep"] == pytest.approx(last.offset_step_A)
    assert general["rlnSymmetryGroup"] == "D2"
    moved_deg = np.degrees(np.linalg.norm(finished.progress.rotation_offset))
    assert general["rlnSamplingPerturbInstance"] * last.coarse_step_deg == pytest.approx(moved_deg)
    assert len(sampling["sampling_directions"]) == 12 * 4 ** min(last.order, 4)


def test_view_files_hold_one_cylinder_per_seen_direction(finished: Run) -> None:
    for path in (finished.files.final_angdist(), finished.files.half_angdist(2, 1)):
        lines = path.read_text().splitlines()
        assert sum(line.startswith(".cylinder") for line in lines) > 10


def test_progress_tells_the_whole_story(finished: Run) -> None:
    told = read_progress(finished.files.job.progress)
    start, end = told[0], told[-1]
    assert isinstance(start, events.Start)
    assert (start.seed, start.particles, start.half_sizes) == (1, 120, [60, 60])
    assert (start.box_size, start.symmetry, start.attempt) == (40, "D2", 1)
    assert [(rank.role, rank.pid) for rank in start.ranks] == [("both halves", os.getpid())]
    iterations = [one for one in told if isinstance(one, events.Iteration)]
    state = finished.progress.state
    assert [one.iteration for one in iterations] == list(range(1, state.iteration + 1))
    assert [one.is_final for one in iterations] == [False] * (state.iteration - 1) + [True]
    for one in iterations:
        assert sum(map(sum, one.orientations.counts)) == 120
        assert len(one.noise_power) == 2
        assert one.explanation and one.seconds > 0 and one.files
        assert all((finished.files.folder / name).is_file() for name in one.files)
        assert one.resolution_fsc05_A >= one.resolution_fsc0143_A
    # Of the figures of the cockpit none is left out once there is a map of the run's own.
    rare = {"resolution_after_dip_A", "peak_gpu_memory_GB"}
    for one in iterations[1:]:
        values = one.model_dump()
        empty = {name for name, value in values.items() if value in (None, "", [], {})}
        assert not empty - rare
        assert len(one.orientation_files) == (1 if one.is_final else 2)
    assert iterations[-1].fsc == pytest.approx(list(state.fsc))
    assert iterations[-1].orientability and iterations[0].orientability == []
    assert isinstance(end, events.End)
    assert (end.reason, end.exit_status, end.iteration) == ("converged", 0, state.iteration)
    assert end.resolution_A == pytest.approx(state.resolution_0143_A)
    assert "0.143" in (end.resolution_criterion or "")
    assert all((finished.files.folder / name).is_file() for name in end.files)


def test_run_out_can_be_searched_for_auto(finished: Run) -> None:
    lines = finished.files.job.run_out.read_text().splitlines()
    told = [line for line in lines if line.startswith(" Auto-refine: ")]
    count = finished.progress.state.iteration
    numbers = [int(line.rpartition("=")[2]) for line in told if "Iteration=" in line]
    assert numbers == list(range(1, count + 1))
    unmasked, masked = [line for line in told if "Final resolution" in line]
    for line, known in (
        (unmasked, 140.0 / shells_above(final_curves(finished).unmasked.numpy(), 0.143)),
        (masked, finished.progress.state.resolution_0143_A),
    ):
        assert float(line.rpartition(":")[2]) == pytest.approx(known, rel=1e-5)
    assert "without masking" in unmasked and "envelope" in masked
    assert any("0.5 at" in line and "0.143 at" in line for line in told)
    warned = [
        one.message
        for one in read_progress(finished.files.job.progress)
        if isinstance(one, events.Warn)
    ]
    assert finished.files.job.run_err.read_text() == "".join(f" WARNING: {one}\n" for one in warned)


def test_a_checkpoint_holds_state_parameters_and_half_sets(finished: Run) -> None:
    arrays, state = load_checkpoint(finished.files.checkpoint(2))
    assert state["state"]["iteration"] == 2
    assert state["seed"] == 1
    assert sorted(sum(state["rows"], [])) == list(range(120))
    assert arrays["half1_rotation"].shape == (60, 3, 3)
    assert Path(state["params"]["particles"]).name == "set.star"
