"""Simulated sets: images against analytic projections, noise, files, and what is refused."""

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import torch

from compute.files.errors import InputError
from compute.files.star import read_star
from compute.jobs.microscope import build_microscope
from compute.jobs.simulate import SimulatedSet
from compute.jobs.specimen import built_in_phantom, read_specimen
from compute.projection.images import images_of
from compute.sampling.rotations import euler_to_matrix
from compute.signal.ctf import Optics, ctf
from compute.signal.fourier import half_plane_pixels, image_transform, lowpass
from compute.signal.phantom import make_phantom, phantom_projections
from tests.data import particle_set, phantom_map, phantom_params


def _images(files: SimulatedSet) -> np.ndarray:
    return np.concatenate([mrcfile.read(stack).astype(np.float64) for stack in files.stacks])


def _truth(files: SimulatedSet) -> dict[str, np.ndarray]:
    columns = read_star(files.truth_particles)["particles"].columns
    return {label.removeprefix("rln"): values.copy() for label, values in columns.items()}


def _columns(truth: dict[str, np.ndarray], *names: str) -> np.ndarray:
    return np.stack([truth[name] for name in names], axis=1)


def _analytic(files: SimulatedSet, **options: Any) -> np.ndarray:
    """Images from the phantom's exact line integrals at the stated pose, origin and CTF."""
    params, truth = phantom_params(".", **options), _truth(files)
    angles = _columns(truth, "AngleRot", "AngleTilt", "AnglePsi")
    origins = torch.from_numpy(_columns(truth, "OriginXAngst", "OriginYAngst")).float()
    rotations = torch.from_numpy(euler_to_matrix(angles)).float()
    box, pixel = params.box, params.pixel_size_A
    exact = phantom_projections(built_in_phantom(params), rotations, -origins, box, pixel)
    pixels = half_plane_pixels(box, pixel)
    zeros = torch.zeros(len(exact), dtype=torch.float64)
    optics = Optics(params.voltage_kV, params.spherical_aberration_mm, params.amplitude_contrast)
    names = ("DefocusU", "DefocusV", "DefocusAngle")
    defocus = [torch.from_numpy(truth[name]) for name in names]
    contrast = ctf(*pixels.frequency_A(), optics, *defocus, zeros, zeros, zeros + 1.0)
    return images_of(image_transform(exact, pixels) * contrast, pixels).double().numpy()


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    def unit(images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    return (unit(first) * unit(second)).sum(axis=1)


@pytest.mark.parametrize("symmetry", ["C1", "D2"])
def test_images_are_the_specimen_at_the_stated_pose_origin_and_ctf(
    tmp_path: Path, symmetry: str
) -> None:
    options = {"symmetry": symmetry, "snr": 0.0, "astigmatism_A": 2000.0, "box": 48}
    files = particle_set(tmp_path, particles=20, defocus_jitter_A=500.0, **options)
    images, exact = _images(files), _analytic(files, **options)
    assert _correlations(images, exact).min() > 0.995
    scale = (images * exact).sum() / (exact**2).sum()
    assert np.linalg.norm(images - scale * exact) < 0.1 * np.linalg.norm(images)
    assert scale > 0


def test_a_projection_at_another_pose_or_origin_does_not_fit(tmp_path: Path) -> None:
    files = particle_set(tmp_path, particles=20, snr=0.0, offset_sigma_A=8.0)
    images, exact = _images(files), _analytic(files)
    assert _correlations(images, np.roll(exact, 1, axis=0)).mean() < 0.8
    assert _correlations(images, exact[:, ::-1, ::-1]).mean() < 0.8


ABERRATIONS: dict[str, dict[str, Any]] = {
    "beam tilt": {"beam_tilt_x_mrad": 6.0, "beam_tilt_y_mrad": -4.0},
    "odd": {"odd_zernike": "3, -2, 40, 0, 0, 25"},
    "even": {"even_zernike": "0, 30, 0, -20, 400, 0, 0, 0, -500"},
    "magnification": {"magnification": "1.05, 0.02, 0.02, 0.94"},
    "multiplied": {"premultiply_ctf": True},
}


def _definition(files: SimulatedSet, changes: dict[str, Any]) -> np.ndarray:
    """Transforms of the images from the blobs of the phantom, with every aberration written out by hand.

    At the frequency k of an image: CTF(q) exp(iψ(q)) Σ_b w exp(-2π²σ²q²) exp(-2πi (q·p_b - k·o)), where q = M k and p_b
    are the places of the blobs in the turned specimen.
    """
    params, truth = phantom_params(".", pixel_size_A=2.0), _truth(files)
    box, phantom = params.box, built_in_phantom(params)
    along = np.fft.fftfreq(box, 2.0)
    k = np.stack(np.meshgrid(along, along, indexing="xy")).reshape(2, -1)
    matrix = np.array([[1.05, 0.02], [0.02, 0.94]]) if "magnification" in changes else np.eye(2)
    x, y = q = matrix @ k
    s, around = np.hypot(x, y), np.arctan2(y, x)
    odd, even = np.zeros_like(s), np.zeros_like(s)
    if "beam_tilt_x_mrad" in changes:
        odd = -2e4 * np.pi * 2.7 * 0.0196876**2 * s**2 * (6.0 * x - 4.0 * y)
    if "odd_zernike" in changes:  # (1,-1), (1,1), (3,-3), (3,3)
        odd = 3 * y - 2 * x + s**3 * (40 * np.sin(3 * around) + 25 * np.cos(3 * around))
    if "even_zernike" in changes:  # (2,-2), (2,2), (4,-4), (4,4)
        even = s**2 * (30 * np.sin(2 * around) - 20 * np.cos(2 * around))
        even += s**4 * (400 * np.sin(4 * around) - 500 * np.cos(4 * around))
    turns = euler_to_matrix(_columns(truth, "AngleRot", "AngleTilt", "AnglePsi"))
    origins = _columns(truth, "OriginXAngst", "OriginYAngst")
    u, v, angle = _columns(truth, "DefocusU", "DefocusV", "DefocusAngle").T
    sigma_A = phantom.sigma_A.numpy()
    weights = phantom.weights.numpy() * np.exp(-2 * np.pi**2 * np.outer(s, sigma_A) ** 2)
    found = []
    for i, turn in enumerate(turns):
        places = phantom.positions_A.numpy() @ turn[:2].T
        wave = np.exp(-2j * np.pi * (q.T @ places.T - (k.T @ origins[i])[:, None]))
        apart = around - np.radians(angle[i])
        defocus = u[i] * np.cos(apart) ** 2 + v[i] * np.sin(apart) ** 2
        delay = -np.pi * 0.0196876 * defocus * s**2 + np.pi / 2 * 2.7e7 * 0.0196876**3 * s**4
        contrast = -np.sin(delay - np.arcsin(0.1) + even)
        contrast = contrast**2 if "premultiply_ctf" in changes else contrast
        found.append(contrast * np.exp(1j * odd) * (wave * weights).sum(axis=1))
    return np.array(found).reshape(-1, box, box)


@pytest.mark.parametrize("changes", ABERRATIONS.values(), ids=ABERRATIONS)
def test_aberrations_are_what_the_optics_table_says(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """Images against the definition of every aberration, in the disc that refinements use; without it they differ."""
    options = {"snr": 0.0, "astigmatism_A": 800.0, "pixel_size_A": 2.0}
    files = particle_set(tmp_path / "set", particles=6, **options, **changes)
    plain = particle_set(tmp_path / "plain", particles=6, **options)
    box = np.arange(32) - 16
    shift = np.where(np.add.outer(box, box) % 2 == 0, 1.0, -1.0)
    images, other = (np.fft.fft2(_images(one)) * np.fft.ifftshift(shift) for one in (files, plain))
    inside = np.fft.ifftshift(np.hypot(box[:, None], box) <= 14)
    inside[0, 0] = False
    exact, images, other = (one[:, inside] for one in (_definition(files, changes), images, other))

    def misfit(found: np.ndarray) -> float:
        scale = np.vdot(exact, found).real / np.vdot(exact, exact).real
        return float(np.linalg.norm(found - scale * exact) / np.linalg.norm(found))

    assert misfit(images) < 0.02
    assert misfit(other) > 0.1
    optics = read_star(files.particles)["optics"].columns
    assert set(optics) - set(read_star(plain.particles)["optics"].columns)


def test_multiplied_images_are_the_others_times_their_ctf(tmp_path: Path) -> None:
    options: dict[str, Any] = {"particles": 8, "snr": 0.5, "astigmatism_A": 800.0}
    plain = particle_set(tmp_path / "plain", **options)
    files = particle_set(tmp_path / "multiplied", premultiply_ctf=True, **options)
    truth = _truth(files)
    along, half = np.fft.fftfreq(32, 4.0), np.fft.rfftfreq(32, 4.0)
    y, x = (torch.from_numpy(one.ravel().copy()) for one in np.meshgrid(along, half, indexing="ij"))
    defocus = [torch.from_numpy(truth[n]) for n in ("DefocusU", "DefocusV", "DefocusAngle")]
    zeros = torch.zeros(8, dtype=torch.float64)
    values = ctf(x, y, Optics(300.0, 2.7, 0.1), *defocus, zeros, zeros, zeros + 1.0)
    product = np.fft.rfft2(_images(plain)) * values.view(8, 32, 17).numpy()
    np.testing.assert_allclose(np.fft.irfft2(product), _images(files), atol=1e-5)
    np.testing.assert_array_equal(mrcfile.read(plain.truth_map), mrcfile.read(files.truth_map))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"odd_zernike": "1, x"}, "'x' is no number"),
        ({"even_zernike": "1, nan"}, "'nan' is not finite"),
        ({"magnification": "1, 0, 1"}, "3 numbers, but the matrix needs four"),
        ({"magnification": "1.6, 0, 0, 1"}, "further than 0.5"),
        ({"micrograph_size_px": 512, "beam_tilt_y_mrad": 1.0}, "not in whole micrographs"),
        ({"micrograph_size_px": 512, "premultiply_ctf": True}, "not in whole micrographs"),
    ],
)
def test_aberrations_that_cannot_be_made_are_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        phantom_params(".", **changes)


