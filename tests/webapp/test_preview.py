"""The preview worker as a real process behind its client: answers, errors, a crash, a hang, many callers."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compute.__main__ import main
from compute.files.mrc import read_map, write_map
from compute.jobs.half_fsc import measure
from compute.jobs.half_pair import read_half_pair
from compute.params.postprocess import HalfMapParams
from compute.params.preview import (
    FscRequest,
    HistogramRequest,
    MaskRecipe,
    MaskRequest,
    SharpenedRequest,
    SlicesRequest,
    VolumeRequest,
)
from tests.compute.jobs.plain_run import finish, inside
from webapp.preview import PreviewClient, PreviewError

BOX, PIXEL_A = 24, 2.0


def random_map(seed: int, box: int = BOX) -> np.ndarray:
    """A ball with noise."""
    x = np.arange(box) - box // 2
    ball = (x[:, None, None] ** 2 + x[:, None] ** 2 + x**2 < (box / 3) ** 2).astype(np.float32)
    noise = np.random.default_rng(seed).normal(size=(box, box, box)).astype(np.float32)
    return ball + 0.2 * noise


@pytest.fixture(scope="module")
def client() -> Iterator[PreviewClient]:
    with PreviewClient(memory_GB=0.5) as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two half-maps half1.mrc and half2.mrc, and mask.mrc."""
    made = tmp_path_factory.mktemp("previews")
    for number in (1, 2):
        write_map(made / f"half{number}.mrc", random_map(number), PIXEL_A)
    x = np.arange(BOX) - BOX // 2
    radius = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    write_map(made / "mask.mrc", np.clip(12.0 - radius, 0.0, 1.0).astype(np.float32), PIXEL_A)
    return made


def test_slices_have_the_contrast_asked_for(client: PreviewClient, folder: Path) -> None:
    volume = read_map(folder / "half1.mrc").volume
    found = client.ask(SlicesRequest(map=str(folder / "half1.mrc"), z=3, low=0.0, high=1.0))
    assert found.values["index"] == {"x": 12, "y": 12, "z": 3}
    assert found.values["pixel_size_A"] == pytest.approx(PIXEL_A)
    for axis, plane in (("x", volume[:, :, 12]), ("y", volume[:, 12]), ("z", volume[3])):
        expected = np.clip(np.round(plane * 255), 0, 255).astype(np.uint8)
        np.testing.assert_allclose(found.arrays[axis].astype(int), expected.astype(int), atol=1)
    automatic = client.ask(SlicesRequest(map=str(folder / "half1.mrc"), axes=("y",)))
    assert list(automatic.arrays) == ["y"]
    low, high = np.percentile(volume, [0.5, 99.8])
    assert automatic.values["low"] == pytest.approx(low, abs=0.02)
    assert automatic.values["high"] == pytest.approx(high, abs=0.02)


def test_histograms_count_every_voxel(client: PreviewClient, folder: Path) -> None:
    volume = read_map(folder / "half1.mrc").volume
    found = client.ask(HistogramRequest(map=str(folder / "half1.mrc"), bins=50))
    assert found.arrays["counts"].sum() == BOX**3
    assert found.values["mean"] == pytest.approx(float(volume.mean()), abs=1e-5)
    assert found.arrays["edges"][[0, -1]].tolist() == pytest.approx([volume.min(), volume.max()])


def test_masks_tell_what_they_enclose(client: PreviewClient, folder: Path) -> None:
    recipe = MaskRecipe(
        map=str(folder / "half1.mrc"),
        threshold=0.6,
        lowpass_A=0.0,
        smallest_piece_percent=0.0,
        largest_hole_A3=0.0,
        extend_px=0,
        soft_edge_px=0,
    )
    found = client.ask(MaskRequest(mask=recipe, volume_box=12))
    inside = read_map(folder / "half1.mrc").volume >= 0.6
    np.testing.assert_array_equal(found.arrays["z"], 255 * inside[12])
    np.testing.assert_array_equal(found.arrays["volume"], 255 * inside[::2, ::2, ::2])
    assert found.values["volume_A3"] == pytest.approx(inside.sum() * PIXEL_A**3)
    assert found.values["mass_kDa"] == pytest.approx(inside.sum() * PIXEL_A**3 * 0.81e-3)
    empty = client.ask(MaskRequest(mask=recipe.model_copy(update={"threshold": 99.0})))
    assert empty.values["is_empty"] and not empty.arrays["x"].any()


