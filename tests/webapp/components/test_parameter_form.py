import pytest

from compute.params.refine import RefineParams
from compute.params.select import SelectParams
from compute.params.simulate import SimulateParams
from webapp.components.fields import is_advanced, label
from webapp.components.parameter_form import ParameterForm


def form(model: type = RefineParams) -> ParameterForm:
    return ParameterForm(model, lambda _: None, lambda *_: None)


def filled() -> ParameterForm:
    made = form()
    made.fill({"particles": "p.star", "reference": "m.mrc"})
    return made


def test_a_new_form_holds_the_defaults_of_the_model() -> None:
    made = filled()
    checked = made.check("x/run")
    assert checked == RefineParams(particles="p.star", reference="m.mrc", output="x/run")
    assert made.given() == {"particles": "p.star", "reference": "m.mrc"}


def test_only_what_was_changed_is_given() -> None:
    made = filled()
    made.fill({"symmetry": "D2", "initial_lowpass_A": 50.0, "ignore_angles": True, "padding": 2})
    given = made.given()
    assert given["symmetry"] == "D2" and given["ignore_angles"] is True
    assert float(given["initial_lowpass_A"]) == 50.0
    assert "padding" not in given


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("symmetry", "Q9", "not known"),
        ("mpi", "4", "cannot be shared out"),
        ("particle_diameter_A", "wide", "valid number"),
        ("initial_lowpass_A", "-3", "greater than or equal"),
        ("healpix_order", "99", "less than or equal"),
        ("healpix_order", "2.5", "valid integer"),
        ("relax_symmetry", "D3", "cyclic"),
        ("random_seed", "x", "valid integer"),
        ("padding", "", "valid integer"),
    ],
)
def test_each_mistake_stands_under_its_field(name: str, value: str, words: str) -> None:
    made = filled()
    made.fill({name: value})
    assert made.check("x/run") is None
    assert words in made.fields[name].error
    assert words in made.fields[name].note.object
    assert made.fields[name].widget.css_classes == ["wrong"]
    assert [one.name for one in made.fields.values() if one.error] == [name]
    made.fill({name: RefineParams.model_fields[name].default})
    assert made.check("x/run") is not None
    assert not made.fields[name].error


@pytest.mark.parametrize("name", ["particles", "reference"])
def test_a_missing_file_is_told_at_its_field(name: str) -> None:
    made = filled()
    made.fill({name: ""})
    assert made.check("x/run") is None
    assert made.fields[name].error


def test_a_sentence_about_two_fields_stands_under_the_empty_one() -> None:
    made = filled()
    made.fill({"solvent_correct_fsc": True})
    assert made.check("x/run") is None
    assert "needs a mask" in made.fields["solvent_mask"].error


def test_what_may_be_left_out_may_be_empty() -> None:
    made = filled()
    made.fill({"reference_pixel_size_A": 1.5})
    assert made.given()["reference_pixel_size_A"] == "1.5"
    made.fill({"reference_pixel_size_A": None, "preread_images": False, "gpu": None})
    assert "reference_pixel_size_A" not in made.given()
    assert made.given()["preread_images"] is False
    assert made.check("x/run") is not None


def test_output_is_the_project_s_business() -> None:
    assert "output" not in form().fields
    assert "continue_from" not in form().fields


def test_any_model_has_a_form() -> None:
    made = form(SimulateParams)
    made.fill({"phantom": True, "box": "65"})
    assert made.check("x/set") is None
    assert "must be even" in made.fields["box"].error


def test_names_are_readable() -> None:
    assert label("correct_ctf") == "Correct CTF"
    assert label("particle_diameter_A") == "Particle diameter"
    assert label("mpi") == "Processes"


def test_basic_fields_are_few() -> None:
    basic = [one for one in form().fields.values() if not is_advanced(one.info)]
    assert 10 < len(basic) < 30


def test_an_empty_field_is_no_mistake_before_somebody_comes_to_it() -> None:
    made = form()
    assert made.check("x/run") is None
    particles = made.fields["particles"]
    assert made.missing() == ["Particles"] and made.errors() == []
    assert (
        "Needed." in particles.note.object and 'class="field-note bad"' not in particles.note.object
    )
    assert particles.widget.css_classes == []
    made.touch()
    assert made.check("x/run") is None
    assert made.missing() == [] and len(made.errors()) == 1
    assert particles.widget.css_classes == ["wrong"]


def test_a_needed_field_that_was_emptied_again_is_a_mistake() -> None:
    made = form()
    made.fill({"particles": "p.star"})
    made.fill({"particles": ""})
    assert made.check("x/run") is None
    assert "are named" in made.fields["particles"].note.object and made.missing() == []


def test_what_nobody_has_come_to_is_no_mistake_and_is_not_given() -> None:
    made = form(SelectParams)
    assert made.check("Select/job001/particles") is None
    assert made.missing() == ["STAR files"]
    assert made.errors() == []
    assert made.given() == {}
    made.touch()
    made.check("Select/job001/particles")
    assert len(made.errors()) == 1


def test_the_choice_of_gpus_speaks_of_no_options() -> None:
    made = filled()
    made.check("x/run")
    assert "cores, all GPUs" in made.fields["gpu"].note.object
