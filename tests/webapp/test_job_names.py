"""Every type of job that the queue takes has a name of its own in words."""

from db.models.jobs import Job
from webapp.cli import queued
from webapp.command_line import command_line
from webapp.job_names import NAMES, name_of, type_name


def test_every_type_has_a_name_of_its_own() -> None:
    names = [type_name(one) for one in queued()]
    assert set(queued()) <= set(NAMES)
    assert len(set(names)) == len(names)
    assert type_name("directional_fsc") == "Directional FSC"
    assert type_name("some_new_job") == "Some new job"


def test_a_job_is_called_by_its_title_its_alias_or_its_type() -> None:
    assert name_of(Job(type="mask", title="tight", alias="a")) == "tight"
    assert name_of(Job(type="mask", title="", alias="a")) == "a"
    assert name_of(Job(type="postprocess", title="", alias=None)) == "Post-processing"


def test_a_command_is_the_word_that_is_typed() -> None:
    assert command_line("importing", {"files": "a b.star"}) == "halfmap import --files 'a b.star'"
    assert command_line("refine", {"symmetry": "D2"}) == "halfmap refine --symmetry D2"
