"""The steps that come after a finished job, as forms whose inputs are filled with what it has made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from db.words import State
from webapp.views import JobView

UNFILTERED = "_half1_class001_unfil.mrc"
"""What a refinement calls its first half-map, behind the root of its names."""


@dataclass(frozen=True, slots=True)
class Step:
    """A job that may come next.

    outputs: which of its parameters take a file of the finished job, by what that holds; without the file there is no
    such step. own: which take the value of one of the finished job's parameters. fixed: values of their own.
    """

    text: str
    job_type: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)


HALVES = {"half1": "half map"}
INSIDE = {"mask": "solvent_mask"}
SAME_HALVES = {"half1": "half1", "half2": "half2", "mask": "mask"}
REFINE_THESE = Step("Refine these", "refine", {"particles": "particles"})
STEPS: Mapping[str, Sequence[Step]] = {
    "refine": (
        Step("Make a mask", "mask", {"map": "map"}),
        Step("Post-process", "postprocess", HALVES, INSIDE),
        Step("Local resolution", "local_resolution", HALVES, INSIDE),
        Step("Resolution by direction", "directional_fsc", HALVES, INSIDE),
        Step(
            "Extract at a finer pixel",
            "extract",
            {"particles": "particles"},
            fixed={"recenter": True},
        ),
        Step("Rescale the map", "rescale", {"maps": "map"}),
        Step(
            "Refine again",
            "refine",
            {"particles": "particles", "reference": "map"},
            {
                "symmetry": "symmetry",
                "particle_diameter_A": "particle_diameter_A",
                "solvent_mask": "solvent_mask",
            },
        ),
    ),
    "importing": (
        REFINE_THESE,
        Step(
            "Extract particles",
            "extract",
            {"micrographs": "micrographs"},
        ),
    ),
    "simulate": (
        Step("Refine these", "refine", {"particles": "particles"}, {"symmetry": "symmetry"}),
    ),
    "extract": (REFINE_THESE, Step("Select among these", "select", {"tables": "particles"})),
    "select": (REFINE_THESE,),
    "rescale": (Step("Refine from this map", "refine", {"reference": "map"}),),
    "postprocess": (
        Step("Local resolution", "local_resolution", {}, SAME_HALVES),
        Step("Resolution by direction", "directional_fsc", {}, SAME_HALVES),
    ),
}


def next_steps(
    view: JobView, job_types: Mapping[str, object]
) -> list[tuple[str, dict[str, object]]]:
    """Text and address of each step that this job allows."""
    if view.job.state != State.FINISHED:
        return []
    steps = [*STEPS.get(view.job.type, ()), *_with_mask(view)]
    found = []
    for step in steps:
        if step.job_type in job_types:
            query = _filled(view, step)
            if query is not None:
                found.append((step.text, query))
    return found


def _filled(view: JobView, step: Step) -> dict[str, object] | None:
    """The address of a step's form; None where the job has not made what it needs."""
    query: dict[str, object] = {"project": view.project.id, "type": step.job_type}
    for parameter, content in step.outputs.items():
        path = next((node.path for node in view.outputs if node.content == content), None)
        if path is None:
            return None
        query[parameter] = path
    for parameter, source in step.own.items():
        if view.job.parameters.get(source):
            query[parameter] = view.job.parameters[source]
    if step.job_type == "extract" and "particles" in step.outputs:
        query |= _as_extracted(view)
    return {**query, **step.fixed}


def _as_extracted(view: JobView) -> dict[str, object]:
    """Micrographs and box of the job that extracted the particles, if one of the project did."""
    makers = [one.made_by for one in view.inputs if one.made_by is not None]
    for maker in makers:
        if maker.type == "extract":
            known = {name: maker.parameters.get(name) for name in ("micrographs", "box")}
            return {name: value for name, value in known.items() if value}
    return {}


def _with_mask(view: JobView) -> list[Step]:
    """What a mask is for: the half-maps of the refinement whose map it came from, and that refinement again."""
    if view.job.type != "mask":
        return []
    makers = [one.made_by for one in view.inputs if one.made_by is not None]
    source = next((one for one in makers if one.type == "refine"), None)
    if source is None:
        return [Step("Post-process with it", "postprocess", {"mask": "mask"})]
    half1 = {"half1": f"{source.parameters['output']}{UNFILTERED}"}
    return [
        Step("Post-process with it", "postprocess", {"mask": "mask"}, fixed=half1),
        Step("Local resolution inside it", "local_resolution", {"mask": "mask"}, fixed=half1),
        Step("Refine with it", "refine", {"solvent_mask": "mask"}, fixed={"from": source.id}),
    ]
