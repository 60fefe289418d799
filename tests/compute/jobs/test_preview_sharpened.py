"""What the preview worker says of sharpening, masks and images is what the jobs themselves make."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.jobs.half_fsc import measure
from compute.jobs.half_pair import read_half_pair
from compute.jobs.map_cache import MapCache
from compute.jobs.preview_answers import answer
from compute.jobs.sharpen import sharpen
from compute.params.postprocess import PostprocessParams
from compute.params.preview import GuinierRequest, LevelsRequest, ParticleRequest, SharpenedRequest
from compute.signal.ctf import Optics, ctf
from compute.signal.masks import sphere
from compute.signal.threshold import density_levels
from tests.halves import BOX, EXTENT_A, MASK_RADIUS, planted_halves, write_halves, write_mask

MTF = "data_\nloop_\n_rlnResolutionInversePixel\n_rlnMtfValue\n0.0 1.0\n0.25 0.8\n0.5 0.4\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half-maps, a mask and an MTF."""
    made = tmp_path_factory.mktemp("halves")
    write_halves(made, planted_halves(1))
    write_mask(made, sphere(BOX, MASK_RADIUS, 4.0))
    (made / "mtf.star").write_text(MTF)
    return made


@pytest.mark.parametrize(("own_b_factor_A2", "is_masked"), [(None, 1), (None, 0), (-150.0, 1)])
def test_amplitudes_and_line_are_those_of_post_processing(
    folder: Path, own_b_factor_A2: float | None, is_masked: bool
) -> None:
    halves = [str(folder / f"run_half{n}.mrc") for n in (1, 2)]
    own = {} if own_b_factor_A2 is None else {"own_b_factor_A2": own_b_factor_A2}
    params = PostprocessParams(
        half1=halves[0],
        output=str(folder / "post" / "p"),
        mask=str(folder / "mask.mrc") if is_masked else "",
        mtf=str(folder / "mtf.star"),
        mtf_pixel_size_A=1.0,
        **own,
    )
    pair = read_half_pair(params)
    found = measure(pair)
    table = np.array([0.0, 0.25, 0.5]), np.array([1.0, 0.8, 0.4])
    average = torch.fft.rfftn((pair.first + pair.second) / 2, norm="forward")
    expected = sharpen(average, found, params, table, pair.mask)
    values, arrays = answer(
        GuinierRequest(
            map=halves[0],
            second_map=halves[1],
            fsc=tuple(found.final.tolist()),
            mtf=params.mtf,
            mtf_pixel_size_A=1.0,
            b_factor_A2=own_b_factor_A2,
            mask=params.mask if is_masked else "",
            fit_highest_resolution_A=found.resolution_A() if is_masked else 0.0,
        ),
        MapCache(1 << 28),
    )
    for name in ("original", "mtf_corrected", "weighted", "sharpened"):
        np.testing.assert_allclose(arrays[name], getattr(expected.guinier, name), atol=2e-5)
    assert values["b_factor_A2"] == pytest.approx(expected.b_factor_A2, rel=1e-5)
    if expected.fit is not None:
        assert values["fit"]["slope_A2"] == pytest.approx(expected.fit.slope_A2, rel=1e-5)
        assert values["fit"]["intercept"] == pytest.approx(expected.fit.intercept, abs=1e-4)
        assert values["fit"]["points"] == expected.fit.points
        assert values["fit"]["region"] == expected.region
    assert values["fit"]["from_per_A2"] >= 1 / 10.0**2
    fitted = arrays["inside_mask" if is_masked else "weighted"]
    if expected.guinier.inside_mask is not None:
        np.testing.assert_allclose(fitted, expected.guinier.inside_mask, atol=2e-4)
    used = (fitted > -99.0) & (arrays["squared_per_A2"] >= 0.01)
    if is_masked:
        used &= arrays["squared_per_A2"] <= found.resolution_A() ** -2
    assert values["fit"]["to_per_A2"] == arrays["squared_per_A2"][used].max()
    assert values["fit"]["points"] == used.sum()


def test_slices_are_divided_by_the_detector(folder: Path) -> None:
    half, mtf = str(folder / "run_half1.mrc"), str(folder / "mtf.star")
    cache = MapCache(1 << 28)
    plain = SharpenedRequest(map=half, axes=("z",), low=-5.0, high=5.0)
    sharp = plain.model_copy(update={"mtf": mtf, "mtf_pixel_size_A": 1.5})
    before, after = (answer(one, cache)[1]["z"].astype(float) for one in (plain, sharp))
    assert after.std() > before.std()
    with pytest.raises(InputError, match="pixel size of the detector"):
        answer(plain.model_copy(update={"mtf": mtf}), cache)


def test_levels_are_those_of_a_mask_job(folder: Path) -> None:
    half = str(folder / "run_half1.mrc")
    values, arrays = answer(LevelsRequest(map=half, lowpass_A=0.0), MapCache(1 << 28))
    volume = read_map(half).volume
    assert values["threshold"] == density_levels(volume).threshold
    edge = arrays["edges"][100]
    above = float((volume >= edge).sum()) * 1.5**3
    assert arrays["volume_above_A3"][100] == pytest.approx(above, rel=0.02)
    assert arrays["volume_above_A3"][0] == pytest.approx(EXTENT_A**3)


def test_an_image_gets_its_phases_flipped(tmp_path: Path) -> None:
    box, pixel_size_A = 32, 2.0
    extent_A = box * pixel_size_A
    optics = Optics(300.0, 2.7, 0.1)
    down = torch.fft.fftfreq(box, 1 / box, dtype=torch.float64) / extent_A
    across = torch.arange(box // 2 + 1, dtype=torch.float64) / extent_A
    y, x = (one.flatten() for one in torch.meshgrid(down, across, indexing="ij"))
    defocus = [torch.tensor([v], dtype=torch.float64) for v in (9000.0, 9000.0, 0.0, 0.0, 0.0, 1.0)]
    transfer = ctf(x, y, optics, *defocus)[0].reshape(box, -1)
    point = torch.zeros(box, box)
    point[box // 2, box // 2] = 1.0
    image = torch.fft.irfft2(torch.fft.rfft2(point) * transfer, s=(box, box))
    write_map(tmp_path / "stack.mrcs", torch.stack([point, image]).numpy(), pixel_size_A)
    request = ParticleRequest(
        stack=str(tmp_path / "stack.mrcs"),
        index=1,
        pixel_size_A=pixel_size_A,
        voltage_kV=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
        defocus_u_A=9000.0,
        defocus_v_A=9000.0,
        lowpass_A=0.0,
    )
    _, arrays = answer(request, MapCache(1 << 20))
    corrected = torch.fft.irfft2(torch.fft.rfft2(point) * transfer.abs(), s=(box, box)).numpy()
    low, high = np.percentile(corrected, [0.5, 99.5])
    expected = np.clip((corrected - low) / (high - low) * 255, 0, 255)
    np.testing.assert_allclose(arrays["readable"], expected, atol=1.0)
    assert arrays["readable"][box // 2, box // 2] == 255
    assert arrays["image"].shape == (box, box)
    with pytest.raises(InputError, match="image 3 does not exist"):
        answer(request.model_copy(update={"index": 2}), MapCache(1 << 20))
