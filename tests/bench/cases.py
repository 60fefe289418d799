"""The cases of the speed benchmark: particles, reference and options, the same for our program and its peer."""

from dataclasses import dataclass
from pathlib import Path

from compute.params.simulate import SimulateParams
from webapp import cli

SHARED = Path(__file__).resolve().parents[3] / "shared"
MODELS = SHARED / "data" / "models"
BETAGAL = SHARED / "data" / "betagal_empiar10204"


@dataclass(frozen=True)
class Simulation:
    """A simulated set by its sizes."""

    model: str
    symmetry: str
    particles: int
    box: int
    pixel_size_A: float
    diameter_A: float
    snr: float
    b_factor_A2: float = 100.0


@dataclass(frozen=True)
class Case:
    """One refinement: its files, point group, mask diameter, and the options for where it runs.

    `truth` is the root of the true map and poses of a simulated set.
    """

    name: str
    particles: Path
    reference: Path
    symmetry: str
    diameter_A: float
    is_gpu: bool = False
    truth: Path | None = None


SIMULATED = {
    "d2": Simulation("5a1a.cif", "D2", 2000, 128, 2.0, 200.0, 0.05),
    "c1": Simulation("ribosome.pdb", "C1", 1000, 96, 4.22, 285.0, 0.05),
    "gpu-tutorial": Simulation("5a1a.cif", "D2", 4500, 256, 1.244, 200.0, 0.03, 80.0),
    "gpu-fine": Simulation("5a1a.cif", "D2", 4500, 256, 1.244, 200.0, 0.6, 0.0),
    "gpu-large": Simulation("5a1a.cif", "D2", 100_000, 256, 1.244, 200.0, 0.03, 80.0),
}
NAMES = ("real", *SIMULATED)


def case_of(name: str, folder: Path) -> Case:
    """A case with its files, simulated into the folder unless they are there."""
    if name == "real":
        particles = BETAGAL / "selected.star"
        reference = SHARED / "data" / "maps" / "betaGal.mrc"
        return Case(name, particles, reference, "D2", 200.0)
    made = SIMULATED[name]
    root = folder / name
    if not root.with_suffix(".star").exists():
        _simulate(made, root, "cuda:0" if name.startswith("gpu") else "cpu")
    reference = root.with_name(f"{name}_reference.mrc")
    is_gpu = name.startswith("gpu")
    particles, truth = root.with_suffix(".star"), root.with_name(f"{name}_truth")
    return Case(name, particles, reference, made.symmetry, made.diameter_A, is_gpu, truth)


def _simulate(made: Simulation, root: Path, device: str) -> None:
    params = SimulateParams(
        model=str(MODELS / made.model),
        symmetry="C1",
        output=str(root),
        particles=made.particles,
        box=made.box,
        pixel_size_A=made.pixel_size_A,
        snr=made.snr,
        noise="white",
        b_factor_A2=made.b_factor_A2,
        offset_sigma_A=4.0,
        reference_resolution_A=40.0,
        device=device,
        random_seed=1,
    )
    if cli.start("simulate", params):
        raise RuntimeError(f"simulating {root.name} failed")
