"""Hostile values in scripts of shell: real shells run the filled templates, and none of the values does anything."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from compute.files.given_text import is_one_line
from webapp.launch import local, slurm_text
from webapp.launch.local import LaunchError
from webapp.launch.profiles import Profile, in_shell, prelude
from webapp.launch.slurm_text import Demand
from webapp.launch.template import filled, place_at_end

HOSTILE = [
    "$(touch canary)",
    "`touch canary`",
    "x; touch canary",
    "x' ; touch canary ; '",
    'x" ; touch canary ; "',
    "x\\' ; touch canary #",
    "x\\",
    "x && touch canary",
    "x | touch canary",
    "${IFS}$(touch canary)",
    "$((0$(touch canary)))",
    "x\ntouch canary\n",
    "x\n#SBATCH --uid=0\ntouch canary",
    "END\ntouch canary",
    "x\rtouch canary",
    "../../$(touch canary)",
    "~root",
    "{a,b}$(touch canary)",
    "<(touch canary)",
    "!touch",
]
"""What a folder, a title, an alias or a variable may be called."""

PLACES = {
    "a word": "printf '%s\\0' XXXnameXXX > told\n",
    "part of a word": "printf '%s\\0' --out=XXXnameXXX/end > told\n",
    "double quotes": 'printf "%s" "XXXnameXXX" > told\n',
    "single quotes": "printf '%s' 'XXXnameXXX' > told\n",
    "quotes over lines": 'printf "%s" "first\nXXXnameXXX\nlast" > told\n',
    "dollar quotes": "printf '%s' $XXXnameXXX > told\n",
    "backquotes": "printf '%s' `echo XXXnameXXX` > told\n",
    "a command in quotes": 'printf "%s" "$(echo XXXnameXXX)" > told\n',
    "a command": "printf '%s\\0' $(printf '%s' XXXnameXXX | tr -d ' ') > told\n",
    "arithmetic": "echo $((1 + XXXnameXXX)) > told\n",
    "arithmetic command": "((1 + XXXnameXXX)) > told\n",
    "a comment": "# the job XXXnameXXX\necho > told\n",
    "a comment behind": "echo > told # the job XXXnameXXX\n",
    "a document": "cat > told << END\nXXXnameXXX\nEND\n",
    "a plain document": "cat > told <<'END'\nXXXnameXXX\nEND\n",
    "a tabbed document": "cat > told <<-END\n\tXXXnameXXX\n\tEND\n",
    "behind a document": "cat > told <<END\nit's\nEND\nprintf '%s\\0' XXXnameXXX > told\n",
    "behind a backslash": "printf '%s' \\XXXnameXXX > told\n",
    "a parameter": "printf '%s' \"${none:-XXXnameXXX}\" > told\n",
}
"""Where a site's template may have a name."""


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a shell does with a script."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, env=variables, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("place", PLACES)
def test_no_value_does_anything_wherever_its_name_stands(place: str, tmp_path: Path) -> None:
    for value in HOSTILE:
        try:
            text = filled(PLACES[place], {"name": value}, {})
        except LaunchError as error:
            assert repr(value) in str(error)
            continue
        run(text, tmp_path)
        assert not (tmp_path / "canary").exists(), value
        if place == "a word":
            assert (tmp_path / "told").read_text() == f"{value}\0"
        (tmp_path / "told").unlink(missing_ok=True)


@pytest.mark.parametrize("place", ["a word", "part of a word", "behind a document"])
def test_a_name_on_its_own_takes_any_value_of_one_line(place: str, tmp_path: Path) -> None:
    for value in filter(is_one_line, HOSTILE):
        done = run(filled(PLACES[place], {"name": value}, {}), tmp_path)
        assert done.returncode == 0, done.stderr
        assert value in (tmp_path / "told").read_text()


@pytest.mark.parametrize("place", PLACES)
def test_plain_values_stand_anywhere(place: str) -> None:
    assert "7/run.out" in filled(PLACES[place], {"name": "7/run.out"}, {})