@pytest.mark.parametrize("noise", ["white", "coloured"])
def test_the_signal_to_noise_ratio_is_met(tmp_path: Path, noise: str) -> None:
    snr, options = 0.4, {"particles": 300, "box": 48, "noise": noise}
    clean = _images(particle_set(tmp_path / "clean", snr=0.0, **options))
    files = particle_set(tmp_path / "noisy", snr=snr, **options)
    along = np.arange(48) - 24
    radius = np.hypot(along[:, None], along) * files.pixel_size_A
    inside = radius <= 0.5 * files.particle_diameter_A
    found = [image[inside] - image[inside].mean() for image in _images(files)]
    given = [image[inside] - image[inside].mean() for image in clean]
    signal, noise_power = 0.0, 0.0
    for image, truth in zip(found, given, strict=True):
        factor = (image @ truth) / (truth @ truth)
        signal += factor**2 * (truth @ truth)
        noise_power += np.sum((image - factor * truth) ** 2)
    assert signal / noise_power == pytest.approx(snr, rel=0.05)


def test_the_ctf_has_its_zeros_in_the_power_spectrum(tmp_path: Path) -> None:
    files = particle_set(
        tmp_path,
        particles=60,
        box=64,
        snr=0.0,
        micrographs=1,
        defocus_minimum_A=15_000.0,
        defocus_maximum_A=15_000.0,
        astigmatism_A=0.0,
    )
    pixels = half_plane_pixels(64, files.pixel_size_A)
    transform = image_transform(torch.from_numpy(_images(files)), pixels)
    power = transform.abs().square().mean(dim=0)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    contrast = ctf(
        *pixels.frequency_A(), Optics(300.0, 2.7, 0.1), 15_000 * one, 15_000 * one,
        zero, zero, zero, one,
    )[0]  # fmt: skip
    middle = (pixels.shell > 10) & (pixels.shell < 31)
    at_zeros, at_peaks = middle & (contrast.abs() < 0.05), middle & (contrast.abs() > 0.9)
    assert int(at_zeros.sum()) > 20
    assert float(power[at_zeros].mean()) < 0.01 * float(power[at_peaks].mean())


