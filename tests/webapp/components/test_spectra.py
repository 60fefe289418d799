import math

from compute.files.events import NoiseSpectrum
from tests.webapp.components.rows import EXTENT_A, iteration
from webapp.components.look import LIGHT
from webapp.components.spectra import spectra_data, spectra_plot


def test_each_half_and_optics_group_has_its_noise() -> None:
    noise = [
        NoiseSpectrum(half=half, optics_group="one", power=[0.0, *[1e-3] * 50]) for half in (1, 2)
    ]
    data = spectra_data(iteration(1, noise_power=noise))["noise"]
    assert list(data["half"]) == ["1", "2"]
    assert data["xs"][0][0] == 1 / EXTENT_A
    assert set(data["ys"][1]) == {1e-3}


def test_joined_shells_have_no_signal_to_noise_of_their_own() -> None:
    values = spectra_data(iteration(1))["ssnr"]["y"]
    assert math.isnan(values[0])
    assert values[1] == 25.0


def test_without_an_iteration_the_figures_are_empty() -> None:
    plot = spectra_plot(spectra_data(None), 4.0, LIGHT)
    plot.draw(spectra_data(iteration(1)))
    assert len(plot.sources["ssnr"].data["x"]) == 50
