"""RELION's project pipeline: every version read, all versions written, nothing lost on the way."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.files.errors import InputError
from compute.files.pipeline import (
    Edge,
    Node,
    Pipeline,
    Process,
    job_folder_of,
    newest_backup,
    of_job,
    read_pipeline,
    write_pipeline,
)
from compute.files.pipeline_types import (
    JOB_TYPES,
    STATES,
    job_label,
    job_number,
    job_type_of,
    label_for,
    node_content,
    node_label,
    node_number,
)
from compute.files.star import read_star

NUMBERS = """
# version 30001

data_pipeline_general

_rlnPipeLineJobCounter                       20


# version 30001

data_pipeline_processes

loop_
_rlnPipeLineProcessName #1
_rlnPipeLineProcessAlias #2
_rlnPipeLineProcessType #3
_rlnPipeLineProcessStatus #4
Import/job001/       None            0            2
Select/job017/ Select/good_ones/            7            2
Refine3D/job019/       None           10            0
Sort/job012/       None            6            2


# version 30001

data_pipeline_nodes

loop_
_rlnPipeLineNodeName #1
_rlnPipeLineNodeType #2
Import/job001/micrographs.star            1
Select/job017/particles.star            3
ref.mrc            6
Refine3D/job019/run_half1_class001_unfil.mrc           10


# version 30001

data_pipeline_input_edges

loop_
_rlnPipeLineEdgeFromNode #1
_rlnPipeLineEdgeProcess #2
Select/job017/particles.star Refine3D/job019/
ref.mrc Refine3D/job019/


# version 30001

data_pipeline_output_edges

loop_
_rlnPipeLineEdgeProcess #1
_rlnPipeLineEdgeToNode #2
Import/job001/ Import/job001/micrographs.star
Select/job017/ Select/job017/particles.star
Refine3D/job019/ Refine3D/job019/run_half1_class001_unfil.mrc

"""
LABELS = """
# version 50001

data_pipeline_general

_rlnPipeLineJobCounter                       4

data_pipeline_processes

loop_
_rlnPipeLineProcessName #1
_rlnPipeLineProcessAlias #2
_rlnPipeLineProcessTypeLabel #3
_rlnPipeLineProcessStatusLabel #4
Extract/job003/       None relion.extract.reextract Succeeded

data_pipeline_nodes

loop_
_rlnPipeLineNodeName #1
_rlnPipeLineNodeTypeLabel #2
_rlnPipeLineNodeTypeLabelDepth #3
Extract/job003/particles.star ParticleGroupMetadata.star.relion 1
Extract/job003/old.star ParticlesData.star.relion 1

data_pipeline_output_edges

loop_
_rlnPipeLineEdgeProcess #1
_rlnPipeLineEdgeToNode #2
Extract/job003/ Extract/job003/particles.star
Extract/job003/ Extract/job003/old.star

