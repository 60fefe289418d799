"""A refinement that starts from a class, with files as a classification leaves them."""

from pathlib import Path

import mrcfile
import pytest
import starfile

from tests.webapp.pages.conftest import Desk
from webapp.pages.class_choice import class_html


@pytest.fixture(scope="module")
def classification(desk: Desk) -> Path:
    """Two classes of the set, a third that is empty; the second holds 12 of 40 particles."""
    folder = desk.folder / "Class3D" / "job007"
    folder.mkdir(parents=True)
    tables = starfile.read(desk.folder / "set.star", always_dict=True)
    tables["particles"]["rlnClassNumber"] = [2] * 12 + [1] * 28
    names = tables["particles"]["rlnImageName"].str.split("@").str
    tables["particles"]["rlnImageName"] = names[0] + "@" + names[1].map(lambda one: Path(one).name)
    starfile.write(tables, folder / "run_it025_data.star")
    volume = mrcfile.read(desk.folder / "set_reference.mrc")
    for number in (1, 2, 3):
        with mrcfile.new(folder / f"run_it025_class{number:03d}.mrc") as file:
            file.set_data(volume * number)
            file.voxel_size = 4.0
    lines = "".join(
        f"Class3D/job007/run_it025_class{number:03d}.mrc {share} {resolution}\n"
        for number, share, resolution in ((1, 0.7, 16.0), (2, 0.3, 10.67), (3, 0.0, 999.0))
    )
    (folder / "run_it025_model.star").write_text(
        "data_model_classes\n\nloop_\n_rlnReferenceImage #1\n_rlnClassDistribution #2\n"
        f"_rlnEstimatedResolution #3\n{lines}\n"
    )
    return folder


@pytest.mark.parametrize("name", ["run_it025_data.star", "run_it025_model.star"])
def test_a_class_fills_particles_and_reference(desk: Desk, classification: Path, name: str) -> None:
    form = desk.form()
    choice = form.classes
    choice.open(classification / name)
    shown = [column[0].object for column in choice.classes]
    assert [("28 particles" in one, "12 particles" in one) for one in shown[:2]] == [
        (True, False),
        (False, True),
    ]
    assert "10.7 Å" in shown[1] and "30%" in shown[1] and "data:image/png" in shown[1]
    buttons = [column[1] for column in choice.classes]
    assert [one.disabled for one in buttons] == [False, False, True]
    buttons[1].clicks += 1
    select = desk.store.project_jobs(desk.project.id)[0].job
    assert select.type == "select"
    assert select.parameters["tables"] == "Class3D/job007/run_it025_data.star"
    assert select.parameters["classes"] == "2"
    fields = form.fields
    assert fields["particles"].value == f"{select.parameters['output']}.star"
    assert fields["reference"].value == "Class3D/job007/run_it025_class002.mrc"
    assert fields["particles"].fact.startswith("12 particles")
    assert "the same as the particles" in fields["reference"].fact
    assert form.errors == []


def test_what_is_no_classification_is_said(desk: Desk) -> None:
    choice = desk.form().classes
    choice.open(desk.folder / "set.star")
    assert "is no classification" in choice.problem
    assert len(choice.classes) == 0


def test_a_class_whose_map_is_gone_says_so() -> None:
    figures = {"resolution_A": None, "box": None, "pixel_size_A": None, "slices": {}}
    text = class_html({"number": 3, "particles": 1234, "fraction": 0.5, **figures})
    assert "1 234 particles" in text and "its map is not there" in text
    assert "<img" not in text
