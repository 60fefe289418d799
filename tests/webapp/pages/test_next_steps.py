from typing import Any

from db.models.jobs import Job, Node
from db.models.projects import Project
from db.repository.nodes import InputLine
from db.words import Role, State
from webapp.cli import JOBS
from webapp.pages.next_steps import STEPS, next_steps
from webapp.views import JobView


def view(
    job_type: str, outputs: dict[str, str], inputs: tuple[InputLine, ...] = (), **more: Any
) -> JobView:
    """A finished job of a project with these outputs, by path what they hold."""
    job = Job(
        id=7, type=job_type, parameters={"output": "X/job007/run", **more}, state=State.FINISHED
    )
    nodes = [Node(path=path, content=content) for path, content in outputs.items()]
    return JobView(job, Project(id=3), "ana", Role.OWNER, inputs=inputs, outputs=nodes)


REFINED = {
    "Refine3D/job007/run_data.star": "particles",
    "Refine3D/job007/run_class001.mrc": "map",
    "Refine3D/job007/run_half1_class001_unfil.mrc": "half map",
    "Refine3D/job007/run_half2_class001_unfil.mrc": "half map",
}


def steps(shown: JobView) -> dict[str, dict[str, object]]:
    return dict(next_steps(shown, JOBS))


def test_a_refinement_leads_on_with_its_own_files() -> None:
    extracted = Job(type="extract", parameters={"micrographs": "m.star", "box": 360})
    line = InputLine("particles", Node(path="e.star"), extracted, None)
    found = steps(view("refine", REFINED, (line,), solvent_mask="mask.mrc", symmetry="D2"))
    assert found["Make a mask"] == {
        "project": 3,
        "type": "mask",
        "map": "Refine3D/job007/run_class001.mrc",
    }
    half1 = "Refine3D/job007/run_half1_class001_unfil.mrc"
    for text in ("Post-process", "Local resolution", "Resolution by direction"):
        assert found[text]["half1"] == half1 and found[text]["mask"] == "mask.mrc"
    finer = found["Extract at a finer pixel"]
    assert finer["particles"] == "Refine3D/job007/run_data.star"
    assert (finer["micrographs"], finer["box"], finer["recenter"]) == ("m.star", 360, True)
    assert found["Refine again"]["symmetry"] == "D2"


def test_a_mask_leads_back_to_the_refinement_that_it_came_from() -> None:
    source = Job(id=4, type="refine", parameters={"output": "Refine3D/job004/run"})
    line = InputLine("map", Node(path="m.mrc"), source, None)
    found = steps(view("mask", {"Mask/job007/mask.mrc": "mask"}, (line,)))
    assert found["Post-process with it"]["half1"] == "Refine3D/job004/run_half1_class001_unfil.mrc"
    assert found["Refine with it"]["from"] == 4
    assert found["Refine with it"]["solvent_mask"] == "Mask/job007/mask.mrc"


def test_post_processing_hands_on_what_it_was_given() -> None:
    given = {"half1": "a.mrc", "half2": "b.mrc", "mask": "m.mrc"}
    found = steps(view("postprocess", {}, **given))
    assert {name: found["Local resolution"][name] for name in given} == given


def test_without_the_file_there_is_no_such_step_and_unfinished_jobs_have_none() -> None:
    assert list(steps(view("refine", {"x.star": "particles"}))) == ["Extract at a finer pixel"]
    shown = view("refine", REFINED)
    shown.job.state = State.RUNNING
    assert steps(shown) == {}


def test_every_step_names_parameters_that_its_job_has() -> None:
    for offered in STEPS.values():
        for step in offered:
            model = JOBS[step.job_type][0]
            assert {*step.outputs, *step.own, *step.fixed} <= set(model.model_fields), step