@given(st.text(st.sampled_from(" \t\nab$`'\"\\#()<>=-|;&"), max_size=12))
def test_where_a_word_is_found_a_quoted_value_stays_one(before: str) -> None:
    """Whatever stands before a name: if it is taken for a word, a shell takes the quoted value for one too."""
    if place_at_end(before) == "word":
        for value in (
            "$(touch canary)",
            "`touch canary`",
            "';touch canary;'",
            "\\';touch canary #",
        ):
            with TemporaryDirectory() as folder:
                run(f"{before}{shlex.quote(value)}\n", Path(folder))
                assert not (Path(folder) / "canary").exists(), value


def test_an_empty_value_is_an_empty_word() -> None:
    assert filled("echo XXXnameXXX 'XXXnameXXX'", {"name": ""}, {}) == "echo '' ''\n"
    assert filled("#SBATCH -A XXXnameXXX\necho", {"name": ""}, {}) == "echo\n"
    assert filled("XXXsetupXXX", {}, {"setup": ""}) == "\n"


DIRECTIVE_VALUES = ["partition", "account", "gpu_resource"]


@pytest.mark.parametrize("field", DIRECTIVE_VALUES)
@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_of_a_profile_becomes_a_directive(field: str, value: str) -> None:
    with pytest.raises((LaunchError, ValidationError)):
        profile = Profile.model_validate({"kind": "slurm", field: value})
        slurm_text.script(profile, Demand(1, 1, 1), ["job"], [])


@pytest.mark.parametrize("value", HOSTILE)
def test_folders_with_wild_names_are_words_of_the_command(value: str, tmp_path: Path) -> None:
    """The whole script of a job whose folder is named like this does nothing else than run the job."""
    folder = f"/data/{value}"
    told = [sys.executable, "-c", "import json, sys; open('told', 'w').write(json.dumps(sys.argv))"]
    words = [*told, folder, value]
    if not is_one_line(value):
        with pytest.raises(LaunchError, match="has several lines"):
            slurm_text.script(Profile(kind="slurm"), Demand(1, 1), words, [])
        return
    text = slurm_text.script(Profile(kind="slurm"), Demand(1, 1), words, [])
    done = run(text, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "told").read_text())[1:] == [folder, value]
    assert not (tmp_path / "canary").exists()
    assert text.count("#SBATCH") == 3


@pytest.mark.parametrize("value", HOSTILE)
def test_variables_and_modules_of_a_profile_are_words(value: str, tmp_path: Path) -> None:
    profile = Profile(modules=[value], environment={"HALFMAP_SAID": value}, setup=[":"])
    told = [sys.executable, "-c", "import os; open('told', 'w').write(os.environ['HALFMAP_SAID'])"]
    before = 'module() { test "$1" = load && printf "%s" "$2" > loaded; }'
    run(f"{before}\n" + "\n".join([*prelude(profile), shlex.join(told)]), tmp_path)
    assert (tmp_path / "told").read_bytes() == value.encode()
    assert (tmp_path / "loaded").read_bytes() == value.encode()
    assert not (tmp_path / "canary").exists()
    assert in_shell(profile, ["a", value])[2].endswith(shlex.join(["a", value]))


@pytest.mark.parametrize(
    "values",
    [
        {"environment": {"A;touch canary": "x"}},
        {"environment": {"A B": "x"}},
        {"environment": {"": "x"}},
        {"environment": {"A": "x\0y"}},
        {"modules": ["a\0"]},
        {"setup": ["a\0"]},
        {"variables": {"queue2": "a\0"}},
        {"time_limit": "1:00\n#SBATCH --uid=0"},
        {"name": "a\n"},
    ],
    ids=str,
)
def test_a_profile_that_no_shell_could_take_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Profile.model_validate(values)


@pytest.mark.parametrize("value", HOSTILE)
def test_the_job_file_holds_parameters_as_they_are(value: str, tmp_path: Path) -> None:
    """Parameters reach the engine through a file, never through a shell."""
    path = local.write_job(tmp_path, "mask", {"map": value, "output": "x"}, "id")
    assert json.loads(path.read_text())["params"]["map"] == value