@pytest.mark.parametrize("extend_px", [2.0, -1.0])
def test_a_mask_in_preview_is_the_one_that_the_job_makes(
    client: PreviewClient, tmp_path: Path, extend_px: float
) -> None:
    volume = np.zeros((BOX, BOX, BOX), np.float32)
    volume[6:16, 6:16, 6:16] = 1.0
    volume[10:12, 10:12, 10:12] = 0.0  # a cavity
    volume[20, 20, 20] = 1.0  # dust
    write_map(tmp_path / "dusty.mrc", volume, PIXEL_A)
    values = {"map": str(tmp_path / "dusty.mrc"), "threshold": 0.4, "lowpass_A": 4.5}
    values |= {"extend_px": extend_px, "soft_edge_px": 2.0}
    recipe = MaskRecipe(**values)
    with inside(tmp_path):
        finish("mask", **recipe.model_dump(exclude_defaults=True), output="M/mask")
    made = read_map(tmp_path / "M" / "mask.mrc").volume
    report = json.loads((tmp_path / "M" / "mask.json").read_text())
    assert (report["dust_pieces"], report["holes_filled"]) == (1, 1)
    places = (7, 11, 16)
    for n in places:
        found = client.ask(MaskRequest(mask=recipe, x=n, y=n, z=n))
        for axis, plane in (("x", made[:, :, n]), ("y", made[:, n]), ("z", made[n])):
            np.testing.assert_array_equal(found.arrays[axis], np.round(255 * plane))
        assert found.values["volume_A3"] == pytest.approx(report["volume_A3"])
    plain = recipe.model_copy(update={"smallest_piece_percent": 0.0, "largest_hole_A3": 0.0})
    uncleaned = client.ask(MaskRequest(mask=plain))
    assert uncleaned.values["volume_A3"] != pytest.approx(report["volume_A3"])


