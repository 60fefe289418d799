"""Command lines of `halfmap refine`, ours and RELION's, to parameters."""

from typing import Any

import pytest

from compute.params.compare import CompareParams
from compute.params.mask import MaskParams
from compute.params.option import JobParams
from compute.params.refine import RefineParams
from compute.params.simulate import SimulateParams
from webapp import cli
from webapp.options import OptionError, build, details, help_text, normal, parse, spellings
from webapp.relion_options import IGNORED, REFUSED

FILES = "--i p.star --ref m.mrc --o O/run"
PASTED = (
    "--o Refine3D/job019/run --auto_refine --split_random_halves --i Extract/job018/particles.star "
    "--ref Class3D/job016/run_it025_class002_box256.mrc --firstiter_cc --trust_ref_size "
    "--ini_high 50 --dont_combine_weights_via_disc --pool 3 --pad 2 --auto_ignore_angles "
    "--auto_resol_angles --ctf --particle_diameter 200 --flatten_solvent --zero_mask "
    "--oversampling 1 --healpix_order 2 --auto_local_healpix_order 4 --offset_range 5 "
    "--offset_step 2 --sym D2 --low_resol_join_halves 40 --norm --scale --j 6"
).split() + ["--gpu", "", "--pipeline_control", "Refine3D/job019/"]


def read(words: str | list[str]) -> RefineParams:
    params = build(
        RefineParams, parse(RefineParams, words.split() if isinstance(words, str) else words)
    )
    assert isinstance(params, RefineParams)
    return params


@pytest.mark.parametrize(
    "words",
    [
        "--particle-diameter 180",
        "--particle_diameter 180",
        "--particle_diameter_A 180",
        "--particle-diameter-A 180",
        "--particle-diameter=180",
    ],
)
def test_a_value_under_all_its_names(words: str) -> None:
    assert read(f"{FILES} {words}").particle_diameter_A == 180.0


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--no-ctf", "correct_ctf", False),
        ("--no-correct-ctf", "correct_ctf", False),
        ("--ctf", "correct_ctf", True),
        ("--absolute-greyscale", "absolute_greyscale", True),
        ("--firstiter_cc", "absolute_greyscale", False),
        ("--no-zero-mask", "zero_mask", False),
        ("--preread_images", "preread_images", True),
        ("--no-preread-images", "preread_images", False),
        ("--faster", "ignore_angles", True),
        ("--faster", "resolution_angles", True),
        ("--gpu 0:1", "gpu", "0:1"),
        ("--gpu --j 2", "gpu", ""),
        ("--gpu", "gpu", ""),
        ("--ini_high -1", "initial_lowpass_A", 0.0),
        ("--low_resol_join_halves -1", "low_resolution_join_A", 0.0),
        ("--maxsig -1", "maximum_significant", 0),
        ("--random_seed -1", "random_seed", -1),
        ("--offset_step 1.5", "offset_step_px", 1.5),
        ("--sym c3 --relax_sym C2", "relax_symmetry", "C2"),
        ("--K 1", "symmetry", "C1"),
    ],
)
def test_words_and_what_they_set(words: str, name: str, value: object) -> None:
    assert getattr(read(f"{FILES} {words}"), name) == value


def test_a_pasted_command_line() -> None:
    params = read(PASTED)
    expected: dict[str, Any] = {
        "particles": "Extract/job018/particles.star",
        "reference": "Class3D/job016/run_it025_class002_box256.mrc",
        "output": "Refine3D/job019/run",
        "absolute_greyscale": False,
        "initial_lowpass_A": 50.0,
        "padding": 2,
        "ignore_angles": True,
        "resolution_angles": True,
        "correct_ctf": True,
        "particle_diameter_A": 200.0,
        "flatten_solvent": True,
        "zero_mask": True,
        "oversampling": 1,
        "healpix_order": 2,
        "local_search_order": 4,
        "offset_range_px": 5.0,
        "offset_step_px": 2.0,
        "symmetry": "D2",
        "low_resolution_join_A": 40.0,
        "norm_correction": True,
        "scale_correction": True,
        "threads": 6,
        "gpu": "",
    }
    assert params.model_dump(include=set(expected)) == expected


def test_the_program_and_its_launcher_may_be_pasted_too() -> None:
    words = ["mpirun", "-n", "5", "`which", "relion_refine_mpi`", *PASTED]
    assert read(words).mpi == 5
    assert read(["relion_refine", *PASTED]) == read(PASTED)


