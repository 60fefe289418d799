"""Settings are checked, and a state survives JSON exactly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.convergence.state import Sampling, Settings, State, from_dict, to_dict

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CURVES = st.lists(NUMBERS, max_size=8).map(tuple)
SAMPLINGS = st.builds(
    Sampling,
    order=st.integers(0, 9),
    is_local=st.booleans(),
    offset_range_A=NUMBERS,
    offset_step_A=NUMBERS,
    oversample=st.booleans(),
    oversampling=st.integers(0, 1),
    cone_steps=NUMBERS,
)
VALUES = st.fixed_dictionaries(
    {
        "sampling": SAMPLINGS,
        "resolution_A": NUMBERS,
        "iteration": st.integers(0, 999),
        "rises_again_A": st.none() | NUMBERS,
        "gain_measure": NUMBERS,
        "best_gain_measure": NUMBERS,
        "smallest_angle_change_deg": NUMBERS,
        "accuracy_angle_deg": NUMBERS,
        "is_fine_enough": st.booleans(),
        "has_converged": st.booleans(),
        "stop_reason": st.sampled_from(["", "converged"]),
        "current_size": st.integers(0, 1024),
        "mean_pmax": NUMBERS,
        "fsc": CURVES,
        "ssnr": CURVES,
    }
)


@given(VALUES)
def test_a_state_survives_json_exactly(values: dict) -> None:
    state = State(**values)
    assert from_dict(json.loads(json.dumps(to_dict(state)))) == state


def test_steps_follow_the_healpix_order() -> None:
    sampling = Sampling(order=2, is_local=False, offset_range_A=10.0, offset_step_A=4.0)
    assert (sampling.coarse_step_deg, sampling.fine_step_deg) == (15.0, 7.5)
    assert sampling.fine_offset_step_A == 2.0
    assert sampling.local_sigma_deg == pytest.approx(10.0)
    finest = Sampling(order=5, is_local=True, offset_range_A=3.0, offset_step_A=1.0, cone_steps=3.0)
    assert finest.fine_step_deg == 0.9375
    assert finest.local_sigma_deg == finest.coarse_step_deg


def test_an_incomplete_or_foreign_checkpoint_is_refused_by_name() -> None:
    sampling = Sampling(order=2, is_local=False, offset_range_A=10.0, offset_step_A=4.0)
    values = to_dict(State(sampling=sampling, resolution_A=40.0))
    with pytest.raises(ValueError, match="lacks resolution_A"):
        from_dict({name: value for name, value in values.items() if name != "resolution_A"})
    with pytest.raises(ValueError, match="unknown entries colour"):
        from_dict(values | {"colour": 1})
    with pytest.raises(ValueError, match="sampling"):
        from_dict(values | {"sampling": 3})
    with pytest.raises(ValueError, match="fsc"):
        from_dict(values | {"fsc": "none"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box": 63}, "box is 63 but must be even"),
        ({"pixel_size_A": 0.0}, "pixel_size_A is 0.0"),
        ({"maximum_iterations": 0}, "maximum_iterations is 0"),
        ({"oversampling": 2}, "oversampling is 2"),
    ],
)
def test_settings_without_meaning_are_refused(changes: dict, message: str) -> None:
    values = {
        "box": 64,
        "pixel_size_A": 4.0,
        "particle_diameter_A": 200.0,
        "initial_lowpass_A": 50.0,
    }
    with pytest.raises(ValueError, match=message):
        Settings(**(values | changes))