"""


def read_text(folder: Path, text: str | bytes) -> Pipeline:
    path = folder / "default_pipeline.star"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_pipeline(path)


def test_numbers_of_versions_until_3_1(tmp_path: Path) -> None:
    found = read_text(tmp_path, NUMBERS)
    assert found.counter == 20
    assert found.process("Select/good_ones") == Process(
        "Select/job017/", "relion.select", "Succeeded", "Select/good_ones/"
    )
    refine = found.process("Refine3D/job019")
    assert (refine.label, refine.state, refine.number) == ("relion.refine3d", "Running", 19)
    assert found.process("Sort/job012/").label == "relion.sort"
    contents = [node.content for node in found.nodes]
    assert contents == ["micrographs", "particles", "map", "half map"]
    assert found.parents_of("Refine3D/job019/") == ("Select/job017/",)
    assert found.children_of("Select/job017/") == ("Refine3D/job019/",)
    assert [node.name for node in found.inputs_of("Refine3D/job019/")] == [
        "Select/job017/particles.star",
        "ref.mrc",
    ]
    with pytest.raises(KeyError):
        found.process("Refine3D/job020")


def test_labels_of_versions_4_and_5(tmp_path: Path) -> None:
    found = read_text(tmp_path, LABELS)
    only = found.process("Extract/job003")
    assert only.label == "relion.extract.reextract" and only.alias == ""
    assert [node.content for node in found.nodes] == ["particles", "particles"]


def test_both_generations_find_their_columns(tmp_path: Path) -> None:
    """E48: numbers for 3.1, labels for 4 and 5, from whatever was read."""
    for text in (NUMBERS, LABELS):
        write_pipeline(tmp_path / "again.star", read_text(tmp_path, text))
        tables = read_star(tmp_path / "again.star")
        jobs = tables["pipeline_processes"].columns
        for number, label in zip(
            jobs["rlnPipeLineProcessType"], jobs["rlnPipeLineProcessTypeLabel"], strict=True
        ):
            assert job_number(label) == number
        states = [STATES[number] for number in jobs["rlnPipeLineProcessStatus"]]
        assert states == jobs["rlnPipeLineProcessStatusLabel"].tolist()
        nodes = tables["pipeline_nodes"].columns
        assert nodes["rlnPipeLineNodeTypeLabelDepth"].tolist() == [1] * len(
            tables["pipeline_nodes"]
        )
        assert nodes["rlnPipeLineNodeType"].dtype == np.int64
        assert read_pipeline(tmp_path / "again.star") == read_text(tmp_path, text)


def test_line_ends_of_other_systems_are_read_and_encodings_are_named(tmp_path: Path) -> None:
    """E47."""
    assert read_text(tmp_path, NUMBERS.replace("\n", "\r\n")) == read_text(tmp_path, NUMBERS)
    with pytest.raises(InputError, match=r"line 19: byte 0xe9 is not UTF-8"):
        read_text(tmp_path, NUMBERS.replace("good_ones", "allégées").encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_particles\n\nloop_\n_rlnX\n1\n", "it is no pipeline"),
        (NUMBERS.replace("10            0\n", "10            7\n"), "has the state '7'; known are"),
        (LABELS.replace("Succeeded", "Lost"), "has the state 'Lost'"),
        (NUMBERS.replace("  20\n", "  twenty\n"), "rlnPipeLineJobCounter is 'twenty'"),
    ],
)
def test_what_is_no_pipeline_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(tmp_path, text)


def test_an_emptied_pipeline_names_the_newest_copy(tmp_path: Path) -> None:
    """E41: RELION writes in place, so a full disk leaves nothing."""
    with pytest.raises(InputError, match=r"is empty, as a full disk leaves it\."):
        read_text(tmp_path, "")
    for number in (1, 2):
        folder = tmp_path / "Import" / f"job{number:03d}"
        folder.mkdir(parents=True)
        write_pipeline(folder / "default_pipeline.star", Pipeline(number + 1))
    with pytest.raises(InputError, match=r"the newest copy is .*job002/default_pipeline\.star"):
        read_text(tmp_path, "")
    copy = newest_backup(tmp_path)
    assert copy is not None and read_pipeline(copy).counter == 3


def test_types_survive_the_way_through_either_version() -> None:
    for kind in JOB_TYPES:
        assert job_label(job_number(kind.label), kind.folder) == kind.label
        assert job_type_of(f"{kind.label}.own.part") is kind
    assert job_type_of("relion.somethingnew") is None and job_number("relion.somethingnew") == 99
    for number in (*range(4), *range(5, 8), *range(9, 15)):
        assert node_number(node_label(number)) == number
    assert node_label(77) == "Unknown.77" and node_number("Unknown.77") == 77
    assert node_number("Something.star") == 99 and node_content("Something.star") == "other"
    assert node_content("DensityMap.mrc.relion.halfmap.refine3d") == "half map"
    assert node_number("DensityMap.mrc.relion.postprocess.masked") == 11


@pytest.mark.parametrize(
    ("content", "job", "label"),
    [
        ("particles", "relion.refine3d", "ParticleGroupMetadata.star.relion.refine3d"),
        ("particles", "relion.extract", "ParticleGroupMetadata.star.relion"),
        ("map", "relion.postprocess", "DensityMap.mrc.relion.postprocess"),
        ("map", "relion.external", "DensityMap.mrc"),
        ("half map", "relion.refine3d", "DensityMap.mrc.relion.halfmap.refine3d"),
        ("mask", "relion.maskcreate", "Mask3D.mrc.relion"),
        ("report", "relion.postprocess", "LogFile.pdf.relion.postprocess"),
        ("post-processing", "relion.postprocess", "ProcessData.star.relion.postprocess"),
    ],
)
def test_labels_of_files_that_jobs_register(content: str, job: str, label: str) -> None:
    assert label_for(content, job) == label  # type: ignore[arg-type]
    assert node_content(label) == content


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("Extract/job018/particles.star", "Extract/job018/"),
        ("Extract/job018/Movies/a.mrcs", "Extract/job018/"),
        ("Extract/job1234/a.star", "Extract/job1234/"),
        ("Extract/job18/a.star", ""),
        ("ref.mrc", ""),
        ("maps/ref.mrc", ""),
        ("Extract/jobs/a.star", ""),
        ("/data/job018/a.star", ""),
    ],
)
def test_the_job_of_a_path(path: str, folder: str) -> None:
    assert job_folder_of(path) == folder


ODD = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
SPECIAL = st.sampled_from(["my map#1.mrc", "it's.star", 'a "b".mrc', "_x", "#y", "data_z", "übung"])
FILES = st.one_of(ODD, SPECIAL).filter(lambda text: "\x07" not in text)


LABELS_OF_FILES = [node_label(number) for number in (0, 1, 2, 3, 6, 7, 10, 11, 14)]
JOBS = st.tuples(st.sampled_from(range(len(JOB_TYPES))), st.sampled_from(STATES), st.booleans())
NODES = st.tuples(FILES, st.sampled_from(LABELS_OF_FILES), st.integers(0, 4), st.booleans())


def pipeline_from(jobs: list[tuple], files: list[tuple]) -> Pipeline:
    """A pipeline of jobs (type, state, has alias) and files (name, label, job, is input)."""
    processes = []
    for number, (kind, state, has_alias) in enumerate(jobs, start=1):
        folder, label = JOB_TYPES[kind].folder, JOB_TYPES[kind].label
        alias = f"{folder}/alias {number}/" if has_alias else ""
        processes.append(Process(f"{folder}/job{number:03d}/", label, state, alias))
    edges = [Edge(name, processes[owner % len(jobs)].name) for name, _, owner, _ in files]
    is_input = [one[3] for one in files]
    return Pipeline(
        len(jobs) + 1,
        tuple(processes),
        tuple(Node(name, label) for name, label, _, _ in files),
        tuple(edge for edge, yes in zip(edges, is_input, strict=True) if yes),
        tuple(edge for edge, yes in zip(edges, is_input, strict=True) if not yes),
    )


@settings(max_examples=80)
@given(
    jobs=st.lists(JOBS, min_size=1, max_size=5),
    files=st.lists(NODES, max_size=6, unique_by=lambda node: node[0]),
)
def test_what_is_written_is_read(tmp_path_factory, jobs: list[tuple], files: list[tuple]) -> None:
    pipeline = pipeline_from(jobs, files)
    path = tmp_path_factory.mktemp("project") / "default_pipeline.star"
    write_pipeline(path, pipeline)
    assert read_pipeline(path) == pipeline


def test_the_small_pipeline_of_a_job(tmp_path: Path) -> None:
    whole = read_text(tmp_path, NUMBERS)
    small = of_job(whole, "Refine3D/job019")
    assert [one.name for one in small.processes] == ["Refine3D/job019/"]
    assert {node.name for node in small.nodes} == {
        "Select/job017/particles.star",
        "ref.mrc",
        "Refine3D/job019/run_half1_class001_unfil.mrc",
    }
    assert len(small.inputs) == 2 and len(small.outputs) == 1 and small.counter == 20