def test_the_background_has_mean_0_and_deviation_1_and_the_particle_is_white(
    tmp_path: Path,
) -> None:
    files = particle_set(tmp_path, particles=100, snr=1.0, offset_sigma_A=0.0, box=48)
    along = np.arange(48) - 24
    radius = np.hypot(along[:, None], along) * files.pixel_size_A
    images, outside = _images(files), radius > 0.5 * files.particle_diameter_A
    assert np.abs(images[:, outside].mean(axis=1)).max() < 1e-5
    assert np.abs(images[:, outside].std(axis=1) - 1.0).max() < 1e-4
    assert (_correlations(images, np.repeat(-radius[None], 100, axis=0)) > 0.1).mean() > 0.9


def test_coloured_noise_falls_with_frequency_and_white_does_not(tmp_path: Path) -> None:
    ratios = {}
    for noise in ("white", "coloured"):
        files = particle_set(tmp_path / noise, junk_fraction=1.0, noise=noise, particles=80)
        shown = _images(files)[_truth(files)["ClassNumber"] == 2]
        power = (np.abs(np.fft.rfft2(shown)) ** 2).mean(axis=0)
        frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.rfftfreq(32))
        low = power[(frequency > 0.05) & (frequency < 0.1)].mean()
        ratios[noise] = low / power[(frequency > 0.4) & (frequency < 0.5)].mean()
    assert ratios["white"] == pytest.approx(1.0, rel=0.15)
    assert ratios["coloured"] == pytest.approx(0.94 / 0.234, rel=0.2)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        files = particle_set("", random_seed=seed, junk_fraction=0.2, defocus_jitter_A=300.0)
        paths = (*files.stacks, files.particles, files.truth_particles, files.truth_map)
        sets.append([path.read_bytes() for path in paths])
    assert sets[0] == sets[1]
    assert all(first != third for first, third in zip(sets[0], sets[2], strict=True))


