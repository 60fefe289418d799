"""Files from outside: recognised, checked, converted, and found from the project."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.files.particles import check_particles, read_particles
from compute.files.stacks import StackWriter
from compute.files.star import read_star
from compute.params.importing import ImportingParams
from tests.compute.jobs.plain_run import finish, inside, warnings
from tests.data import particle_set
from webapp.options import OptionError, build, parse

OPTICS = ("rlnOpticsGroupName", "rlnMicrographPixelSize", "rlnVoltage", "rlnAmplitudeContrast")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """An empty project, the current folder, beside which other folders may be."""
    (tmp_path / "project").mkdir()
    with inside(tmp_path / "project") as folder:
        yield folder


def micrograph(path: str, size: tuple[int, int] = (24, 32), pixel_A: float = 0.885) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.zeros(size, dtype=np.float32))
        file.voxel_size = pixel_A


def refused(message: str, **params: object) -> None:
    """Check that an import says this sentence and writes nothing but its records."""
    with pytest.raises((InputError, ValueError), match=message):
        finish("importing", output="Import/job099/import", **params)
    left = {path.name for path in Path("Import/job099").glob("*")}
    assert left <= {"run.out", "run.err", "progress.jsonl", "RELION_JOB_EXIT_FAILURE"}


# Raw micrographs


def test_raw_micrographs_become_a_list_with_an_optics_group(project: Path) -> None:
    for name in ("a10", "a9", "sub/b1"):
        micrograph(f"Mics/{name}.mrc")
    Path("mtf.star").write_text("data_mtf\n")
    end = finish(
        "importing",
        files="Mics/**/*.mrc",
        output="Import/job001/import",
        optics_group_name="night-1",
        pixel_size_A=0.885,
        voltage_kV=200.0,
        spherical_aberration_mm=1.4,
        mtf="mtf.star",
        beam_tilt_x_mrad=0.3,
    )
    tables = read_star("Import/job001/micrographs.star")
    names = tables["micrographs"].columns["rlnMicrographName"].tolist()
    assert names == ["Mics/a9.mrc", "Mics/a10.mrc", "Mics/sub/b1.mrc"]
    optics = tables["optics"].columns
    assert [optics[label].tolist()[0] for label in OPTICS] == ["night-1", 0.885, 200.0, 0.1]
    assert optics["rlnMicrographOriginalPixelSize"].tolist() == [0.885]
    assert optics["rlnMtfFileName"].tolist() == ["mtf.star"]
    assert optics["rlnBeamTiltX"].tolist() == [0.3] and optics["rlnBeamTiltY"].tolist() == [0.0]
    (output,) = end.outputs
    assert (output.path, output.content, output.particles, output.pixel_size_A) == (
        "micrographs.star",
        "micrographs",
        3,
        0.885,
    )
    assert warnings("Import/job001/import") == []
    assert Path("Import/job001/RELION_JOB_EXIT_SUCCESS").exists()


def test_micrographs_elsewhere_are_named_by_their_full_path(project: Path) -> None:
    micrograph("../camera/a.mrc")
    full = str(project.parent / "camera" / "*.mrc")
    for number, pattern in enumerate((full, "../camera/a.mrc"), start=1):
        finish("importing", files=pattern, output=f"Import/job00{number}/import")
        (name,) = read_star(f"Import/job00{number}/micrographs.star")["micrographs"].columns[
            "rlnMicrographName"
        ]
        assert Path(name).is_absolute() and Path(name).samefile("../camera/a.mrc")


def test_pixel_sizes_of_headers_are_taken_or_told(project: Path) -> None:
    """E19."""
    micrograph("a.mrc", pixel_A=0.885)
    end = finish("importing", files="a.mrc", output="Import/job001/import")
    assert end.outputs[0].pixel_size_A == 0.885
    finish("importing", files="a.mrc", output="Import/job002/import", pixel_size_A=1.77)
    (warning,) = warnings("Import/job002/import")
    assert "another pixel size than 1.7700 Å" in warning and "a.mrc says 0.8850 Å" in warning
    micrograph("b.mrc", pixel_A=1.0)
    with pytest.raises(InputError, match=r"say 1\.000 Å, as programs write that do not know it"):
        finish("importing", files="b.mrc", output="Import/job003/import")
    tifffile.imwrite("c.tif", np.zeros((24, 32), dtype=np.uint16))
    with pytest.raises(InputError, match=r"c\.tif does not say its pixel size: give it"):
        finish("importing", files="c.tif", output="Import/job004/import")
    assert (
        finish("importing", files="c.tif", output="Import/job005/import", pixel_size_A=0.9)
        .outputs[0]
        .particles
        == 1
    )


def test_different_sizes_are_told(project: Path) -> None:
    micrograph("m/a.mrc")
    micrograph("m/b.mrc", (32, 24))
    finish("importing", files="m/*.mrc", output="Import/job001/import")
    assert warnings("Import/job001/import") == [
        "The micrographs have different sizes: 1 of 32 x 24, 1 of 24 x 32."
    ]


def test_micrographs_that_cannot_be_used(project: Path) -> None:
    refused("No file fits 'Mics", files="Mics/*.mrc")
    refused(r"gone\.star does not exist", files="gone.star")
    micrograph("a.mrc")
    data = Path("a.mrc").read_bytes()
    Path("a.mrc").write_bytes(data[:-1])
    refused(r"a\.mrc is cut short", files="a.mrc")
    with StackWriter("movie.mrc", 16, 1.5) as stack:
        stack.append(np.zeros((3, 16, 16), dtype=np.float32))
    refused("is a movie of 3 frames", files="movie.mrc", kind="raw")
    tifffile.imwrite("movie.tif", np.zeros((4, 8, 8), dtype=np.uint16), photometric="minisblack")
    refused("is a movie of 4 frames", files="movie.tif")
    tifffile.imwrite("cut.tif", np.ones((64, 64), dtype=np.uint16))
    Path("cut.tif").write_bytes(Path("cut.tif").read_bytes()[:-2])
    refused(r"cut\.tif is cut short", files="cut.tif", pixel_size_A=1.2)
    Path("bad.tif").write_bytes(b"II*\0")
    refused(r"bad\.tif is no TIFF", files="bad.tif", pixel_size_A=1.2)
    micrograph("b.mrc")
    refused("The MTF mtf.star does not exist", files="b.mrc", mtf="mtf.star")


def test_more_micrographs_are_added_to_an_import(project: Path) -> None:
    micrograph("a.mrc")
    micrograph("b.mrc")
    finish("importing", files="a.mrc", output="Import/job001/import")
    end = finish("importing", files="[ab].mrc", output="Import/job001/import", append=True)
    assert end.message.startswith("2 micrographs") and "1 of them new" in end.message
    micrograph("c.mrc")
    finish(
        "importing",
        files="c.mrc",
        output="Import/job001/import",
        append=True,
        optics_group_name="second",
        voltage_kV=200.0,
    )
    tables = read_star("Import/job001/micrographs.star")
    assert tables["micrographs"].columns["rlnOpticsGroup"].tolist() == [1, 1, 2]
    assert tables["optics"].columns["rlnVoltage"].tolist() == [300.0, 200.0]
    for group, message in (
        ("second", "has 200.0 as rlnVoltage, not 300.0"),
        ("third", "a.mrc is listed already in another optics group"),
    ):
        with pytest.raises(InputError, match=message):
            finish(
                "importing",
                files="a.mrc",
                output="Import/job001/import",
                append=True,
                optics_group_name=group,
            )
    assert len(read_star("Import/job001/micrographs.star")["micrographs"]) == 3


def test_a_list_of_an_earlier_import_is_kept(project: Path) -> None:
    micrograph("a.mrc")
    micrograph("b.mrc")
    finish("importing", files="a.mrc", output="Import/job001/import")
    before = Path("Import/job001/micrographs.star").read_bytes()
    finish("importing", files="b.mrc", output="Import/job001/import")
    assert Path("Import/job001/superseded/attempt01/micrographs.star").read_bytes() == before


# Particles


def write_renamed(source: Path, target: Path, stack: str) -> None:
    """A particle file with another name of its stack."""
    text, count = re.subn(r"@\S+set\.mrcs", f"@{stack}", source.read_text())
    assert count > 0
    target.write_text(text)


def other_project(project: Path) -> Path:
    """A RELION-like project beside ours with particles in Extract/job018, stacks named from there."""
    other = project.parent / "other"
    job = other / "Extract" / "job018"
    job.mkdir(parents=True)
    particle_set(job, particles=12, box=32, snr=2.0, micrographs=2)
    write_renamed(job / "set.star", job / "particles.star", "Extract/job018/set.mrcs")
    return job / "particles.star"


def test_particles_of_another_project_are_found_from_ours(project: Path) -> None:
    source = other_project(project)
    end = finish("importing", files=str(source), output="Import/job001/import")
    found = read_particles("Import/job001/particles.star")
    assert check_particles(found, needs_ctf=True) == []
    assert found.stacks[0] == source.parent / "set.mrcs"
    before = read_particles(source)
    assert found.table.columns.keys() == before.table.columns.keys()
    np.testing.assert_array_equal(found.defocus_u_A, before.defocus_u_A)
    assert found.slice_index.tolist() == before.slice_index.tolist()
    (output,) = end.outputs
    assert (output.path, output.content, output.particles, output.box_size) == (
        "particles.star",
        "particles",
        12,
        32,
    )
    assert output.pixel_size_A == 4.0


def test_a_file_of_the_same_name_in_our_project_is_not_taken_for_theirs(project: Path) -> None:
    """Two RELION projects often have the same job numbers and names; the images of the file's own are meant."""
    source = other_project(project)
    particle_set("Extract/job018", particles=12, box=32, snr=2.0, micrographs=2, random_seed=5)
    finish("importing", files=str(source), output="Import/job001/import")
    (stack,) = read_particles("Import/job001/particles.star").stacks
    assert stack.samefile(source.parent / "set.mrcs")
    assert not stack.samefile("Extract/job018/set.mrcs")