def test_sharpened_slices_are_those_of_post_processing(client: PreviewClient, folder: Path) -> None:
    halves = [read_map(folder / f"half{n}.mrc").volume for n in (1, 2)]
    curve = tuple(np.linspace(1.0, 0.1, BOX // 2 + 1))
    k = np.fft.fftfreq(BOX, 1 / BOX)
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    weight = np.append(np.sqrt(2 * np.array(curve) / (1 + np.array(curve))), 0.0)
    shell = np.minimum((radius + 0.5).astype(int), BOX // 2 + 1)
    factor = np.exp(60.0 / 4 * (radius / (BOX * PIXEL_A)) ** 2) * (radius <= BOX / 2)
    whole = np.fft.ifftn(np.fft.fftn((halves[0] + halves[1]) / 2) * weight[shell] * factor).real
    request = SharpenedRequest(
        map=str(folder / "half1.mrc"),
        second_map=str(folder / "half2.mrc"),
        b_factor_A2=-60.0,
        fsc=curve,
        x=5,
        low=-1.0,
        high=2.0,
    )
    found = client.ask(request)
    for axis, plane in (("x", whole[:, :, 5]), ("y", whole[:, 12]), ("z", whole[12])):
        expected = np.clip((plane + 1) * 85, 0, 255)
        np.testing.assert_allclose(found.arrays[axis], expected, atol=1.0)


def test_curves_are_those_of_post_processing(client: PreviewClient, folder: Path) -> None:
    names = [str(folder / name) for name in ("half1.mrc", "half2.mrc", "mask.mrc")]
    params = HalfMapParams(half1=names[0], half2=names[1], mask=names[2], output="O/p")
    measured = measure(read_half_pair(params), force_mask=True)
    expected = {
        "unmasked": measured.unmasked,
        "masked": measured.masked,
        "randomised": measured.randomised,
        "particle_volume": measured.partial_volume,
        "corrected": measured.final,
    }
    found = client.ask(FscRequest(half1=names[0], half2=names[1], mask=names[2]))
    assert set(found.arrays) == set(expected)
    for name, curve in found.arrays.items():
        np.testing.assert_allclose(curve, expected[name], atol=1e-5)
    quick = client.ask(
        FscRequest(half1=names[0], half2=names[1], mask=names[2], random_phases=False)
    )
    assert set(quick.arrays) == {"unmasked", "masked", "particle_volume"}
    made = MaskRecipe(map=names[0], threshold=0.5, lowpass_A=8.0)
    inside = client.ask(FscRequest(half1=names[0], half2=names[1], made_mask=made))
    assert inside.values["grade"] in {"good", "fair", "too tight"}
    assert inside.values["resolutions_A"]["corrected"] >= 2 * PIXEL_A


def test_volumes_are_smaller_and_keep_their_densities(client: PreviewClient, folder: Path) -> None:
    found = client.ask(VolumeRequest(map=str(folder / "half1.mrc"), box=12))
    assert found.arrays["volume"].shape == (12, 12, 12)
    assert found.values["pixel_size_A"] == pytest.approx(2 * PIXEL_A)
    volume = read_map(folder / "half1.mrc").volume
    assert found.arrays["volume"].mean() == pytest.approx(float(volume.mean()), abs=1e-4)
    assert found.arrays["volume"][6, 6, 6] == pytest.approx(
        float(volume[11:14, 11:14, 11:14].mean()), abs=0.2
    )


def test_a_changed_file_is_read_again(client: PreviewClient, tmp_path: Path) -> None:
    path = tmp_path / "map.mrc"
    for seed in (3, 4):
        write_map(path, random_map(seed), PIXEL_A)
        found = client.ask(HistogramRequest(map=str(path)))
        expected = float(read_map(path).volume.max())
        assert found.values["maximum"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "z", "sentence"),
    [
        ("absent.mrc", 0, "absent.mrc does not exist. Pick another file."),
        ("text.mrc", 0, "the header of an MRC file"),
        ("half1.mrc", 99, "slice 99 along z is outside the box of 24 voxels"),
    ],
)
def test_errors_are_one_sentence(
    client: PreviewClient, folder: Path, name: str, z: int, sentence: str
) -> None:
    (folder / "text.mrc").write_text("not a map")
    with pytest.raises(PreviewError, match=sentence) as caught:
        client.ask(SlicesRequest(map=str(folder / name), z=z))
    assert "\n" not in str(caught.value)
    starts = client.starts
    client.ask(SlicesRequest(map=str(folder / "half1.mrc")))
    assert client.starts == starts, "an error must not cost the worker"


def test_an_empty_mask_has_no_fsc(client: PreviewClient, folder: Path) -> None:
    made = MaskRecipe(map=str(folder / "half1.mrc"), threshold=99.0)
    halves = {"half1": str(folder / "half1.mrc"), "half2": str(folder / "half2.mrc")}
    with pytest.raises(PreviewError, match="the mask is empty"):
        client.ask(FscRequest(**halves, made_mask=made))


def test_a_worker_that_was_killed_is_replaced(client: PreviewClient, folder: Path) -> None:
    request = SlicesRequest(map=str(folder / "half1.mrc"))
    before = client.ask(request)
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    after = client.ask(request)
    assert client.pid not in {None, pid}
    np.testing.assert_array_equal(before.arrays["z"], after.arrays["z"])


def test_a_worker_that_hangs_is_stopped_and_replaced(client: PreviewClient, folder: Path) -> None:
    request = SlicesRequest(map=str(folder / "half1.mrc"))
    client.ask(request)
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PreviewError, match=r"longer than 0\.2 s and was stopped"):
        client.ask(request, timeout_s=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert client.ask(request).arrays["z"].shape == (BOX, BOX)


def test_a_program_that_always_fails_is_said_once() -> None:
    code = "import sys; sys.exit('no memory for this')"
    client = PreviewClient(command=[sys.executable, "-c", code])
    with pytest.raises(PreviewError, match="ended twice on this request: no memory for this"):
        client.ask(HistogramRequest(map="a.mrc"))
    assert client.starts == 2 and client.pid is None
    with pytest.raises(PreviewError, match="cannot be started: No such file"):
        PreviewClient(command=["/no/such/program"]).ask(HistogramRequest(map="a.mrc"))


def test_callers_get_their_own_answers(client: PreviewClient, folder: Path) -> None:
    volume = read_map(folder / "half2.mrc").volume
    wrong: list[int] = []

    def look(index: int) -> None:
        request = SlicesRequest(map=str(folder / "half2.mrc"), z=index, axes=("z",), low=0, high=1)
        for _ in range(3):
            found = client.ask(request).arrays["z"].astype(int)
            expected = np.clip(np.round(volume[index] * 255), 0, 255)
            if np.abs(found - expected).max() > 1:
                wrong.append(index)

    callers = [threading.Thread(target=look, args=(index,)) for index in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_who_waits_too_long_for_a_turn_is_told(client: PreviewClient, folder: Path) -> None:
    request = SlicesRequest(map=str(folder / "half1.mrc"))
    client.ask(request)
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    first = threading.Thread(target=client.ask, args=(request, 60.0))
    first.start()
    while not client._turn.locked():
        time.sleep(0)
    with pytest.raises(PreviewError, match=r"busy: no answer within 0\.1 s"):
        client.ask(request, timeout_s=0.1)
    os.kill(pid, signal.SIGCONT)
    first.join()
    assert client.pid == pid


def test_a_worker_that_starts_slowly_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    code = (
        f"open({str(gate)!r}).read()\nimport sys\n"
        "from compute.__main__ import main\nsys.exit(main(['preview']))"
    )
    request = HistogramRequest(map=str(tmp_path / "absent.mrc"))
    heard: list[str] = []

    def ask(timeout_s: float) -> None:
        try:
            client.ask(request, timeout_s)
        except PreviewError as error:
            heard.append(str(error))

    with PreviewClient(command=[sys.executable, "-c", code]) as client:
        callers = [threading.Thread(target=ask, args=(1.0,)) for _ in range(2)]
        for caller in callers:
            caller.start()
        callers[1].join(1.2)
        assert all(caller.is_alive() for caller in callers) and not client.has_worker
        gate.write_text("go")
        for caller in callers:
            caller.join()
        assert client.has_worker and client.starts == 1
    assert len(heard) == 2 and all("does not exist" in words for words in heard), heard


def test_the_worker_ends_with_its_input() -> None:
    client = PreviewClient()
    with pytest.raises(PreviewError, match="does not exist"):
        client.ask(HistogramRequest(map="absent.mrc"))
    worker = client._worker
    assert worker is not None and worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(timeout=60) == 0
    client.close()
    assert client.pid is None


def test_words_that_the_worker_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--memory=big"]) == 2
    assert "usage" in capsys.readouterr().err
