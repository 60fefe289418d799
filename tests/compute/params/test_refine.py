"""The parameters of a refinement: bounds, rules between fields, names and help."""

from typing import Any

import pytest
from pydantic import ValidationError

from compute.params.compare import CompareParams
from compute.params.option import JobParams, symmetry_name, unit
from compute.params.refine import RefineParams
from compute.params.simulate import SimulateParams

MODELS = [RefineParams, SimulateParams, CompareParams]


def refine(**values: Any) -> RefineParams:
    return RefineParams(**{"particles": "p.star", "reference": "m.mrc", "output": "O/run"} | values)


def test_defaults_are_those_of_the_form() -> None:
    params = refine()
    assert params.symmetry == "C1"
    assert params.initial_lowpass_A == 60.0
    assert params.particle_diameter_A == 200.0
    assert params.healpix_order == 2
    assert params.offset_range_px == 5.0
    assert params.low_resolution_join_A == 40.0
    assert params.correct_ctf and params.zero_mask and params.norm_correction
    assert not params.absolute_greyscale
    assert params.gpu is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("healpix_order", 9),
        ("healpix_order", -1),
        ("oversampling", 2),
        ("padding", 0),
        ("padding", 5),
        ("initial_lowpass_A", -1.0),
        ("initial_lowpass_A", float("nan")),
        ("particle_diameter_A", 0.0),
        ("offset_step_px", 0.0),
        ("adaptive_fraction", 0.0),
        ("adaptive_fraction", 1.1),
        ("score_divisor", 0.9),
        ("random_seed", -2),
        ("threads", -1),
        ("maximum_iterations", 0),
        ("bad_images", "ignore"),
        ("gpu", "first"),
        ("gpu", "0,"),
        ("no_such_name", 1),
    ],
)
def test_values_outside_their_bounds_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        refine(**{name: value})
    assert caught.value.errors()[0]["loc"] == (name,)


@pytest.mark.parametrize("ranks", [2, 4, 6, 100])
def test_even_ranks_are_refused_with_the_reason(ranks: int) -> None:
    with pytest.raises(ValidationError, match=f"{ranks} processes .* one leader plus the same"):
        refine(mpi=ranks)


@pytest.mark.parametrize("ranks", [0, 1, 3, 5, 33])
def test_possible_ranks(ranks: int) -> None:
    assert refine(mpi=ranks).mpi == ranks


def test_symmetry_names() -> None:
    assert symmetry_name(" d2") == "D2"
    assert [symmetry_name(name) for name in ("c99", "t", "O", "i", "i4")] == [
        "C99", "T", "O", "I", "I4",
    ]  # fmt: skip
    for wrong in ("", "C0", "C100", "D", "I5", "Oh", "2"):
        with pytest.raises(ValueError, match="use C1 to C99, D1 to D99, T, O, I or I1 to I4"):
            symmetry_name(wrong)


def test_only_cyclic_symmetry_is_relaxed() -> None:
    assert refine(relax_symmetry="c4").relax_symmetry == "C4"
    with pytest.raises(ValidationError, match="only for cyclic groups"):
        refine(relax_symmetry="D2")


def test_solvent_corrected_fsc_needs_a_mask() -> None:
    with pytest.raises(ValidationError, match="needs a mask"):
        refine(solvent_correct_fsc=True)
    assert refine(solvent_correct_fsc=True, solvent_mask="mask.mrc").solvent_correct_fsc


def test_start_maps_of_the_halves_come_together() -> None:
    with pytest.raises(ValidationError, match="one half only"):
        refine(reference_half1="a.mrc")
    pair = refine(reference="", reference_half1="a.mrc", reference_half2="b.mrc")
    assert pair.reference_half2 == "b.mrc"


@pytest.mark.parametrize(
    ("name", "option"), [("particles", "--i"), ("reference", "--ref"), ("output", "--o")]
)
def test_what_must_be_named(name: str, option: str) -> None:
    with pytest.raises(ValidationError, match=option):
        refine(**{name: ""})


def test_a_continued_run_needs_nothing_else() -> None:
    params = RefineParams(continue_from="O/run_it007_optimiser.star")
    assert params.output == "O/run"
    assert params.model_fields_set == {"continue_from", "output"}


def test_a_folder_as_output_gets_a_first_part() -> None:
    assert refine(output="O/").output == "O/run"


def test_json_returns_the_same_parameters() -> None:
    params = refine(gpu="0:1", preread_images=True, symmetry="O", memory_limit_GB=2.5)
    assert RefineParams.model_validate_json(params.model_dump_json()) == params


@pytest.mark.parametrize("model", MODELS)
def test_every_field_has_group_help_and_default(model: type[JobParams]) -> None:
    for name, info in model.model_fields.items():
        assert info.description and info.description.endswith("."), name
        assert isinstance(info.json_schema_extra, dict), name
        assert info.json_schema_extra["group"], name
        assert isinstance(info.json_schema_extra["relion"], list), name


def test_units_are_read_from_names() -> None:
    assert unit("pixel_size_A") == "Å"
    assert unit("b_factor_A2") == "Å²"
    assert unit("voltage_kV") == "kV"
    assert unit("box") == ""
    assert unit("zero_mask") == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"phantom": True, "output": "O/s", "box": 65}, "use 64 or 66"),
        ({"phantom": True, "model": "a.pdb", "output": "O/s"}, "one of the two"),
        ({"output": "O/s"}, "one of the two"),
        ({"phantom": True}, "--o"),
        (
            {"phantom": True, "output": "O/s", "defocus_minimum_A": 2e4, "defocus_maximum_A": 1e4},
            "20000 Å",
        ),
    ],
)
def test_simulations_that_make_no_sense(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SimulateParams(**values)