def test_each_option_without_meaning_is_said_in_one_line() -> None:
    notes = parse(RefineParams, PASTED).notes
    for word in ("--auto_refine", "--split_random_halves", "--pool", "--pipeline_control"):
        assert [word in note for note in notes].count(True) == 1
    assert len(notes) == 6


def test_absent_options_mean_what_they_mean_for_relion() -> None:
    parsed = parse(RefineParams, f"{FILES} --auto_refine".split())
    params = build(RefineParams, parsed).model_dump()
    absent = {
        "correct_ctf": False,
        "absolute_greyscale": True,
        "norm_correction": False,
        "scale_correction": False,
        "zero_mask": False,
        "flatten_solvent": False,
        "low_resolution_join_A": 0.0,
        "initial_lowpass_A": 0.0,
        "local_search_order": 4,
        "offset_range_px": 6.0,
    }
    assert {name: params[name] for name in absent} == absent
    assert len(parsed.notes) == 2 + len(absent)
    assert any("takes the whole box, here it is 200 Å" in note for note in parsed.notes)
    assert any("--ctf is not given" in note and "default: on" in note for note in parsed.notes)


@pytest.mark.parametrize(
    ("words", "lowpass_A"),
    [
        ("`which relion_mask_create` --i a.mrc --o M/mask.mrc --ini_threshold 0.01", 0.0),
        (
            "--i a.mrc --o M/mask.mrc --ini_threshold 0.01 --extend_inimask 3 --width_soft_edge 6",
            0.0,
        ),
        ("relion_mask_create --i a.mrc --o M/mask.mrc --lowpass 20 --extend_inimask 3", 20.0),
        ("--i a.mrc --o M/mask --threshold 0.01 --extend 3 --soft-edge 6", 15.0),
    ],
)
def test_a_mask_of_relion_is_low_passed_only_where_that_is_said(
    words: str, lowpass_A: float
) -> None:
    parsed = parse(MaskParams, words.split())
    assert build(MaskParams, parsed).model_dump()["lowpass_A"] == lowpass_A
    assert any("--lowpass is not given" in note for note in parsed.notes) == (lowpass_A == 0.0)


@pytest.mark.parametrize(
    ("job", "words", "expected"),
    [
        (
            "importing",
            "`which relion_import` --do_micrographs --i Mics/*.mrc --odir Import/job001/ --ofile micrographs.star "
            "--optics_group_name g --angpix 0.885 --kV 200 --Cs 1.4 --Q0 0.1 --beamtilt_x 0 --beamtilt_y 0 "
            "--pipeline_control Import/job001/",
            {"kind": "raw", "files": "Mics/*.mrc", "pixel_size_A": 0.885, "voltage_kV": 200.0},
        ),
        (
            "rescale",
            "relion_image_handler --i a.mrc --o b.mrc --angpix 3.54 --rescale_angpix 1.244 --new_box 256",
            {"maps": "a.mrc", "new_pixel_size_A": 1.244, "new_box_px": 256},
        ),
        (
            "select",
            "relion_star_handler --i a.star --o S/b.star --select rlnCtfMaxResolution --maxval 6 --verb 1",
            {"column": "rlnCtfMaxResolution", "maximum": 6.0},
        ),
        (
            "mask",
            "`which relion_mask_create` --i a.mrc --o MaskCreate/job020/mask.mrc --lowpass 15 --ini_threshold 0.004 "
            "--extend_inimask 0 --width_soft_edge 6 --j 12 --pipeline_control MaskCreate/job020/",
            {"threshold": 0.004, "extend_px": 0.0, "soft_edge_px": 6.0, "lowpass_A": 15.0},
        ),
        (
            "postprocess",
            "`which relion_postprocess` --mask m.mrc --i a_half1.mrc --o PostProcess/job021/postprocess --angpix 1.244 "
            "--adhoc_bfac -90 --skip_fsc_weighting --low_pass -1 --half_maps --mtf m.star --mtf_angpix 0.885 "
            "--pipeline_control PostProcess/job021/",
            {"own_b_factor_A2": -90.0, "auto_b_factor": False, "lowpass_A": -1.0, "half_maps": True},
        ),
    ],
)  # fmt: skip
def test_relions_commands_of_the_chapter_can_be_pasted(
    job: str, words: str, expected: dict[str, Any]
) -> None:
    model = cli.JOBS[job][0]
    found = build(model, parse(model, words.removeprefix("`which ").split())).model_dump()
    assert {name: found[name] for name in expected} == expected