def test_particles_inside_the_project_keep_their_names(project: Path) -> None:
    particle_set("Extract/job018", particles=4, box=32, micrographs=1)
    finish(
        "importing",
        files="Extract/job018/set.star",
        output="Import/job001/own",
        particles_optics_group_name="jan-2026",
    )
    tables = read_star("Import/job001/own.star")
    assert tables["particles"].columns["rlnImageName"][0] == "000001@Extract/job018/set.mrcs"
    assert tables["optics"].columns["rlnOpticsGroupName"].tolist() == ["jan-2026"]


LEGACY = """data_

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnDetectorPixelSize #3
_rlnMagnification #4
_rlnVoltage #5
_rlnSphericalAberration #6
_rlnAmplitudeContrast #7
_rlnOriginX #8
_rlnOriginY #9
_rlnDefocusU #10
_rlnAngleRot #11
1@stack.mrcs mic.mrc 3.54 10000 300 2.7 0.1 3.7 -3.7 10000 30
2@stack.mrcs mic.mrc 3.54 10000 300 2.7 0.1 0 1 11000 60
3@stack.mrcs mic.mrc 3.54 10000 200 2.7 0.1 0 1 11000 60
"""


def test_files_of_3_0_are_converted(project: Path) -> None:
    """N10: 3.54 Å pixels, offsets in Å, one optics group for each microscope setting."""
    with StackWriter("stack.mrcs", 16, 3.54) as stack:
        stack.append(np.random.default_rng(1).normal(size=(3, 16, 16)).astype(np.float32))
    Path("old.star").write_text(LEGACY)
    finish("importing", files="old.star", output="Import/job001/import")
    tables = read_star("Import/job001/particles.star")
    optics, particles = tables["optics"].columns, tables["particles"].columns
    assert optics["rlnOpticsGroupName"].tolist() == ["opticsGroup1", "opticsGroup2"]
    assert optics["rlnImagePixelSize"].tolist() == [3.54, 3.54]
    assert optics["rlnImageSize"].tolist() == [16, 16]
    assert optics["rlnVoltage"].tolist() == [300.0, 200.0]
    np.testing.assert_allclose(particles["rlnOriginXAngst"], [13.098, 0, 0])
    np.testing.assert_allclose(particles["rlnOriginYAngst"], [-13.098, 3.54, 3.54])
    assert particles["rlnOpticsGroup"].tolist() == [1, 1, 2]
    assert "rlnOriginX" not in particles and "rlnMagnification" not in particles
    with pytest.raises(InputError, match="has 2 optics groups"):
        finish(
            "importing",
            files="old.star",
            output="Import/job002/import",
            particles_optics_group_name="one",
        )


