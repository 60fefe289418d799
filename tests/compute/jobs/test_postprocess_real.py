"""A real refinement, masked and post-processed, beside its atomic model: beta-galactosidase (EMPIAR-10204) and 5A1A."""

from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch

from compute.files.atoms import read_atoms
from compute.files.mrc import read_map
from compute.files.star import read_star
from compute.signal.density import density_map
from compute.signal.fourier import radial_frequency
from compute.signal.fsc import crossing, fsc, fsc_weight
from tests.compute.jobs.refining import pose_errors
from webapp import cli

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
BETAGAL = SHARED / "betagal_empiar10204"
CORRECTED = "rlnFourierShellCorrelationCorrected"
AXES = [1, 2, 0]
"""The model's axes in the frame of the reference poses (README of the data)."""
ICE_PER_A3 = 0.92 / 18.015 * 0.60221 * 8.0
"""Weight of vitreous ice, 0.92 g/cm³, on the scale of the atoms': atomic numbers, hydrogens left out of both."""
FINE = 4
"""Voxels of the solvent's border per voxel of the map, along an axis."""
B_GROUPS = 12
MEDIAN_OF_SIGMA = 1.5382
"""Median length of a vector of three normal components, in units of their deviation (Maxwell's distribution)."""


@dataclass(frozen=True)
class Model:
    """Atoms (x, y, z in Å from the box's centre) with their weights and B-factors (Å²)."""

    positions_A: np.ndarray
    weights: np.ndarray
    b_factors_A2: np.ndarray
    structure: gemmi.Structure

    def turned(self, angle_deg: float) -> "Model":
        """The model turned about z, which it is no longer symmetric about the right axes after."""
        c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return Model(self.positions_A @ turn.T, self.weights, self.b_factors_A2, self.structure)


def model_5a1a() -> Model:
    """The deposited model, biological assembly, without waters and hydrogens."""
    path = SHARED / "models" / "5a1a.cif"
    atoms = read_atoms(path)
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    structure.transform_to_assembly(
        structure.assemblies[0].name, gemmi.HowToNameCopiedChain.AddNumber
    )
    structure.remove_waters()
    structure.remove_hydrogens()
    b_factors_A2 = np.array([one.atom.b_iso for one in structure[0].all()])
    assert len(b_factors_A2) == len(atoms.weights)
    return Model(atoms.positions_A[:, AXES], atoms.weights, b_factors_A2, structure)


def in_vacuum(model: Model, box: int, pixel_A: float, pose_error_deg: float) -> torch.Tensor:
    """The atoms' density, each smeared by its B-factor and by how far images are turned against each other.

    Turns of a deviation of σ about each axis move an atom at a distance r by σr along two directions, 2/3 σ²r² along
    each on average, which is a B-factor of 8π² times that. Atoms are made in groups of like B-factor.
    """
    distance_A = np.linalg.norm(model.positions_A, axis=1)
    sigma = np.deg2rad(pose_error_deg) / MEDIAN_OF_SIGMA
    b_A2 = model.b_factors_A2 + 8 * np.pi**2 * (2 / 3) * (sigma * distance_A) ** 2
    group = np.digitize(b_A2, np.quantile(b_A2, np.linspace(0, 1, B_GROUPS + 1))[1:-1])
    density = torch.zeros(box, box, box)
    for one in np.unique(group):
        chosen = group == one
        places, weights = (
            torch.from_numpy(values[chosen]) for values in (model.positions_A, model.weights)
        )
        density += density_map(places, weights, box, pixel_A, float(b_A2[chosen].mean()))
    return density


