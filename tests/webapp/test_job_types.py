"""Which files a job reads, from its parameters."""

from pathlib import Path

from db.repository.nodes import Input
from webapp.job_types import inputs_of


def test_every_file_of_a_list_is_an_input(tmp_path: Path) -> None:
    for name in ("a.mrc", "b.mrc", "odd,name.mrc"):
        (tmp_path / name).touch()
    halves = "Refine3D/job019/run_half1.mrc, Refine3D/job019/run_half2.mrc"
    assert inputs_of({"maps": "a.mrc,b.mrc", "output": "a.mrc"}, tmp_path) == [
        Input("maps", "a.mrc"),
        Input("maps", "b.mrc"),
    ]
    assert inputs_of({"maps": halves}, tmp_path) == [
        Input("maps", "Refine3D/job019/run_half1.mrc"),
        Input("maps", "Refine3D/job019/run_half2.mrc"),
    ]
    assert inputs_of({"maps": "odd,name.mrc"}, tmp_path) == [Input("maps", "odd,name.mrc")]
    conditions = {"conditions": "rlnDefocusU < 3; rlnMicrographName ~ a,b", "classes": "1,3"}
    assert inputs_of(conditions, tmp_path) == []


def test_a_file_of_an_iteration_is_not_waited_for(tmp_path: Path) -> None:
    name = "Refine3D/job019/run_it003_data.star"
    assert inputs_of({"particles": name}, tmp_path) == [Input("particles", name)]
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    assert inputs_of({"particles": name}, tmp_path) == [Input("particles", name, waits=False)]