def test_stacks_that_relion_would_take_for_maps_get_links(project: Path) -> None:
    for folder in ("x", "y"):
        Path(folder).mkdir()
        with StackWriter(f"{folder}/stack.mrc", 16, 3.54) as stack:
            stack.append(np.random.default_rng(1).normal(size=(3, 16, 16)).astype(np.float32))
    text = LEGACY.replace("1@stack.mrcs", "1@x/stack.mrc").replace("@stack.mrcs", "@y/stack.mrc")
    Path("old.star").write_text(text)
    finish("importing", files="old.star", output="Import/job001/import")
    names = read_star("Import/job001/particles.star")["particles"].columns["rlnImageName"]
    assert names.tolist() == [
        "000001@Import/job001/stacks/stack.mrcs",
        "000002@Import/job001/stacks/stack_2.mrcs",
        "000003@Import/job001/stacks/stack_2.mrcs",
    ]
    assert Path("Import/job001/stacks/stack_2.mrcs").samefile("y/stack.mrc")


def test_a_changed_beginning_of_paths_is_followed(project: Path) -> None:
    particle_set("here", particles=4, box=32, micrographs=1)
    write_renamed(Path("here/set.star"), Path("moved.star"), "/gone/scratch/set.mrcs")
    refused("do not exist", files="moved.star")
    finish(
        "importing",
        files="moved.star",
        output="Import/job002/import",
        path_map="/gone/scratch/=here/",
    )
    names = read_star("Import/job002/particles.star")["particles"].columns["rlnImageName"]
    assert names[0] == "000001@here/set.mrcs"
    with pytest.raises(InputError, match="--path-map is 'x' but must be OLD=NEW"):
        finish("importing", files="moved.star", output="Import/job003/import", path_map="x")


