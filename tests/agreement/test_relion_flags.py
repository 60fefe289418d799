"""Every option that relion_refine (3.1) lists is known: taken, passed over in one line, or refused with its reason."""

import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest

from compute.params.refine import RefineParams
from webapp.options import OptionError, is_flag, normal, parse, spellings
from webapp.relion_options import IGNORED, REFUSED

pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(shutil.which("relion_refine") is None, reason="RELION is not installed"),
]
ROW = re.compile(r"^ *(--\w+) (?:\((.*?)\) )?:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listed:
    """An option of RELION's help; whether it is followed by a value."""

    word: str
    takes_value: bool


@pytest.fixture(scope="module")
def listed() -> list[Listed]:
    """All options of relion_refine."""
    done = subprocess.run(["relion_refine", "--help"], capture_output=True, text=True, timeout=60)
    rows = ROW.findall(done.stdout)
    assert len(rows) > 120
    return [Listed(word, default != "false" and word != "--version") for word, default in rows]


def test_every_option_of_relion_is_known(listed: list[Listed]) -> None:
    known = set(spellings(RefineParams)) | set(IGNORED) | set(REFUSED)
    assert [one.word for one in listed if normal(one.word) not in known] == []


def test_values_follow_the_same_options(listed: list[Listed]) -> None:
    """An option that is passed over takes its value with it, and nothing else."""
    table = spellings(RefineParams)
    odd = []
    for one in listed:
        key = normal(one.word)
        if key in table:
            takes_value = not is_flag(RefineParams.model_fields[table[key].field])
        else:
            takes_value = (IGNORED.get(key) or REFUSED[key]).takes_value
        if takes_value != one.takes_value:
            odd.append(one.word)
    assert odd == ["--gpu"]  # whose value may be left out, there and here


def test_what_means_nothing_is_passed_over_in_one_line(listed: list[Listed]) -> None:
    for one in listed:
        if normal(one.word) in IGNORED and one.word != "--auto_refine":
            value = ["7"] if one.takes_value else []
            parsed = parse(RefineParams, [one.word, *value, "--sym", "D2"])
            assert parsed.values == {"symmetry": "D2"}
            assert [note.split()[0] for note in parsed.notes] == [one.word]


def test_what_would_change_the_result_is_refused_with_its_reason(listed: list[Listed]) -> None:
    refused = [one for one in listed if normal(one.word) in REFUSED]
    assert len(refused) > 20
    for one in refused:
        words = [one.word, *(["7"] if one.takes_value else []), "--sym", "D2"]
        with pytest.raises(OptionError, match=f"^{one.word}.* is not possible here: "):
            parse(RefineParams, words)
