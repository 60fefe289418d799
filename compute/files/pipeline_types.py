"""The types of jobs and of their files in RELION's project files: numbers until 3.1, texts from 4 on."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

State = Literal["Running", "Scheduled", "Succeeded", "Failed", "Aborted"]
STATES: Final[tuple[State, ...]] = ("Running", "Scheduled", "Succeeded", "Failed", "Aborted")
"""The states of a job; the place of each is its number in versions until 3.1."""

Content = Literal[
    "movies",
    "micrographs",
    "coordinates",
    "particles",
    "2D references",
    "map",
    "mask",
    "model",
    "optimiser",
    "half map",
    "local resolution map",
    "report",
    "post-processing",
    "other",
]


@dataclass(frozen=True, slots=True)
class JobType:
    """One kind of job: its number until 3.1, its folder and its label from 4 on.

    `ours` is the name of our own job that does the same, empty where we have none.
    """

    number: int
    folder: str
    label: str
    ours: str = ""


JOB_TYPES: Final = (
    JobType(0, "Import", "relion.import", "importing"),
    JobType(1, "MotionCorr", "relion.motioncorr"),
    JobType(2, "CtfFind", "relion.ctffind"),
    JobType(3, "ManualPick", "relion.manualpick"),
    JobType(4, "AutoPick", "relion.autopick"),
    JobType(5, "Extract", "relion.extract", "extract"),
    JobType(7, "Select", "relion.select", "select"),
    JobType(8, "Class2D", "relion.class2d"),
    JobType(9, "Class3D", "relion.class3d"),
    JobType(10, "Refine3D", "relion.refine3d", "refine"),
    JobType(12, "MaskCreate", "relion.maskcreate", "mask"),
    JobType(13, "JoinStar", "relion.joinstar"),
    JobType(14, "Subtract", "relion.subtract"),
    JobType(15, "PostProcess", "relion.postprocess", "postprocess"),
    JobType(16, "LocalRes", "relion.localres", "local_resolution"),
    JobType(18, "InitialModel", "relion.initialmodel"),
    JobType(19, "MultiBody", "relion.multibody"),
    JobType(20, "Polish", "relion.polish"),
    JobType(21, "CtfRefine", "relion.ctfrefine"),
    JobType(99, "External", "relion.external", "rescale"),
)
EXTERNAL: Final = JOB_TYPES[-1]
"""What a job of ours is to RELION where RELION has none of its kind."""


@dataclass(frozen=True, slots=True)
class NodeType:
    """What a file of a job is: its number until 3.1 and its label from 4 on."""

    number: int
    label: str


_NODE_TYPES: Final[Mapping[Content, NodeType]] = MappingProxyType(
    {
        "movies": NodeType(0, "MicrographMovieGroupMetadata.star.relion"),
        "micrographs": NodeType(1, "MicrographGroupMetadata.star.relion"),
        "coordinates": NodeType(2, "MicrographCoordsGroup.star.relion"),
        "particles": NodeType(3, "ParticleGroupMetadata.star.relion"),
        "2D references": NodeType(5, "Image2DStack.mrc"),
        "map": NodeType(6, "DensityMap.mrc"),
        "mask": NodeType(7, "Mask3D.mrc.relion"),
        "model": NodeType(8, "OptimiserData.star.relion"),
        "optimiser": NodeType(9, "OptimiserData.star.relion"),
        "half map": NodeType(10, "DensityMap.mrc.relion.halfmap"),
        "local resolution map": NodeType(12, "Image3D.mrc.relion.localres"),
        "report": NodeType(13, "LogFile.pdf.relion"),
        "post-processing": NodeType(14, "ProcessData.star.relion.postprocess"),
    }
)
_SHARPENED: Final = NodeType(11, "DensityMap.mrc.relion.postprocess")
_OTHER: Final = NodeType(99, "")

_CONTENTS: Final[Mapping[str, Content]] = MappingProxyType(
    {
        "MicrographMovieGroupMetadata": "movies",
        "MicrographMoviesData": "movies",
        "MicrographGroupMetadata": "micrographs",
        "MicrographsData": "micrographs",
        "MicrographCoordsGroup": "coordinates",
        "MicrographsCoords": "coordinates",
        "ParticleGroupMetadata": "particles",
        "ParticlesData": "particles",
        "Image2DStack": "2D references",
        "Mask3D": "mask",
        "OptimiserData": "optimiser",
        "Image3D": "local resolution map",
        "LogFile": "report",
        "ProcessData": "post-processing",
    }
)
"""The first part of a label, as versions 4 and 5 write it, and what such a file holds."""


def job_type_of(label: str) -> JobType | None:
    """The kind of job of a label, which may have more parts (`relion.extract.reextract`); None if unknown."""
    parts = label.lower().split(".")
    known = {one.label: one for one in JOB_TYPES}
    for end in range(len(parts), 1, -1):
        if found := known.get(".".join(parts[:end])):
            return found
    return None


def job_type_in(folder: str) -> JobType | None:
    """The kind of job whose folder has this name, as in `Refine3D`; None if unknown."""
    return next((one for one in JOB_TYPES if one.folder == folder), None)


def job_label(number: int, folder: str) -> str:
    """The label of a job type from its number; from its folder where the number is unknown."""
    known = {one.number: one.label for one in JOB_TYPES}
    return known.get(number) or f"relion.{folder.lower()}"


def job_number(label: str) -> int:
    """The number that RELION 3.1 gives to jobs of this label; that of external jobs where it has none."""
    found = job_type_of(label)
    return EXTERNAL.number if found is None else found.number


def node_content(label: str) -> Content:
    """What a file of this label holds, in our words."""
    first, _, rest = label.partition(".")
    if first == "DensityMap":
        return "half map" if "halfmap" in rest.split(".") else "map"
    return _CONTENTS.get(first, "other")


def node_label(number: int) -> str:
    """The label of a node type from its number; `Unknown.N` for a number that we do not know."""
    if number == _SHARPENED.number:
        return _SHARPENED.label
    known = {one.number: one.label for one in _NODE_TYPES.values()}
    return known.get(number, f"Unknown.{number}")


def node_number(label: str) -> int:
    """The number that RELION 3.1 gives to files of this label; 99 where it has none."""
    content = node_content(label)
    if content == "map" and "postprocess" in label.split("."):
        return _SHARPENED.number
    if content == "other":
        first, _, rest = label.partition(".")
        return int(rest) if first == "Unknown" and rest.isdecimal() else _OTHER.number
    return _NODE_TYPES[content].number


def label_for(content: Content, job_label: str) -> str:
    """The label under which a job of type `job_label` registers a file of this content.

    As RELION does, files that differ from job to job have the last part of the job's label behind
    them: the particles of a refinement are `ParticleGroupMetadata.star.relion.refine3d`.
    """
    last = job_label.rpartition(".")[2]
    if content == "map":
        return f"DensityMap.mrc.relion.{last}" if last in _OWN_PART else "DensityMap.mrc"
    if content in ("particles", "optimiser", "half map", "report") and last in _OWN_PART:
        return f"{_NODE_TYPES[content].label}.{last}"
    return _NODE_TYPES[content].label if content != "other" else "Unknown"


_OWN_PART: Final = ("refine3d", "class3d", "postprocess", "reextract")
