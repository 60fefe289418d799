"""A real refinement, post-processed, beside its atomic model: beta-galactosidase (EMPIAR-10204) and 5A1A."""

from pathlib import Path

import pytest
import torch

from compute.files.atoms import read_atoms
from compute.files.mrc import read_map, write_map
from compute.files.star import read_star
from compute.signal.density import density_map
from compute.signal.fourier import lowpass
from compute.signal.fsc import crossing, fsc, fsc_weight
from compute.signal.quick_mask import quick_mask
from webapp import cli

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
PARTICLES = SHARED / "betagal_empiar10204" / "selected.star"
CORRECTED = "rlnFourierShellCorrelationCorrected"


@pytest.mark.slow
@pytest.mark.skipif(not PARTICLES.exists(), reason="the data folder is missing")
def test_the_fsc_foretells_the_agreement_with_the_model(tmp_path: Path) -> None:
    """sqrt(2 f / (1 + f)) is what the map should correlate to a perfect model with, inside the same mask.

    All atoms of this model have one B-factor and stand in vacuum, so the map agrees with it less well: by 0.15
    near 7.3 Å in the shell that is worst, by 0.07 on average, and never better. With the atoms' own B-factors,
    four times as large, the worst shell is off by 0.10.
    """
    command = (
        f"refine --i {PARTICLES} --ref {SHARED}/maps/betaGal.mrc --sym D2 --particle_diameter 200"
    )
    command += " --ini_high 50 --firstiter_cc --auto_ignore_angles --auto_resol_angles --mpi 3"
    command += f" --random_seed 1 --o {tmp_path}/Refine/run"
    assert cli.command(command.split()) == 0
    halves = [tmp_path / "Refine" / f"run_half{n}_class001_unfil.mrc" for n in (1, 2)]
    maps = [read_map(path) for path in halves]
    pixel_A, box = maps[0].pixel_size_A, len(maps[0].volume)
    average = torch.from_numpy((maps[0].volume + maps[1].volume) / 2)
    mask = quick_mask(lowpass(average, pixel_A, 15.0), 0.02, 3.0, 6.0)
    write_map(tmp_path / "mask.mrc", mask.numpy(), pixel_A)
    command = f"postprocess --i {halves[0]} --mask {tmp_path}/mask.mrc --autob_lowres 12"
    assert cli.command([*command.split(), "--o", f"{tmp_path}/PostProcess/postprocess"]) == 0
    table = read_star(tmp_path / "PostProcess" / "postprocess.star")["fsc"]
    curve = torch.from_numpy(table.columns[CORRECTED])
    atoms = read_atoms(SHARED / "models" / "5a1a.cif")
    places = torch.from_numpy(atoms.positions_A[:, [1, 2, 0]].copy())  # the frame of the poses
    model = density_map(places, torch.from_numpy(atoms.weights), box, pixel_A)
    agreement = fsc(torch.fft.rfftn(average * mask), torch.fft.rfftn(model * mask), box // 2 + 1)
    last = min(crossing(curve, 0.143), box // 2 - 1)  # the model's map ends before Nyquist
    apart = (fsc_weight(curve) - agreement)[1 : last + 1]
    assert float(apart.abs().max()) < 0.17
    assert -0.02 < float(apart.mean()) < 0.09
    assert float(apart.min()) > -0.03