def test_particles_that_cannot_be_used(project: Path) -> None:
    source = other_project(project)
    stack = source.parent / "set.mrcs"
    whole = stack.read_bytes()
    stack.write_bytes(whole[:-100])
    refused("is cut short", files=str(source))
    stack.unlink()
    refused("1 of 1 image stacks .* do not exist", files=str(source))
    refused("gone.star does not exist", files="gone.star", kind="particles")
    Path("empty.star").write_text("data_optics\n\nloop_\n_rlnOpticsGroup\n1\n\ndata_particles\n\n")
    refused("contains no particles", files="empty.star", kind="particles")
    refused("is no .cs file; passthrough", files="empty.star", kind="particles", passthrough="a.cs")


# Maps, masks and half-maps


def volume(seed: int = 1, box: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(box, box, box)).astype(np.float32)


def test_a_map_is_copied_byte_by_byte(project: Path) -> None:
    write_map("../a map.mrc", volume(), 1.5)
    end = finish("importing", files="../a map.mrc", output="Import/job001/import")
    assert Path("Import/job001/a map.mrc").read_bytes() == Path("../a map.mrc").read_bytes()
    (output,) = end.outputs
    assert (output.path, output.content, output.box_size, output.pixel_size_A) == (
        "a map.mrc",
        "map",
        16,
        1.5,
    )
    shutil.copy("../a map.mrc", "b.map")
    finish("importing", files="b.map", output="Import/job002/ref")
    assert read_map("Import/job002/ref.mrc").pixel_size_A == 1.5


def test_a_wrong_pixel_size_is_put_right_in_the_copy(project: Path) -> None:
    """E19."""
    write_map("a.mrc", volume(), 1.0)
    finish("importing", files="a.mrc", output="Import/job001/import")
    assert (
        "which many programs write where they do not know it" in warnings("Import/job001/import")[0]
    )
    finish("importing", files="a.mrc", output="Import/job002/import", pixel_size_A=1.244)
    found = read_map("Import/job002/a.mrc")
    assert found.pixel_size_A == pytest.approx(1.244, abs=1e-6)
    np.testing.assert_array_equal(found.volume, volume())
    write_map("none.mrc", volume(), 0.0)
    refused("none.mrc has no pixel size", files="none.mrc", kind="map")


