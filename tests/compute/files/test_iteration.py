"""The files of an iteration have the blocks, columns and names that RELION's tools look for."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest

from compute.files.angdist import write_angular_distribution
from compute.files.checkpoint import save_checkpoint
from compute.files.continuation import find_continuation
from compute.files.errors import InputError
from compute.files.iteration import (
    ModelRecord,
    OptimiserRecord,
    SamplingRecord,
    read_model,
    read_optimiser,
    read_sampling,
    write_model,
    write_optimiser,
    write_sampling,
)
from compute.files.own_tables import loop_table
from compute.files.relion import (
    IterationFiles,
    clear_markers,
    is_abort_requested,
    read_exit_marker,
    supersede,
    write_exit_marker,
)
from compute.files.star import read_star

SHELLS = 33
COMMAND = "halfmap refine --i 'my particles.star' --sym D2"

MODEL_COLUMNS = {
    "model_general": """
        rlnReferenceDimensionality rlnDataDimensionality rlnOriginalImageSize rlnCurrentResolution
        rlnCurrentImageSize rlnPaddingFactor rlnIsHelix rlnFourierSpaceInterpolator
        rlnMinRadiusNnInterpolation rlnPixelSize rlnNrClasses rlnNrBodies rlnNrGroups
        rlnNrOpticsGroups rlnTau2FudgeFactor rlnNormCorrectionAverage rlnSigmaOffsetsAngst
        rlnOrientationalPriorMode rlnSigmaPriorRotAngle rlnSigmaPriorTiltAngle
        rlnSigmaPriorPsiAngle rlnLogLikelihood rlnAveragePmax""",
    "model_classes": """
        rlnReferenceImage rlnClassDistribution rlnAccuracyRotations rlnAccuracyTranslationsAngst
        rlnEstimatedResolution rlnOverallFourierCompleteness""",
    "model_class_1": """
        rlnSpectralIndex rlnResolution rlnAngstromResolution rlnSsnrMap rlnGoldStandardFsc
        rlnFourierCompleteness rlnReferenceSigma2 rlnReferenceTau2
        rlnSpectralOrientabilityContribution""",
    "model_groups": "rlnGroupNumber rlnGroupName rlnGroupNrParticles rlnGroupScaleCorrection",
    "model_optics_group_1": "rlnSpectralIndex rlnResolution rlnSigma2Noise",
    "model_optics_group_2": "rlnSpectralIndex rlnResolution rlnSigma2Noise",
    "model_pdf_orient_class_1": "rlnOrientationDistribution",
}
SAMPLING_COLUMNS = {
    "sampling_general": """
        rlnIs3DSampling rlnIs3DTranslationalSampling rlnHealpixOrder rlnSymmetryGroup
        rlnTiltAngleLimit rlnPsiStep rlnOffsetRange rlnOffsetStep rlnHelicalOffsetStep
        rlnSamplingPerturbInstance rlnSamplingPerturbFactor rlnHealpixOrderOriginal
        rlnPsiStepOriginal rlnOffsetRangeOriginal rlnOffsetStepOriginal""",
    "sampling_directions": "rlnAngleRot rlnAngleTilt",
}
OPTIMISER_COLUMNS = {
    "optimiser_general": """
        rlnOutputRootName rlnModelStarFile rlnModelStarFile2 rlnExperimentalDataStarFile
        rlnOrientSamplingStarFile rlnCurrentIteration rlnNumberOfIterations rlnDoSplitRandomHalves
        rlnJoinHalvesUntilThisResolution rlnAdaptiveOversampleOrder rlnAdaptiveOversampleFraction
        rlnRandomSeed rlnParticleDiameter rlnWidthMaskEdge rlnDoZeroMask rlnDoSolventFlattening
        rlnDoSolventFscCorrection rlnSolventMaskName rlnSolventMask2Name rlnBodyStarFile
        rlnTauSpectrumName rlnMaximumCoarseImageSize rlnHighresLimitExpectation
        rlnLowresLimitExpectation rlnIncrementImageSize rlnDoMapEstimation
        rlnDoFastSubsetOptimisation rlnDoExternalReconstruct rlnDoAutoRefine
        rlnAutoLocalSearchesHealpixOrder rlnNumberOfIterWithoutResolutionGain
        rlnBestResolutionThusFar rlnNumberOfIterWithoutChangingAssignments rlnDoSkipAlign
        rlnDoSkipRotate rlnOverallAccuracyRotations rlnOverallAccuracyTranslationsAngst
        rlnChangesOptimalOrientations rlnChangesOptimalOffsets rlnChangesOptimalClasses
        rlnSmallestChangesOrientations rlnSmallestChangesOffsets rlnSmallestChangesClasses
        rlnLocalSymmetryFile rlnDoHelicalRefine rlnIgnoreHelicalSymmetry rlnFourierMask
        rlnHelicalTwistInitial rlnHelicalRiseInitial rlnHelicalCentralProportion
        rlnNrHelicalNStart rlnHelicalMaskTubeInnerDiameter rlnHelicalMaskTubeOuterDiameter
        rlnHelicalSymmetryLocalRefinement rlnHelicalSigmaDistance rlnHelicalKeepTiltPriorFixed
        rlnHasConverged rlnHasHighFscAtResolLimit rlnHasLargeSizeIncreaseIterationsAgo
        rlnDoCorrectNorm rlnDoCorrectScale rlnDoCorrectCtf rlnDoCenterClasses
        rlnDoIgnoreCtfUntilFirstPeak rlnCtfDataArePhaseFlipped rlnDoOnlyFlipCtfPhases
        rlnRefsAreCtfCorrected rlnFixSigmaNoiseEstimates rlnFixSigmaOffsetEstimates
        rlnMaxNumberOfPooledParticles""",
}


def example_model() -> ModelRecord:
    shells = np.arange(float(SHELLS))
    noise = np.stack([1e-3 / (1.0 + shells), 2e-3 / (1.0 + shells)])
    noise[1, 30:] = 0.0
    return ModelRecord(
        map_file="Refine3D/job 7/run_it003_half1_class001.mrc",
        box_size=64,
        pixel_size_A=3.54,
        current_size=48,
        resolution_A=11.9876543,
        estimated_resolution_A=64 * 3.54 / 20,
        padding=2,
        regularisation=1.0,
        mean_norm_correction=0.78,
        sigma_offset_A=4.25,
        is_local_search=True,
        sigma_angle_deg=3.75,
        log_likelihood=-1234567.5,
        mean_pmax=0.32,
        accuracy_angles_deg=None,
        accuracy_offsets_A=1.5,
        overall_fourier_completeness=1.0,
        fsc=np.exp(-shells / 8.0),
        ssnr=np.exp(5.0 - shells / 4.0),
        fourier_completeness=np.ones(SHELLS),
        map_noise_power=np.full(SHELLS, 1.234567891e-7),
        signal_power=np.exp(-shells),
        orientability=np.full(SHELLS, 1.0 / SHELLS),
        group_names=("001", "micrograph two"),
        group_particles=np.array([10, 20]),
        group_scale=np.array([0.9, 1.1]),
        noise_power=noise,
        direction_probability=np.full(12, 1.0 / 12.0),
    )


def example_sampling() -> SamplingRecord:
    return SamplingRecord(
        healpix_order=3,
        symmetry="D2",
        offset_range_A=6.5,
        offset_step_A=1.9,
        perturbation=-0.25,
        perturbation_factor=0.5,
        first_healpix_order=2,
        first_offset_range_A=17.7,
        first_offset_step_A=7.08,
        directions_deg=np.array([[45.0, 48.189685], [0.0, 90.0]]),
    )


def example_optimiser() -> OptimiserRecord:
    return OptimiserRecord(
        root="OUT/run",
        model_file="OUT/run_it003_half1_model.star",
        model_half2_file="OUT/run_it003_half2_model.star",
        data_file="OUT/run_it003_data.star",
        sampling_file="OUT/run_it003_sampling.star",
        iteration=3,
        iteration_limit=999,
        join_halves_A=40.0,
        oversampling=1,
        adaptive_fraction=0.999,
        seed=7,
        particle_diameter_A=200.0,
        mask_edge_pixels=5,
        is_zero_masked=True,
        is_solvent_flattened=True,
        is_fsc_solvent_corrected=False,
        solvent_mask_file=None,
        size_increment=10,
        local_search_order=4,
        iterations_without_gain=1,
        best_resolution_A=12.5,
        iterations_without_change=0,
        accuracy_angles_deg=2.5,
        accuracy_offsets_A=None,
        change_angles_deg=1.25,
        change_offsets_A=0.5,
        smallest_change_angles_deg=1.25,
        smallest_change_offsets_A=0.5,
        has_converged=False,
        has_high_fsc=True,
        is_norm_corrected=True,
        is_scale_corrected=True,
        is_ctf_corrected=True,
        is_first_peak_intact=False,
        are_data_phase_flipped=False,
        are_phases_only_flipped=False,
        pooled_particles=3,
    )


def columns_of(path: Path) -> dict[str, list[str]]:
    return {name: list(table.columns) for name, table in read_star(path).items()}


def test_model_has_every_column_and_value(tmp_path: Path) -> None:
    path = tmp_path / "run_it003_half1_model.star"
    record = example_model()
    write_model(path, record)
    assert columns_of(path) == {name: text.split() for name, text in MODEL_COLUMNS.items()}
    blocks = read_model(path)
    general, curves = blocks["model_general"], blocks["model_class_1"]
    assert isinstance(curves, pd.DataFrame) and isinstance(blocks["model_classes"], pd.DataFrame)
    assert general["rlnCurrentResolution"] == record.resolution_A
    assert general["rlnOrientationalPriorMode"] == 1
    assert general["rlnLogLikelihood"] == record.log_likelihood
    np.testing.assert_allclose(curves["rlnReferenceSigma2"], record.map_noise_power, rtol=1e-8)
    np.testing.assert_allclose(curves["rlnGoldStandardFsc"], record.fsc, rtol=1e-8)
    assert curves["rlnAngstromResolution"][0] == 999.0
    assert curves["rlnAngstromResolution"][4] == pytest.approx(64 * 3.54 / 4)
    assert curves["rlnResolution"][4] == pytest.approx(4 / (64 * 3.54))
    assert blocks["model_classes"]["rlnAccuracyRotations"][0] == 999.0
    assert blocks["model_classes"]["rlnReferenceImage"][0] == record.map_file
    assert list(blocks["model_groups"]["rlnGroupName"]) == ["001", "micrograph two"]
    assert len(blocks["model_optics_group_1"]) == SHELLS
    assert list(blocks["model_optics_group_2"]["rlnSpectralIndex"]) == list(range(30))


def test_orientability_is_left_out_before_it_is_known(tmp_path: Path) -> None:
    write_model(tmp_path / "m.star", replace(example_model(), orientability=None))
    expected = MODEL_COLUMNS["model_class_1"].split()[:-1]
    assert columns_of(tmp_path / "m.star")["model_class_1"] == expected


def test_sampling_has_every_column_and_value(tmp_path: Path) -> None:
    path = tmp_path / "run_it003_sampling.star"
    write_sampling(path, example_sampling())
    assert columns_of(path) == {name: text.split() for name, text in SAMPLING_COLUMNS.items()}
    blocks = read_sampling(path)
    assert blocks["sampling_general"]["rlnPsiStep"] == 7.5
    assert blocks["sampling_general"]["rlnPsiStepOriginal"] == 15.0
    assert blocks["sampling_general"]["rlnSymmetryGroup"] == "D2"
    assert list(blocks["sampling_directions"]["rlnAngleTilt"]) == [48.189685, 90.0]


def test_optimiser_has_every_column_and_the_command(tmp_path: Path) -> None:
    path = tmp_path / "run_it003_optimiser.star"
    write_optimiser(path, example_optimiser(), COMMAND)
    assert columns_of(path) == {name: text.split() for name, text in OPTIMISER_COLUMNS.items()}
    assert f"# {COMMAND}" in path.read_text().splitlines()
    values = read_optimiser(path)["optimiser_general"]
    assert values["rlnBestResolutionThusFar"] == pytest.approx(0.08)
    assert values["rlnOverallAccuracyTranslationsAngst"] == 999.0
    assert values["rlnSolventMaskName"] == "None"
    assert values["rlnRandomSeed"] == 7
    assert bool(values["rlnHasHighFscAtResolLimit"]) and not bool(values["rlnHasConverged"])


def test_final_optimiser_names_no_second_model(tmp_path: Path) -> None:
    path = tmp_path / "run_optimiser.star"
    write_optimiser(path, replace(example_optimiser(), model_half2_file=""), COMMAND)
    assert read_star(path)["optimiser_general"].columns["rlnModelStarFile2"][0] == ""


def test_equal_records_make_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model(tmp_path / f"{name}_model.star", example_model())
        write_optimiser(tmp_path / f"{name}_optimiser.star", example_optimiser(), COMMAND)
    for kind in ("model", "optimiser"):
        first, second = (tmp_path / f"{name}_{kind}.star" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
        assert not [line for line in first.read_text().splitlines() if "Created by" in line]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_figures_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    fsc = example_model().fsc.copy()
    fsc[3] = value
    with pytest.raises(ValueError, match=r"gold_standard_fsc of model_class_1 .* row 4"):
        write_model(tmp_path / "m.star", replace(example_model(), fsc=fsc))
    assert not list(tmp_path.iterdir())


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="columns of sampling_directions differ in length"):
        loop_table("sampling_directions", {"angle_rot_deg": np.ones(3), "psi_step_deg": np.ones(2)})


def test_cylinders_stand_on_the_sphere_where_the_views_are(tmp_path: Path) -> None:
    path = tmp_path / "run_it003_half1_class001_angdist.bild"
    directions = np.array([[0.0, 0.0], [0.0, 90.0], [90.0, 90.0]])
    write_angular_distribution(path, directions, np.array([4.0, 2.0, 0.0]), 200.0, 7.5)
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [line[0] for line in lines] == [".color", ".cylinder"] * 2
    assert [float(x) for x in lines[0][1:]] == [1.0, 0.0, 0.0]
    assert [float(x) for x in lines[2][1:]] == [0.5, 0.0, 0.5]
    np.testing.assert_allclose([float(x) for x in lines[1][1:7]], [100, 100, 200, 100, 100, 230])
    np.testing.assert_allclose([float(x) for x in lines[3][1:7]], [200, 100, 100, 215, 100, 100])
    assert float(lines[1][7]) == pytest.approx(100.0 * np.deg2rad(7.5) / 2.0, rel=1e-5)


def test_names_are_those_of_relion(tmp_path: Path) -> None:
    files = IterationFiles(tmp_path / "run")
    names = {
        files.half_map(3, 1): "run_it003_half1_class001.mrc",
        files.half_map_unfiltered(3, 2): "run_it003_half2_class001_unfil.mrc",
        files.half_map_unfiltered(None, 2): "run_half2_class001_unfil.mrc",
        files.half_model(0, 2): "run_it000_half2_model.star",
        files.half_angdist(12, 1): "run_it012_half1_class001_angdist.bild",
        files.data(3): "run_it003_data.star",
        files.data(None): "run_data.star",
        files.optimiser(1234): "run_it1234_optimiser.star",
        files.sampling(None): "run_sampling.star",
        files.final_model(): "run_model.star",
        files.final_angdist(): "run_class001_angdist.bild",
        files.joined_map(): "run_class001.mrc",
        files.checkpoint(3): "run_it003_checkpoint.npz",
        files.fsc_star(): "run_fsc.star",
        files.fsc_xml(): "run_fsc.xml",
        files.job.progress: "progress.jsonl",
        files.job.run_out: "run.out",
        files.job.run_err: "run.err",
    }
    assert {path.name: path.parent for path in names} == dict.fromkeys(names.values(), tmp_path)
    assert files.iteration_of(files.optimiser(1234)) == 1234
    assert files.iteration_of(files.data(None)) is None


def test_markers_follow_one_another(tmp_path: Path) -> None:
    assert read_exit_marker(tmp_path) is None
    write_exit_marker(tmp_path, "failure")
    assert (tmp_path / "RELION_JOB_EXIT_FAILURE").exists()
    write_exit_marker(tmp_path, "success")
    assert [path.name for path in tmp_path.iterdir()] == ["RELION_JOB_EXIT_SUCCESS"]
    assert read_exit_marker(tmp_path) == "success"
    (tmp_path / "RELION_JOB_ABORT_NOW").touch()
    assert is_abort_requested(tmp_path)
    clear_markers(tmp_path)
    assert not list(tmp_path.iterdir()) and not is_abort_requested(tmp_path)


def test_later_and_final_files_are_moved_and_never_overwritten(tmp_path: Path) -> None:
    kept = ["run.out", "progress.jsonl", "run_it002_data.star", "other_it009_data.star"]
    later = ["run_it003_data.star", "run_it010_half1_class001.mrc", "run_class001.mrc"]
    for name in kept:
        (tmp_path / name).write_text("kept")
    for attempt in (1, 2):
        for name in later:
            (tmp_path / name).write_text(f"attempt {attempt}")
        moved = supersede(tmp_path / "run", after_iteration=2)
        folder = tmp_path / "superseded" / f"attempt{attempt:02d}"
        assert sorted(path.name for path in folder.iterdir()) == sorted(later)
        assert {path.parent for path in moved} == {folder}
    first = tmp_path / "superseded" / "attempt01" / later[0]
    assert first.read_text() == "attempt 1"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted(kept)
    assert supersede(tmp_path / "run", after_iteration=2) == []
    assert len(supersede(tmp_path / "run", after_iteration=-1, attempt=7)) == 1
    assert (tmp_path / "superseded" / "attempt07" / "run_it002_data.star").exists()


def continuable(folder: Path, iteration: int) -> IterationFiles:
    files = IterationFiles(folder / "run")
    write_optimiser(files.optimiser(iteration), example_optimiser(), COMMAND)
    write_model(files.half_model(iteration, 1), example_model())
    save_checkpoint(files.checkpoint(iteration), {"map": np.ones(3)}, {"iteration": iteration})
    return files


def test_continuation_needs_the_file_of_an_iteration_and_its_checkpoint(tmp_path: Path) -> None:
    files = continuable(tmp_path, 4)
    continuable(tmp_path, 5)
    assert find_continuation(files.optimiser(5)) == (tmp_path / "run", 5)
    write_optimiser(files.optimiser(None), example_optimiser(), COMMAND)
    write_optimiser(files.optimiser(6), example_optimiser(), COMMAND)
    listing = r"run_it004_optimiser\.star \(11\.99 Å.*FSC 0\.5\), run_it005_optimiser\.star"
    for wrong in (files.optimiser(None), files.optimiser(9), files.optimiser(6), files.data(4)):
        with pytest.raises(InputError, match=listing) as caught:
            find_continuation(wrong)
        assert "run_it006" not in str(caught.value).partition("these can be continued")[2]
    save = files.checkpoint(5)
    save.write_bytes(save.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"it005_checkpoint\.npz is damaged.*: run_it004"):
        find_continuation(files.optimiser(5))


def test_continuation_in_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No iteration in .* can be continued"):
        find_continuation(tmp_path / "run_it001_optimiser.star")


OPTICS_AND_PARTICLES = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
1 og1 200.0 1.4 0.1 3.54 64 2

data_particles

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnOpticsGroup #3
_rlnDefocusU #4
_rlnDefocusV #5
_rlnDefocusAngle #6
_rlnRandomSubset #7
1@stack.mrcs one.mrc 1 10000 9900 10 1
2@stack.mrcs two.mrc 1 10000 9900 10 2
"""


