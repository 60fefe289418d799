"""Images of a particle set: the right ones in the right order, from disc, memory or ahead of time."""

from pathlib import Path

import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.images import ImageSource
from compute.files.particles import ParticleSet, read_particles
from compute.files.stacks import StackWriter
from compute.files.star import write_star
from compute.files.table import Table

SHARED = Path(__file__).parents[4] / "shared" / "data"
STACKS, IMAGES, BOX = 70, 3, 8


def value_of(stack: int, image: int) -> float:
    return 10.0 * stack + image


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> ParticleSet:
    """210 constant images in 70 stacks, shuffled; two more of another box in a last stack."""
    folder = tmp_path_factory.mktemp("images")
    names = []
    for stack in range(STACKS):
        with StackWriter(folder / f"{stack}.mrcs", BOX, 1.0) as writer:
            values = np.array([value_of(stack, image) for image in range(IMAGES)], np.float32)
            writer.append(np.broadcast_to(values[:, None, None], (IMAGES, BOX, BOX)))
        names += [f"{image + 1:06d}@{stack}.mrcs" for image in range(IMAGES)]
    np.random.default_rng(0).shuffle(names)
    with StackWriter(folder / "large.mrcs", 12, 1.0) as writer:
        writer.append(np.ones((2, 12, 12), dtype=np.float32))
    names += ["1@large.mrcs", "2@large.mrcs"]
    groups = np.array([1] * STACKS * IMAGES + [2, 2])
    optics = {
        "rlnOpticsGroup": np.array([1, 2]),
        "rlnImagePixelSize": np.ones(2),
        "rlnImageSize": np.array([BOX, 12]),
    }
    columns = {"rlnImageName": np.array(names, dtype=object), "rlnOpticsGroup": groups}
    write_star(folder / "p.star", [Table("optics", optics), Table("particles", columns)])
    return read_particles(folder / "p.star")


def expected(particles: ParticleSet, rows: np.ndarray) -> np.ndarray:
    """The value that every pixel of these images has, from their names."""
    names = [particles.image_name(int(row)).split("@") for row in rows]
    return np.array([value_of(int(s.split(".")[0]), int(i) - 1) for i, s in names])


@pytest.mark.parametrize("preload", [False, True])
def test_images_come_in_the_order_asked_for(particles: ParticleSet, preload: bool) -> None:
    source = ImageSource(particles, preload)
    for seed in range(3):
        rows = np.random.default_rng(seed).integers(0, STACKS * IMAGES, 100)
        images = source.read(rows)
        assert images.dtype == np.float32 and images.shape == (100, BOX, BOX)
        np.testing.assert_array_equal(images.min((1, 2)), expected(particles, rows))
        np.testing.assert_array_equal(images.max((1, 2)), expected(particles, rows))
    assert source.read(np.array([STACKS * IMAGES])).shape == (1, 12, 12)
    assert source.read(np.array([], dtype=int)).shape == (0, BOX, BOX)


def test_only_chosen_rows_are_kept_in_memory_and_the_others_are_still_there(
    particles: ParticleSet,
) -> None:
    source = ImageSource(particles, preload=True, rows=np.array([5, 2]))
    for rows in (np.array([2, 5, 5]), np.array([2, 7])):
        np.testing.assert_array_equal(source.read(rows)[:, 0, 0], expected(particles, rows))


def test_boxes_cannot_be_mixed(particles: ParticleSet) -> None:
    with pytest.raises(InputError, match="boxes 8, 12 cannot be read together"):
        ImageSource(particles, preload=False).read(np.array([0, STACKS * IMAGES]))


def test_few_files_are_open_and_all_are_closed(particles: ParticleSet) -> None:
    source = ImageSource(particles, preload=False)
    before = len(list(Path("/proc/self/fd").iterdir()))
    source.read(np.arange(STACKS * IMAGES))
    assert 0 < len(list(Path("/proc/self/fd").iterdir())) - before <= 64
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_prefetched_blocks_come_in_order(particles: ParticleSet) -> None:
    source = ImageSource(particles, preload=False)
    blocks = np.array_split(np.arange(STACKS * IMAGES), 7)
    found = list(source.prefetch(blocks))
    assert [len(images) for images in found] == [len(block) for block in blocks]
    np.testing.assert_array_equal(
        np.concatenate(found)[:, 0, 0], expected(particles, np.arange(STACKS * IMAGES))
    )
    assert list(source.prefetch([])) == []


def test_an_error_while_prefetching_reaches_the_caller(particles: ParticleSet) -> None:
    source = ImageSource(particles, preload=False)
    images = source.prefetch([np.array([0]), np.array([0, STACKS * IMAGES])])
    next(images)
    with pytest.raises(InputError, match="cannot be read together"):
        next(images)


def set_of_images(folder: Path, images: np.ndarray) -> ParticleSet:
    box = images.shape[1]
    with StackWriter(folder / "a.mrcs", box, 1.0) as writer:
        writer.append(images)
    optics = {"rlnOpticsGroup": np.array([1]), "rlnImagePixelSize": np.ones(1)}
    names = np.array([f"{i + 1}@a.mrcs" for i in range(len(images))], dtype=object)
    tables = [Table("optics", optics), Table("particles", {"rlnImageName": names})]
    write_star(folder / "p.star", tables)
    return read_particles(folder / "p.star")


def test_the_scan_measures_inside_and_outside_the_circle(tmp_path: Path) -> None:
    box, radius = 32, 10.0
    offset = np.arange(box) - box // 2
    inside = np.hypot(offset[:, None], offset) <= radius
    noise = np.random.default_rng(1).normal(size=(5, box, box))
    outside = noise[:, ~inside]
    noise[:, ~inside] = (outside - outside.mean(1)[:, None]) / outside.std(1)[:, None]
    images = np.where(inside, noise + 40.0, noise)
    images[1] = images[1] * 3.0
    images[2] = images[2] + 0.75
    images[3, 4, 5] = np.nan
    images[4] = 2.0
    source = ImageSource(set_of_images(tmp_path, images.astype(np.float32)), preload=False)
    found = source.scan(np.arange(5), radius)
    assert found.indices.tolist() == [0, 1, 2, 3, 4]
    assert found.is_finite.tolist() == [True, True, True, False, True]
    assert found.is_constant.tolist() == [False, False, False, False, True]
    assert found.is_normalised.tolist() == [True, False, False, False, False]
    np.testing.assert_allclose(found.background_mean, [0, 0, 0.75, 0, 2], atol=1e-6)
    np.testing.assert_allclose(found.background_std, [1, 3, 1, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found.minimum[:2], images[:2].min((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.maximum[:2], images[:2].max((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.std[:2], images[:2].std((1, 2)), rtol=1e-6)
    beyond = source.scan(np.array([0]), 100)
    assert np.isfinite(beyond.background_std).all() and beyond.background_std[0] > 0


def test_a_scan_covers_several_boxes_in_the_order_asked_for(particles: ParticleSet) -> None:
    rows = np.array([STACKS * IMAGES, 4, STACKS * IMAGES + 1, 0])
    found = ImageSource(particles, preload=False).scan(rows, 3.0)
    wanted = expected(particles, rows[[1, 3]])
    np.testing.assert_array_equal(found.background_mean, [1.0, wanted[0], 1.0, wanted[1]])
    assert found.is_constant.all()


def test_real_images_are_finite_and_normalised() -> None:
    path = SHARED / "betagal_empiar10204" / "selected.star"
    if path.exists():
        found = ImageSource(read_particles(path), preload=False).scan(np.arange(751), 28.0)
        assert found.is_finite.all() and found.is_normalised.mean() > 0.95
