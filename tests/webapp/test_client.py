"""The client for notebooks: three lines to a refinement and its FSC as a table."""

import subprocess
import sys
from pathlib import Path

import pytest

from compute.files.errors import InputError
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import laboratory
from webapp.client import connect


def test_three_lines_to_a_refinement_and_its_fsc(small_set: SmallSet, tmp_path: Path) -> None:
    with laboratory(small_set, tmp_path) as lab, connect(lab.settings) as halfmap:
        values = small_set.params | {"mpi": 1, "maximum_iterations": 2}
        job = halfmap.project("beta").refine(**values, title="from a notebook")
        assert job.state == "waiting"
        assert job.fsc().empty
        lab.until_ended(job.id)
        curve = job.fsc()
        assert list(curve.columns) == ["resolution_A", "fsc"]
        assert curve.index.name == "frequency"
        assert curve.index[0] == pytest.approx(1 / 128)
        assert curve["resolution_A"].iloc[0] == pytest.approx(128.0)
        assert curve["fsc"].iloc[0] > 0.9
        assert list(job.iterations().index) == [1, 2]
        assert job.fsc(1).shape == curve.shape
        assert job.wait(limit_s=1) == "finished"
        assert "Auto-refine" in job.log()
        table = halfmap.project("beta").jobs()
        assert list(table["title"]) == ["from a notebook"]
        assert repr(job).startswith("<job 1 (refine) is finished")
        waits = halfmap.project("beta").submit(
            "refine", **values, after={"solvent_mask": "MaskCreate/job009/mask.mrc"}
        )
        with pytest.raises(InputError, match="has not ended after 0 s"):
            waits.wait(limit_s=0, sleep=lambda seconds: None)
        waits.stop()
        assert waits.is_finished
        waits.rename("given up")
        place = waits.folder
        waits.delete()
        assert list(halfmap.project("beta").jobs()["title"]) == ["from a notebook"]
        with pytest.raises(InputError):
            waits.rename("in the bin")
        waits.restore()
        assert list(halfmap.project("beta").jobs()["title"]) == ["given up", "from a notebook"]
        assert waits.folder == place
        with pytest.raises(InputError, match=r"none\.star does not exist"):
            halfmap.project("beta").refine(**(values | {"particles": "none.star"}))
        with pytest.raises(InputError, match="particle_diameter_A"):
            halfmap.project("beta").refine(**(values | {"particle_diameter_A": -1}))


def test_the_client_is_light() -> None:
    code = (
        "import sys, webapp.client; "
        "sys.exit(bool({'panel', 'bokeh', 'torch', 'pandas', 'numba'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