def relion_state(folder: Path) -> Path:
    """All files from which RELION continues after iteration 3; returns its optimiser file."""
    folder.mkdir()
    files = IterationFiles(folder / "run")
    with mrcfile.new(folder.parent / "stack.mrcs") as stack:
        stack.set_data(np.zeros((2, 64, 64), np.float32))
    files.data(3).write_text(OPTICS_AND_PARTICLES)
    directions = np.array([[45.0, 48.189685], [135.0, 48.189685], [0.0, 90.0], [90.0, 90.0]])
    sampling = replace(example_sampling(), healpix_order=0, directions_deg=directions)
    write_sampling(files.sampling(3), sampling)
    for half in (1, 2):
        with mrcfile.new(files.half_map(3, half)) as volume:
            volume.set_data(np.zeros((64, 64, 64), np.float32))
            volume.voxel_size = 3.54
        record = replace(
            example_model(),
            map_file=str(files.half_map(3, half)),
            is_local_search=False,
            noise_power=np.linspace(1e-3, 2e-4, 2 * SHELLS).reshape(2, SHELLS),
            direction_probability=np.array([0.1, 0.2, 0.3, 0.4]),
        )
        write_model(files.half_model(3, half), record)
        text = files.half_model(3, half).read_text()
        files.half_model(3, half).write_text(text.replace("model_optics_group", "model_group"))
    record = replace(
        example_optimiser(),
        root=str(files.root),
        model_file=str(files.half_model(3, 1)),
        model_half2_file=str(files.half_model(3, 2)),
        data_file=str(files.data(3)),
        sampling_file=str(files.sampling(3)),
    )
    write_optimiser(files.optimiser(3), record, COMMAND)
    return files.optimiser(3)


