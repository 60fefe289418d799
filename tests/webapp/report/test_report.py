"""A real small refinement as a document, and the document as the same refinement again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.mrc import read_map
from db.repository import jobs, projects
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import Lab, laboratory
from webapp import actions
from webapp.launch.starting import checksums
from webapp.report.facts import Facts, gather
from webapp.report.figures import figures
from webapp.report.page import report_html
from webapp.report.provenance import changed_inputs, provenance, read_provenance

TITLE = "<script>alert(1)</script> & beta"


@dataclass
class Page(HTMLParser):
    """What a document is made of."""

    tags: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        wanted = ("src", "href", "action", "data", "srcset", "poster")
        self.addresses += [value or "" for name, value in attrs if name in wanted]

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.tags and self.tags[-1] == "td":
            self.cells.append(data)


@pytest.fixture(scope="module")
def lab(small_set: SmallSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(small_set, tmp_path_factory.mktemp("report")) as made:
        yield made


@pytest.fixture(scope="module")
def facts(lab: Lab) -> Facts:
    job = lab.submit(mpi=1, maximum_iterations=2, title=TITLE)
    lab.until_ended(job)
    return facts_of(lab, job)


def facts_of(lab: Lab, job_id: int) -> Facts:
    with lab.database.reading() as session:
        return gather(session, jobs.get(session, job_id), projects.get(session, lab.project_id))


def read(facts: Facts) -> Page:
    page = Page()
    page.feed(report_html(facts))
    return page


def test_the_document_needs_nothing_but_itself(facts: Facts) -> None:
    page = read(facts)
    assert "script" not in page.tags
    assert len(page.addresses) == 3  # the slices
    assert all(one.startswith("data:image/png;base64,") for one in page.addresses)
    assert TITLE in "".join(page.text)
    assert page.tags.count("svg") == 3


def test_the_values_of_the_fsc_are_those_of_the_records(facts: Facts) -> None:
    """In the figure's table, and in the document in the same order."""
    row = facts.newest
    assert row is not None and row.is_final and row.extent_A
    fsc = figures(facts)[0]
    names, columns = zip(*fsc.columns, strict=True)
    assert names[0] == "1/Å"
    assert columns[0] == [shell / row.extent_A for shell in range(len(row.fsc))]
    assert list(columns[1]) == row.fsc
    assert list(columns[-1]) == (row.fsc_unmasked if row.is_solvent_corrected else row.fsc)
    told = [value for line in zip(*columns, strict=True) for value in line if value is not None]
    cells = read(facts).cells
    assert cells[: len(told)] == [f"{value:.5g}" for value in told]


def test_parameters_have_their_units(facts: Facts) -> None:
    text = read(facts).text
    assert text[text.index("initial lowpass") + 1] == "25 Å"


def test_the_methods_name_what_was_done(facts: Facts) -> None:
    words, row = "".join(read(facts).text), facts.newest
    assert row is not None and row.resolution_fsc0143_A is not None
    assert (
        f"The resolution was {row.resolution_fsc0143_A:.2f} Å at a half-map FSC of 0.143" in words
    )
    start = facts.records.start
    assert start is not None and start.particles
    assert (
        f"{start.particles} particle images of {start.box_size} × {start.box_size} pixels" in words
    )
    assert "D2 symmetry" in words
    assert "10.1038/nmeth.2115" in words


def test_the_provenance_holds_what_is_needed_to_repeat(
    facts: Facts, lab: Lab, tmp_path: Path
) -> None:
    """The job that is asked for again from the file makes the same map, bit for bit."""
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps(provenance(facts)))
    said = read_provenance(path)
    names = {one["name"]: one for one in said["inputs"]}
    assert {"particles", "reference"} <= names.keys()
    assert all(one["checksum"].startswith("sha256:") for one in names.values())
    assert said["environment"]["versions"]["python"]
    start = facts.records.start
    assert start is not None
    assert said["parameters"]["random_seed"] == start.seed
    assert "random_seed" not in facts.job.parameters or facts.job.parameters["random_seed"]
    with lab.database.writing() as session:
        job = actions.submit(
            session, lab.settings, lab.project_id, said["type"], said["parameters"], who=None
        )
        again = job.id
    lab.until_ended(again)
    other = facts_of(lab, again)
    first, second = (read_map(Path(f"{one.root}_class001.mrc")).volume for one in (facts, other))
    assert (first == second).all()


def test_inputs_that_have_changed_are_named(facts: Facts, tmp_path: Path) -> None:
    said = provenance(facts)
    project = Path(facts.project.folder)
    paths = [one["path"] for one in said["inputs"]]
    assert changed_inputs(said, project, checksums(project, paths)) == []
    told = changed_inputs(said, project, dict.fromkeys(paths, "sha256:0"))
    assert len(told) == len(paths)
    assert all("has changed since the first run" in one for one in told)
    gone = {"inputs": [{"name": "mask", "path": "none.mrc", "checksum": "sha256:1"}]}
    assert changed_inputs(gone, tmp_path, {}) == [f"mask: {tmp_path}/none.mrc does not exist"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "is not a provenance file"),
        ('{"format": "other"}', "has no line 'format'"),
        (
            '{"format": "halfmap provenance 1", "type": "refine"}',
            "names no job type or no parameters",
        ),
    ],
)
def test_other_files_are_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_provenance(path)
    with pytest.raises(InputError, match="does not exist"):
        read_provenance(tmp_path / "none.json")
