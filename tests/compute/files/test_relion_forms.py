"""RELION's forms: to the options of its programs and back from our parameters."""

import pytest

from compute.files.errors import InputError
from compute.files.form_fields import FORMS
from compute.files.job_star import JobForm
from compute.files.relion_forms import command_words, form_of, named_options
from compute.params.refine import RefineParams

CHAPTER = {
    "fn_img": "Extract/job018/particles.star",
    "fn_ref": "Class3D/job016/run_it025_class002_box256.mrc",
    "fn_mask": "",
    "ref_correct_greyscale": "No",
    "trust_ref_size": "Yes",
    "ini_high": "50",
    "sym_name": "D2",
    "do_ctf_correction": "Yes",
    "ctf_intact_first_peak": "No",
    "particle_diameter": "200",
    "do_zero_mask": "Yes",
    "do_solvent_fsc": "No",
    "sampling": "7.5 degrees",
    "offset_range": "5",
    "offset_step": "1",
    "auto_local_sampling": "1.8 degrees",
    "relax_sym": "",
    "auto_faster": "Yes",
    "do_parallel_discio": "Yes",
    "nr_pool": "3",
    "do_pad1": "No",
    "do_preread_images": "No",
    "scratch_dir": "",
    "do_combine_thru_disc": "No",
    "use_gpu": "Yes",
    "gpu_ids": "",
    "nr_mpi": "5",
    "nr_threads": "6",
    "other_args": "--maxsig 500",
}
EXPECTED = (
    "mpirun -n 5 relion_refine_mpi --i Extract/job018/particles.star "
    "--ref Class3D/job016/run_it025_class002_box256.mrc --firstiter_cc --trust_ref_size --ini_high 50 "
    "--sym D2 --ctf --particle_diameter 200 --zero_mask --healpix_order 2 "
    "--auto_local_healpix_order 4 --offset_range 5 --offset_step 2 --auto_ignore_angles "
    "--auto_resol_angles --pool 3 --dont_combine_weights_via_disc --gpu"
).split()


def words_of(label: str, **options: str) -> list[str]:
    return command_words(JobForm(label, options))


def test_the_chapters_form_is_the_chapters_command() -> None:
    words = command_words(JobForm("relion.refine3d", CHAPTER))
    assert words[: len(EXPECTED)] == EXPECTED
    rest = ["", "--j", "6", "--pad", "2", *FORMS["refine"].always, "--maxsig", "500"]
    assert words[len(EXPECTED) :] == rest


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sampling", "7.5 degrees", ["--healpix_order", "2"]),
        ("sampling", "3.7 degrees", ["--healpix_order", "3"]),
        ("auto_local_sampling", "1.8 degrees", ["--auto_local_healpix_order", "4"]),
        ("auto_local_sampling", "0.9 degrees", ["--auto_local_healpix_order", "5"]),
        ("offset_step", "1", ["--offset_step", "2"]),
        ("offset_step", "0.75", ["--offset_step", "1.5"]),
        ("ini_high", "0", []),
        ("ini_high", "-1", []),
        ("ref_correct_greyscale", "Yes", []),
        ("relax_sym", "", []),
    ],
)
def test_fields_that_are_not_what_they_seem(name: str, value: str, words: list[str]) -> None:
    """N41."""
    base = words_of("relion.refine3d")
    assert words_of("relion.refine3d", **{name: value}) == [base[0], *words, *base[1:]]


def test_fields_that_need_another_one() -> None:
    with_mask = words_of("relion.refine3d", do_solvent_fsc="Yes", fn_mask="m.mrc")
    assert "--solvent_correct_fsc" in with_mask
    without = words_of("relion.refine3d", do_solvent_fsc="Yes", fn_mask="")
    assert "--solvent_correct_fsc" not in without
    assert "--gpu" not in words_of("relion.refine3d", use_gpu="No", gpu_ids="0:1")
    coordinates = words_of(
        "relion.extract", do_reextract="No", coords_suffix="c.star", fndata_reextract="p.star"
    )
    assert "--coord_list" in coordinates and "--reextract_data_star" not in coordinates


@pytest.mark.parametrize(
    ("box", "size", "radius"), [(256, 64, 24), (360, 256, 96), (300, 128, 48), (200, 90, 33)]
)
def test_the_background_circle_of_an_extraction(box: int, size: int, radius: int) -> None:
    """N18."""
    words = words_of(
        "relion.extract", extract_size=str(box), do_rescale="Yes", rescale=str(size), do_norm="Yes"
    )
    assert words[words.index("--bg_radius") + 1] == str(radius)
    own = words_of("relion.extract", extract_size="200", bg_diameter="150", do_rescale="No")
    assert own[own.index("--bg_radius") + 1] == "75"
    assert "--bg_radius" not in words_of("relion.extract", extract_size="200", do_norm="No")


def test_forms_that_cannot_be_understood() -> None:
    with pytest.raises(InputError, match="sampling is '8 degrees'; it must be one of 30, 15"):
        words_of("relion.refine3d", sampling="8 degrees")
    with pytest.raises(InputError, match="offset_step is 'one' but must be a number"):
        words_of("relion.refine3d", offset_step="one")
    with pytest.raises(InputError, match=r"form of a relion\.class2d job is not known"):
        words_of("relion.class2d")


def test_our_parameters_as_relions_form() -> None:
    params = RefineParams(
        particles="p.star",
        reference="r.mrc",
        output="O/run",
        symmetry="D2",
        healpix_order=2,
        local_search_order=4,
        offset_step_px=2.0,
        initial_lowpass_A=50.0,
        correct_ctf=False,
        ignore_angles=True,
        gpu="0:1",
        mpi=3,
        threads=6,
    )
    form = form_of("refine", params)
    assert form.label == "relion.refine3d"
    expected = {
        "fn_img": "p.star",
        "sym_name": "D2",
        "sampling": "7.5 degrees",
        "auto_local_sampling": "1.8 degrees",
        "offset_step": "1",
        "ini_high": "50",
        "do_ctf_correction": "No",
        "ref_correct_greyscale": "No",
        "auto_faster": "No",
        "use_gpu": "Yes",
        "gpu_ids": "0:1",
        "nr_mpi": "3",
        "nr_threads": "6",
        "other_args": "",
    }
    assert {name: form.options[name] for name in expected} == expected
    assert form_of("refine", params.model_copy(update={"gpu": None})).options["use_gpu"] == "No"


def test_every_form_has_each_field_once_and_words_are_distinct() -> None:
    for form in FORMS.values():
        flags = [field.flag for field in form.fields if field.flag and field.flag != "--i"]
        assert len(flags) == len(set(flags))
        words = [field.words for field in form.fields if field.words]
        assert len(words) == len(set(words))


def test_the_words_of_3_0_find_their_fields() -> None:
    form = JobForm(
        "relion.maskcreate", {"Input 3D map:": "a.mrc", "Pixel size (A)": "1.2", "x": "1"}
    )
    assert named_options(form) == {"fn_in": "a.mrc", "angpix": "1.2", "x": "1"}