def test_the_images_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    params = phantom_params(tmp_path, junk_fraction=0.3, noise="coloured", astigmatism_A=500.0)
    specimen = read_specimen(params, torch.device("cpu"))
    microscope, _ = build_microscope(params, specimen, 80.0)
    together = microscope.images(np.arange(50))
    for size in (17, 4, 1):
        parts = [microscope.images(ids) for ids in np.array_split(np.arange(50), 50 // size)]
        assert (torch.cat(parts) - together).abs().max() < 2e-6


def test_a_particle_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    options: dict[str, Any] = {"micrographs": 1, "snr": 0.3}
    few, many = (particle_set(tmp_path / str(n), particles=n, **options) for n in (20, 40))
    assert _correlations(_images(few), _images(many)[:20]).min() > 0.999


def test_the_particle_table_tells_the_ctf_but_no_pose(tmp_path: Path) -> None:
    files = particle_set(tmp_path, defocus_jitter_A=300.0)
    tables = read_star(files.particles)
    assert set(tables) == {"optics", "particles"}
    optics = {label: values[0] for label, values in tables["optics"].columns.items()}
    assert optics["rlnImageSize"] == 32
    assert optics["rlnImagePixelSize"] == 4.0
    assert (optics["rlnVoltage"], optics["rlnAmplitudeContrast"]) == (300.0, 0.1)
    columns = tables["particles"].columns
    assert not any("Angle" in label and "Defocus" not in label for label in columns)
    assert not any("Origin" in label or "Subset" in label for label in columns)
    assert columns["rlnImageName"][1] == f"000002@{files.stacks[0]}"
    assert len(np.unique(columns["rlnDefocusU"])) == len(np.unique(columns["rlnMicrographName"]))
    jitter = _truth(files)["DefocusU"] - columns["rlnDefocusU"]
    assert jitter.std() == pytest.approx(300.0, rel=0.4)


def test_poses_are_uniform_and_offsets_have_their_width(tmp_path: Path) -> None:
    truth = _truth(particle_set(tmp_path, particles=1500, box=24, offset_sigma_A=3.0))
    rotations = euler_to_matrix(_columns(truth, "AngleRot", "AngleTilt", "AnglePsi"))
    assert np.abs(rotations.mean(axis=0)).max() < 4.0 * np.sqrt(1.0 / 3.0 / 1500)
    assert np.abs((rotations**2).mean(axis=0) - 1.0 / 3.0).max() < 0.04
    offsets = _columns(truth, "OriginXAngst", "OriginYAngst")
    assert offsets.std(axis=0) == pytest.approx(3.0, rel=0.08)
    assert np.mean(truth["RandomSubset"] == 1) == pytest.approx(0.5, abs=0.06)


def test_maps_are_the_truth_and_its_low_resolution(tmp_path: Path) -> None:
    files = particle_set(tmp_path, symmetry="C3")
    truth, reference = (mrcfile.read(path) for path in (files.truth_map, files.reference))
    phantom = phantom_map(32, "C3").numpy()
    assert np.corrcoef(truth.ravel(), phantom.ravel())[0, 1] > 0.9999
    blurred = lowpass(torch.from_numpy(truth.copy()), 4.0, 40.0).numpy()
    assert np.allclose(reference, blurred, atol=1e-5 * np.abs(truth).max())


def test_the_truth_has_the_scale_of_the_images(tmp_path: Path) -> None:
    files = particle_set(tmp_path, particles=30, snr=0.0)
    exact = _analytic(files)
    factor = float(mrcfile.read(files.truth_map).sum() / phantom_map(32).sum())
    images = _images(files)
    assert (images * exact).sum() / (exact**2).sum() == pytest.approx(factor, rel=0.02)


def test_stacks_keep_below_the_limit(tmp_path: Path) -> None:
    files = particle_set(tmp_path, particles=25, stack_limit_GB=10 * 32 * 32 * 4e-9)
    assert [mrcfile.read(stack).shape[0] for stack in files.stacks] == [10, 10, 5]
    names = read_star(files.particles)["particles"].columns["rlnImageName"]
    assert names[10] == f"000001@{files.stacks[1]}"
    whole = particle_set(tmp_path / "whole", particles=25)
    assert np.array_equal(_images(files), _images(whole))


def test_junk_is_labelled_and_shows_no_specimen(tmp_path: Path) -> None:
    files = particle_set(tmp_path, particles=300, junk_fraction=0.4, snr=2.0)
    kind = _truth(files)["ClassNumber"]
    fits = _correlations(_images(files), _analytic(files))
    assert np.mean(kind != 1) == pytest.approx(0.4, abs=0.1)
    assert fits[kind == 1].mean() > 0.5
    assert abs(fits[kind == 2].mean()) < 0.1
    assert fits[kind == 3].mean() < fits[kind == 1].mean() - 0.2


def test_norm_and_scale_vary_as_the_truth_says(tmp_path: Path) -> None:
    options: dict[str, Any] = {"particles": 200, "norm_variation": 0.2, "scale_variation": 0.2}
    files = particle_set(tmp_path / "varied", snr=5.0, **options)
    plain = particle_set(tmp_path / "plain", particles=200, snr=0.0)
    truth, images, clean = _truth(files), _images(files), _images(plain)
    along = np.arange(32) - 16
    outside = np.hypot(along[:, None], along) * 4.0 > 0.5 * files.particle_diameter_A
    assert images[:, outside].std(axis=1) == pytest.approx(truth["NormCorrection"], rel=1e-3)
    strength = (images * clean).sum(axis=(1, 2)) / (clean**2).sum(axis=(1, 2))
    expected = truth["NormCorrection"] * truth["GroupScaleCorrection"]
    assert np.corrcoef(strength, expected)[0, 1] > 0.8
    assert len(np.unique(truth["GroupScaleCorrection"])) == 5


def test_defoci_come_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "ctf.csv"
    table.write_text(
        "defocus_u_A,defocus_v_A,defocus_angle_deg\n8000,8100,5\n9000,9200,-7\n12000,12100,60\n"
    )
    files = particle_set(tmp_path, ctf_table=str(table))
    truth = _truth(files)
    rows = set(zip(truth["DefocusU"], truth["DefocusV"], truth["DefocusAngle"], strict=True))
    assert rows == {(8000.0, 8100.0, 5.0), (9000.0, 9200.0, -7.0), (12000.0, 12100.0, 60.0)}


def _pdb(path: Path) -> Path:
    """Carbon atoms at the blobs of a phantom, one residue each."""
    positions = make_phantom(np.eye(3)[None], 38.0, 8.0).positions_A.numpy()
    path.write_text(
        "".join(
            f"ATOM  {i + 1:5d}  CA  ALA A{i + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00"
            "           C\n"
            for i, (x, y, z) in enumerate(positions)
        )
        + "END\n"
    )
    return path


def test_an_atomic_model_and_its_map_give_the_same_set(tmp_path: Path) -> None:
    options = {"phantom": False, "snr": 0.0, "particles": 10}
    of_model = particle_set(tmp_path / "a", model=str(_pdb(tmp_path / "m.pdb")), **options)
    assert 50.0 < of_model.particle_diameter_A < 90.0
    of_map = particle_set(
        tmp_path / "b",
        model=str(of_model.truth_map),
        particle_diameter_A=of_model.particle_diameter_A,
        **options,
    )
    assert _correlations(_images(of_model), _images(of_map)).min() > 0.9999


def test_a_map_on_another_grid_is_brought_to_the_images(tmp_path: Path) -> None:
    first = particle_set(tmp_path / "a", box=48, snr=0.0, particles=10, resolution_A=12.0)
    options = {"phantom": False, "model": str(first.truth_map), "particle_diameter_A": 80.0}
    again = particle_set(tmp_path / "b", box=32, pixel_size_A=6.0, snr=0.0, particles=10, **options)
    truth = mrcfile.read(again.truth_map)
    assert truth.shape == (32, 32, 32)
    pairs = [(mrcfile.read(f.truth_map), f.pixel_size_A) for f in (first, again)]
    centres = []
    for volume, pixel in pairs:
        along = (np.arange(len(volume)) - len(volume) // 2) * pixel
        mass = [volume.sum(axis=tuple({0, 1, 2} - {axis})) @ along for axis in range(3)]
        centres.append(np.array(mass) / volume.sum())
    assert np.allclose(centres[0], centres[1], atol=0.2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"phantom": False, "model": "nothing.pdb"}, "nothing.pdb does not exist"),
        ({"phantom": False, "model": "nothing.mrc"}, "nothing.mrc does not exist"),
        ({"phantom": False, "model": "table.xlsx"}, "neither an atomic model"),
        ({"particle_diameter_A": 126.0}, "leaves background for at most 112.0 Å"),
        ({"particle_diameter_A": 30.0}, "three times the detail"),
        ({"ctf_table": "nothing.csv"}, "nothing.csv does not exist"),
    ],
)
def test_input_that_cannot_be_used_is_refused(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        particle_set(tmp_path, **options)


def test_a_model_larger_than_the_box_is_refused(tmp_path: Path) -> None:
    model = _pdb(tmp_path / "m.pdb")
    with pytest.raises(InputError, match=r"m\.pdb: the model reaches"):
        particle_set(tmp_path, phantom=False, model=str(model), pixel_size_A=1.0)


def test_a_device_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no CUDA device"):
        particle_set(tmp_path, device="cuda")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("defocus_u_A,defocus_v_A\n1,2\n", "no column defocus_angle_deg"),
        ("defocus_u_A,defocus_v_A,defocus_angle_deg\n", "no row"),
        ("defocus_u_A,defocus_v_A,defocus_angle_deg\n1,2,3\n1,x,3\n", "line 3: defocus_v_A is 'x'"),
    ],
)
def test_a_faulty_ctf_table_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    table = tmp_path / "ctf.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=sentence):
        particle_set(tmp_path, ctf_table=str(table))
