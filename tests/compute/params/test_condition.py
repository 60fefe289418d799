"""Conditions and lists of numbers, as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.params.condition import Condition, parse_conditions, parse_numbers


def test_conditions_with_all_operators() -> None:
    text = (
        "rlnDefocusU < 2e4; _rlnDefocusV>=5000 ;rlnClassNumber == 3; a != b c\n"
        "rlnMicrographName ~ grid 2; x !~ y; rlnAnglePsi in -90 .. 90;;"
    )
    assert parse_conditions(text) == (
        Condition("rlnDefocusU", "<", ("2e4",)),
        Condition("rlnDefocusV", ">=", ("5000",)),
        Condition("rlnClassNumber", "=", ("3",)),
        Condition("a", "!=", ("b c",)),
        Condition("rlnMicrographName", "~", ("grid 2",)),
        Condition("x", "!~", ("y",)),
        Condition("rlnAnglePsi", "in", ("-90", "90")),
    )
    assert parse_conditions(" ; ") == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rlnDefocusU", "cannot be understood: write COLUMN"),
        ("rlnDefocusU < ", "cannot be understood"),
        ("< 3", "cannot be understood"),
        ("rlnDefocusU < high", "needs a number behind <"),
        ("rlnDefocusU < inf", "needs a number behind <"),
        ("rlnDefocusU in 3", "needs a range of numbers"),
        ("rlnDefocusU in 3..x", "needs a range of numbers"),
        ("rlnDefocusU in 3..1", "is empty"),
    ],
)
def test_what_is_no_condition(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_conditions(f"a = 1; {text}")


@pytest.mark.property
@given(
    st.text("abcXYZ_019", max_size=12).map("rln".__add__),
    st.sampled_from(["<=", ">=", "<", ">", "=", "!="]),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_condition_reads_as_it_is_written(column: str, operator: str, value: float) -> None:
    (found,) = parse_conditions(f"{column} {operator} {value!r}")
    assert found == Condition(column, operator, (repr(value),))
    assert parse_conditions(str(found)) == (found,)


def test_lists_of_numbers() -> None:
    assert parse_numbers("1,3-5 2, 3") == (1, 2, 3, 4, 5)
    assert parse_numbers("") == ()
    for wrong in ("x", "3-1", "1.5", "-2"):
        with pytest.raises(ValueError, match="is not a number or a range"):
            parse_numbers(wrong)