def test_masks_are_recognised_and_measured(project: Path) -> None:
    mask = np.zeros((16, 16, 16), dtype=np.float32)
    mask[4:12, 4:12, 4:12] = 1.0
    write_map("mask.mrc", mask, 2.0)
    end = finish("importing", files="mask.mrc", output="Import/job001/import")
    assert end.outputs[0].content == "mask"
    said = Path("Import/job001/run.out").read_text()
    assert "12.5 % of the box, 4096 Å³" in said and "3 kDa" in said
    write_map("high.mrc", 2 * mask, 2.0)
    refused("has values from 0 to 2; a mask has", files="high.mrc", kind="mask")
    write_map("empty.mrc", 0 * mask, 2.0)
    refused("has the value 0 everywhere", files="empty.mrc", kind="mask")


def test_half_maps_come_in_pairs(project: Path) -> None:
    for half in (1, 2):
        write_map(f"run_half{half}_class001_unfil.mrc", volume(half), 1.5)
    end = finish("importing", files="run_half2_class001_unfil.mrc", output="Import/job001/import")
    assert [one.content for one in end.outputs] == ["half map", "half map"]
    assert [one.path for one in end.outputs] == [
        "run_half2_class001_unfil.mrc",
        "run_half1_class001_unfil.mrc",
    ]
    assert Path("Import/job001/run_half1_class001_unfil.mrc").exists()


def test_half_maps_that_are_no_pair(project: Path) -> None:
    """E34, E35."""
    write_map("a_half1.mrc", volume(1), 1.5)
    refused(
        r"The other half-map a_half2\.mrc .* does not exist", files="a_half1.mrc", kind="halfmaps"
    )
    shutil.copy("a_half1.mrc", "a_half2.mrc")
    refused("are the same map", files="a_half1.mrc")
    write_map("a_half2.mrc", volume(2, 18), 1.5)
    refused("box of 16 and .* one of 18", files="a_half1.mrc")
    write_map("a_half2.mrc", volume(2), 1.6)
    refused(r"1\.5000 Å per pixel and .* 1\.6000 Å", files="a_half1.mrc")
    write_map("a.mrc", volume(2), 1.6)
    refused("neither half1 nor half2", files="a.mrc", kind="halfmaps")


def test_what_is_nothing_that_is_known(project: Path) -> None:
    Path("a.txt").write_text("x")
    refused("is nothing that is known here", files="a.txt")
    Path("a.star").write_text("data_a\n\nloop_\n_rlnX\n1\n")
    refused("names neither particles", files="a.star")
    with StackWriter("stack.mrcs", 16, 1.5) as stack:
        stack.append(np.zeros((3, 16, 16), dtype=np.float32))
    refused("is a stack of images; import the STAR file", files="stack.mrcs")
    Path("Import/job001").mkdir(parents=True)
    write_map("Import/job001/a.mrc", volume(), 1.5)
    with pytest.raises(InputError, match="would be written over itself"):
        finish("importing", files="Import/job001/a.mrc", output="Import/job001/import")


# Words


def read(words: str) -> ImportingParams:
    params = build(ImportingParams, parse(ImportingParams, words.split()))
    assert isinstance(params, ImportingParams)
    return params


def test_relions_words_of_an_import() -> None:
    params = read(
        "--do_micrographs --optics_group_name opticsGroup1 --optics_group_mtf m.star --angpix 0.885 --kV 200 "
        "--Cs 1.4 --Q0 0.1 --beamtilt_x 0 --beamtilt_y 0 --i Micrographs/*.mrc --odir Import/job001/ "
        "--ofile micrographs.star --continue"
    )
    assert (params.kind, params.append, params.file_name) == ("raw", True, "micrographs.star")
    assert (params.voltage_kV, params.spherical_aberration_mm) == (200.0, 1.4)
    assert params.output == "Import/job001/import"
    assert read("--i a.mrc --odir I/ --do_halfmaps").kind == "halfmaps"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--o I/", "no files are named"),
        ("--i a.mrc", "no output is named"),
        ("--i a.mrc --o I/ --optics_group_name my_group", "should match pattern"),
        ("--i a.star --o I/ --append --kind particles", "only raw micrographs can be added"),
        ("--i a.box --o I/ --kind coordinates", "coordinates need the list"),
        ("--i a.mrc --o I/ --ofile x/y.star", "must not have a folder"),
        ("--i a.mrc --o I/ --kind map --passthrough a.cs", "belong to particles of cryoSPARC"),
        ("--i a.mrc --o I/ --angpix 0", "greater than 0"),
    ],
)
def test_words_that_do_not_fit_together(words: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read(words)