def displaced_ice(model: Model, box: int, pixel_A: float) -> torch.Tensor:
    """The ice that is not where the model is: inside of its atoms' radii, and where no water has room between them."""
    fine, edge_A = FINE * box, box * pixel_A
    placed = model.structure.clone()
    placed.cell = gemmi.UnitCell(edge_A, edge_A, edge_A, 90, 90, 90)
    placed.spacegroup_hm = "P 1"
    for one, place_A in zip(placed[0].all(), model.positions_A + edge_A / 2, strict=True):
        one.atom.pos = gemmi.Position(*place_A)
    grid = gemmi.FloatGrid(fine, fine, fine)
    grid.set_unit_cell(placed.cell)
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Cctbx).put_mask_on_float_grid(grid, placed[0])
    inside = 1.0 - torch.from_numpy(np.array(grid.array).transpose(2, 1, 0).copy())
    transform = torch.fft.rfftn(torch.fft.ifftshift(inside))
    kept = torch.cat([torch.arange(box // 2), torch.arange(fine - box // 2, fine)])
    low = transform[kept][:, kept][:, :, : box // 2 + 1].clone()
    low[box // 2], low[:, box // 2], low[:, :, box // 2] = 0, 0, 0
    coarse = torch.fft.fftshift(torch.fft.irfftn(low, s=(box,) * 3))
    return ICE_PER_A3 * (pixel_A / FINE) ** 3 * coarse.float()


def as_far_as_a_map(density: torch.Tensor) -> torch.Tensor:
    """What a reconstruction in the same box can hold: nothing beyond the sphere that reaches to Nyquist.

    A density on a grid has the corners of its Fourier cube too, and a mask would carry them into the last shells.
    """
    transform = torch.fft.rfftn(density) * (radial_frequency(len(density), 3) <= len(density) / 2)
    return torch.fft.irfftn(transform, s=density.shape)


def run(command: str) -> None:
    assert cli.command(command.split()) == 0


@pytest.mark.slow
@pytest.mark.skipif(not BETAGAL.exists(), reason="the data folder is missing")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fsc_foretells_the_agreement_with_the_model(seed: int, tmp_path: Path) -> None:
    """sqrt(2 f / (1 + f)) is what the map should correlate to a perfect model with, inside the same mask.

    No value of the model's map is fitted to the result: atomic numbers, deposited B-factors, vitreous ice
    around the atoms, and the smear that the images' pose errors make. But this model was kept after some sixty
    variants of scattering, ice, smear, mask and scale had been looked at: the test shows that one fair model is
    within 0.1, not that each is. Worst shells, seeds 1 to 3: 0.077 (shell 9), 0.094 and 0.087 (shell 31); without
    the smear 0.075, 0.100, 0.094; in vacuum 0.115, 0.139, 0.134; with the scattering of neutral atoms for electrons,
    hydrogens added to the atoms that carry them, about 0.02 more. The map never agrees better than foretold.

    Of the last shell's deviation 0.045 is what all shells from 5 on have, the model's own shortcoming. Shells 29 to
    31 have 0.071 on average, in every seed: a part that grows to Nyquist and whose cause is not known (cutting the
    model where the map ends, below, takes 0.005 of it). The rest is chance: inside the mask and with D2 the shell has
    some 280 independent samples, which leave 0.025 on either value. So the limit holds, with no more margin than that.
    """
    refined = f"{tmp_path}/Refine/run"
    run(
        f"refine --i {BETAGAL}/selected.star --ref {SHARED}/maps/betaGal.mrc --sym D2 --particle_diameter 200 "
        "--ini_high 50 --firstiter_cc --auto_ignore_angles --auto_resol_angles --mpi 3 "
        f"--random_seed {seed} --o {refined}"
    )
    run(
        f"mask --i {refined}_class001.mrc --lowpass 15 --extend 3 --soft-edge 6 --o {tmp_path}/Mask/mask"
    )
    run(
        f"postprocess --i {refined}_half1_class001_unfil.mrc --mask {tmp_path}/Mask/mask.mrc --autob_lowres 12 "
        f"--o {tmp_path}/PostProcess/postprocess"
    )
    halves = [read_map(f"{refined}_half{n}_class001_unfil.mrc") for n in (1, 2)]
    pixel_A, box = halves[0].pixel_size_A, len(halves[0].volume)
    average = torch.from_numpy((halves[0].volume + halves[1].volume) / 2)
    mask = torch.from_numpy(read_map(tmp_path / "Mask" / "mask.mrc").volume)
    table = read_star(tmp_path / "PostProcess" / "postprocess.star")["fsc"]
    curve = torch.from_numpy(table.columns[CORRECTED])
    last = min(crossing(curve, 0.143), box // 2 - 1)  # the model's map ends before Nyquist
    error_deg = np.median(
        pose_errors(Path(f"{refined}_data.star"), BETAGAL / "reference_poses.star")[0]
    )

    def apart(model: Model, ice: float = 1.0) -> torch.Tensor:
        density = in_vacuum(model, box, pixel_A, float(error_deg))
        density -= ice * displaced_ice(model, box, pixel_A)
        density = as_far_as_a_map(density)
        found = fsc(torch.fft.rfftn(average * mask), torch.fft.rfftn(density * mask), box // 2 + 1)
        return (fsc_weight(curve) - found)[1 : last + 1]

    model = model_5a1a()
    foretold = apart(model)
    assert last >= 30
    assert float(foretold.abs().max()) <= 0.1
    assert -0.02 < float(foretold.min()) and float(foretold.mean()) < 0.055
    assert float(apart(model, ice=0.0).abs().max()) > 0.1
    assert float(apart(model.turned(1.5)).abs().max()) > 0.1