@pytest.mark.agreement
def test_relion_reads_our_state_and_writes_it_back(tmp_path: Path) -> None:
    """Without MPI RELION 3.1 reads a state, writes it anew and then refuses to go on.

    It calls the noise blocks `model_group_N`; a label that it misses is an error before it writes.
    """
    program = shutil.which("relion_refine")
    if program is None:
        pytest.skip("relion_refine is not installed")
    optimiser = relion_state(tmp_path / "ours")
    (tmp_path / "theirs").mkdir()
    command = [program, "--continue", str(optimiser), "--o", "theirs/run"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    ours = read_star(IterationFiles(tmp_path / "ours" / "run").half_model(3, 1))
    theirs = read_star(tmp_path / "theirs" / "run_it003_half0_model.star")
    assert set(theirs) == set(ours)
    changed = {"rlnReferenceImage", "rlnGroupNrParticles", "rlnNrOpticsGroups"}
    changed |= {"rlnSpectralOrientabilityContribution"}  # estimated anew in every iteration
    for name, block in ours.items():
        assert theirs[name].is_list == block.is_list
        for label in set(block.columns) - changed:
            if block.columns[label].dtype.kind == "f":
                np.testing.assert_allclose(
                    theirs[name].columns[label], block.columns[label], rtol=1e-5, atol=6e-7
                )
            else:
                assert list(theirs[name].columns[label]) == list(block.columns[label])
    settings = read_star(tmp_path / "theirs" / "run_it003_optimiser.star")["optimiser_general"]
    assert settings.columns["rlnCurrentIteration"][0] == 3
    assert settings.columns["rlnParticleDiameter"][0] == 200.0
    assert settings.columns["rlnBestResolutionThusFar"][0] == pytest.approx(0.08)
    assert settings.columns["rlnAutoLocalSearchesHealpixOrder"][0] == 4
