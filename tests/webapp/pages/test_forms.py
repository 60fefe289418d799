import pytest

from compute.params.refine import RefineParams
from tests.webapp.pages.conftest import Desk
from tests.webapp.pages.mistakes import wrong_values
from webapp.components.parameter_form import NOT_IN_FORMS
from webapp.pages.forms import FormPage

MISTAKES = wrong_values(RefineParams)
CHOICES = {
    name for name in RefineParams.model_fields if name not in MISTAKES and name not in NOT_IN_FORMS
}


@pytest.fixture(scope="module")
def form(desk: Desk) -> FormPage:
    """A form that could run."""
    made = desk.form(particles="set.star", reference="set_reference.mrc")
    assert made.errors == []
    return made


def test_every_field_can_be_wrong_or_offers_only_what_is_right(form: FormPage) -> None:
    assert set(form.fields) == set(MISTAKES) | CHOICES
    for name in CHOICES:
        widget = form.fields[name].widget
        assert hasattr(widget, "options") or isinstance(widget.value, bool), name


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_stands_under_its_field_and_nothing_runs(
    desk: Desk, form: FormPage, name: str
) -> None:
    before = form.fields[name].widget.value
    form.fields[name].set(MISTAKES[name])
    assert [one.name for one in form.fields.values() if one.error] == [name]
    assert form.fields[name].row.visible
    form.run()
    assert desk.store.project_jobs(desk.project.id) == []
    form.fields[name].widget.value = before
    assert form.errors == []


def test_a_file_that_a_waiting_job_is_to_make_is_no_mistake(desk: Desk) -> None:
    made = desk.store.submit(
        desk.project.id, "rescale", {"maps": "set_reference.mrc", "new_box_px": 16}
    )
    form = desk.form(particles="set.star", reference=f"{made.parameters['output']}.mrc")
    assert form.errors == []
    form.fields["reference"].set("Rescale/job099/other.mrc")
    assert len(form.errors) == 1 and "There is no file" in form.errors[0]


def test_a_map_where_images_are_needed_is_said_and_stays_said(desk: Desk) -> None:
    form = desk.form(particles="set_reference.mrc", reference="set_reference.mrc")
    assert [one.name for one in form.fields.values() if one.error] == ["particles"]
    form.fields["padding"].set(1)
    assert [one.name for one in form.fields.values() if one.error] == ["particles"]


def test_a_group_without_a_field_to_show_is_not_shown(desk: Desk) -> None:
    form = desk.form(type="extract")
    assert not form._group_cards["CTF"].visible
    assert form._group_cards["Boxes"].visible
    form._advanced.value = True
    assert form._group_cards["CTF"].visible


def test_a_form_is_headed_and_chosen_by_names_and_shows_the_command_by_its_word(
    desk: Desk,
) -> None:
    form = desk.form(type="importing", files="set.star")
    assert form.title == "New job: Import"
    assert form._types.options["Directional FSC"] == "directional_fsc"
    assert ">halfmap import --files set.star<" in form._command.object
