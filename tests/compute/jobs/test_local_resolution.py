"""Local resolution from files to files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from compute.__main__ import checked, run_job
from compute.files import events
from compute.files.errors import InputError
from compute.files.mrc import read_map
from compute.files.progress import read_progress
from compute.jobs.local_pictures import colours
from compute.params.local_resolution import LocalResolutionParams
from compute.signal.masks import sphere
from tests.halves import core_and_rim, distances_A, write_halves, write_mask

BOX, PIXEL_A = 64, 1.5


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Half-maps with a sharp core and a blurred rim, and their mask, as files."""
    folder = tmp_path_factory.mktemp("core and rim")
    half1 = write_halves(folder, core_and_rim(11, BOX, PIXEL_A), PIXEL_A)
    mask = write_mask(folder, sphere(BOX, 36.0 / PIXEL_A, 3.0), PIXEL_A)
    return {"half1": half1, "mask": mask}


@pytest.fixture(scope="module")
def made(given: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished job."""
    folder = tmp_path_factory.mktemp("made")
    values = given | {"output": str(folder / "map"), "window_A": 24.0, "step_A": 6.0}
    assert run_job({"job": "local_resolution", "params": values}) == 0
    return folder


def test_the_map_of_resolution(made: Path) -> None:
    found = read_map(made / "map_locres.mrc")
    assert found.pixel_size_A == pytest.approx(PIXEL_A)
    distance_A = distances_A(BOX, PIXEL_A).numpy()
    core, rim = found.volume[distance_A < 12], found.volume[(distance_A > 26) & (distance_A < 34)]
    assert float(np.median(core)) == pytest.approx(4.0, rel=0.12)
    assert float(np.median(rim)) == pytest.approx(8.0, rel=0.12)


def test_the_filtered_map_keeps_detail_where_there_is_some(made: Path, given: dict) -> None:
    filtered = read_map(made / "map_locres_filtered.mrc").volume
    halves = [read_map(given["half1"].replace("half1", f"half{n}")).volume for n in (1, 2)]
    rough = (halves[0] + halves[1]) / 2
    distance_A = distances_A(BOX, PIXEL_A).numpy()
    for inside, least in ((distance_A < 12, 0.5), ((distance_A > 26) & (distance_A < 34), 0.0)):
        kept = float(filtered[inside].std() / rough[inside].std())
        assert least < kept < 1.0
    core, rim = distance_A < 12, (distance_A > 26) & (distance_A < 34)
    kept_core = filtered[core].std() / rough[core].std()
    assert kept_core > 1.5 * filtered[rim].std() / rough[rim].std()


def test_the_summary_and_the_picture(made: Path) -> None:
    summary = json.loads((made / "map_locres.json").read_text())
    assert sum(summary["histogram"]["voxels"]) == int(
        (sphere(BOX, 36.0 / PIXEL_A, 3.0) > 0.5).sum()
    )
    assert summary["percentiles_A"]["5"] < summary["median_A"] < summary["percentiles_A"]["95"]
    assert summary["window_A"] == 24.0 and summary["step_A"] == 6.0
    with Image.open(made / "map_locres.png") as picture:
        assert picture.mode == "RGB" and picture.width > 3 * picture.height / 1.2
        assert len(picture.getcolors(1 << 20) or []) > 500
    events_told = read_progress(made / "progress.jsonl")
    phases = {
        one.phase: one.total
        for one in events_told
        if isinstance(one, events.Phase) and one.total > 1
    }
    assert phases["local FSC"] == summary["points"]
    end = events_told[-1]
    assert isinstance(end, events.End)
    assert [one.content for one in end.outputs] == [
        "local resolution map",
        "map",
        "report",
        "report",
    ]


def test_a_second_run_keeps_the_first(made: Path, given: dict[str, str], tmp_path: Path) -> None:
    values = given | {"output": str(tmp_path / "map"), "window_A": 20.0, "step_A": 12.0}
    for _ in range(2):
        assert run_job({"job": "local_resolution", "params": values}) == 0
    assert len(list((tmp_path / "superseded").glob("*/map_locres.mrc"))) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"window_A": 3.0}, "use 15 to 48 Å"),
        ({"window_A": 90.0}, "use 15 to 48 Å"),
        ({"half1": "odd.mrc"}, "neither half1 nor half2"),
    ],
)
def test_what_cannot_be_measured(
    given: dict[str, str], tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    values = given | {"output": str(tmp_path / "map")} | options
    with pytest.raises(InputError, match=sentence):
        run_job({"job": "local_resolution", "params": values})
    assert not list(tmp_path.glob("map*"))


def test_an_mtf_needs_its_pixel() -> None:
    with pytest.raises(ValueError, match="--mtf_angpix"):
        checked(LocalResolutionParams, {"half1": "a", "output": "b", "mtf": "m.star"})


def test_colours_run_from_bright_to_dark() -> None:
    found = colours(np.array([3.0, 4.0, 5.0, 9.0]), 3.0, 5.0)
    assert found.tolist()[0] == [253, 231, 37] and found.tolist()[2:] == [[68, 1, 84]] * 2
    assert (np.diff(found.sum(axis=1).astype(int)[:3]) < 0).all()