def test_the_b_factor_is_fitted_unless_a_command_of_relion_does_not_ask_for_it() -> None:
    words = "--i a_half1.mrc --mask m.mrc --o P/p".split()
    model = cli.JOBS["postprocess"][0]
    assert build(model, parse(model, words)).model_dump()["auto_b_factor"]
    pasted = parse(model, ["relion_postprocess", *words])
    assert not build(model, pasted).model_dump()["auto_b_factor"]
    assert any("--auto_bfac is not given" in note for note in pasted.notes)
    asked = parse(model, ["relion_postprocess", *words, "--auto_bfac"])
    assert build(model, asked).model_dump()["auto_b_factor"] and asked.notes == []


def test_without_auto_refine_absent_options_keep_our_defaults() -> None:
    parsed = parse(RefineParams, FILES.split())
    assert parsed.notes == []
    assert set(parsed.values) == {"particles", "reference", "output"}


def test_a_continued_run_keeps_what_is_not_given() -> None:
    words = "--auto_refine --continue O/run_it004_optimiser.star --o O/run".split()
    assert set(parse(RefineParams, words).values) == {"continue_from", "output"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--particle_diametre 200", "did you mean --particle_diameter?"),
        ("--heapix_order 2", "did you mean --healpix_order?"),
        ("--fastr", "did you mean --faster?"),
        ("--xyzzy", "--help lists all options"),
        ("--K 4", "--K 4 is not possible here: there is one map"),
        ("--helix", "helices"),
        ("--tomo x", "subtomograms"),
        ("--grad", "gradients"),
        ("--blush", "neural-network"),
        ("--skip_align", "searches orientations"),
        ("--sgd", "gradients"),
        ("p.star", "'p.star' does not belong to an option"),
        ("--sym", "--sym needs a value"),
        ("--ref --o x", "--ref needs a value"),
        ("--ctf=yes", "write --ctf or --no-ctf"),
    ],
)
def test_words_that_are_refused(words: str, sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(RefineParams, words.split())
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--ref m.mrc --o O/run", "no particles are named: give their STAR file (--i)"),
        ("--i p.star --o O/run", "no reference is named: give the map to start from (--ref)"),
        ("--i p.star --ref m.mrc", "no output is named"),
        (f"{FILES} --mpi 4", "use 1, or 3, 5, 7"),
        (f"{FILES} --healpix_order 9", "--healpix_order 9 should be less than"),
        (f"{FILES} --healpix_order two", "--healpix_order two should be a valid integer"),
        (f"{FILES} --sym Q", "--sym Q: the symmetry 'Q' is not known"),
        (f"{FILES} --solvent_correct_fsc", "needs a mask"),
    ],
)
def test_values_that_are_refused_in_one_line(words: str, sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        read(words)
    assert sentence in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("model", [RefineParams, SimulateParams, CompareParams])
def test_help_names_every_field_and_every_word(model: type[JobParams]) -> None:
    text = help_text(model)
    for name, info in model.model_fields.items():
        assert info.description and info.description.split()[0] in text, name
        for word in details(info)["relion"]:
            assert any(normal(word) == normal(part) for part in text.replace(",", " ").split())
        assert details(info)["group"] + ":\n" in text


def test_no_word_has_two_meanings() -> None:
    ours = spellings(RefineParams)
    count = sum(
        len({normal(word) for word in (name, *details(info)["relion"])})
        for name, info in RefineParams.model_fields.items()
    )
    assert len({word for word in ours if not word.startswith("no_")}) >= count
    assert not set(ours) & (set(IGNORED) | set(REFUSED))
    assert not set(IGNORED) & set(REFUSED)
    assert not set(RefineParams.SHORTHANDS) & set(ours)


@pytest.mark.parametrize("model", [RefineParams, SimulateParams, CompareParams])
def test_every_word_sets_the_field_that_names_it(model: type[JobParams]) -> None:
    table = spellings(model)
    for name, info in model.model_fields.items():
        for word in (name, *details(info)["relion"]):
            assert table[normal(word)].field == name
