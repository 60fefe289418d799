"""The CTF applied to images while they are cut out of their micrograph."""

import numpy as np
import torch
from jaxtyping import Float32

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.optics import column, has
from compute.jobs.extract_plan import Plan, Work
from compute.jobs.extract_source import group_rows
from compute.params.extract import ExtractParams
from compute.signal.ctf import Optics, ctf


def check_ctf(plan: Plan) -> None:
    """Raise InputError where the particles or their optics do not say their CTF."""
    rows = plan.work[0].rows
    lens = ("voltage_kV", "spherical_aberration_mm", "amplitude_contrast")
    missing = [] if has(rows, "defocus_u_A") else [star_label("defocus_u_A")]
    missing += [star_label(name) for name in lens if not has(plan.optics, name)]
    if missing:
        raise InputError(
            f"images can be multiplied by their CTF only where it is known: {', '.join(missing)} are missing"
        )


def with_ctf(
    params: ExtractParams,
    work: Work,
    plan: Plan,
    images: Float32[np.ndarray, "image y x"],
    rows: np.ndarray,
) -> Float32[np.ndarray, "image y x"]:
    """Images multiplied by their CTF, or by its sign; `rows` are those of the work."""
    box = images.shape[-1]
    micrograph_A = work.pixel_size_A * (params.rescale_box or params.box) / params.box
    along = torch.fft.fftfreq(box, micrograph_A, dtype=torch.float64)
    along[box // 2] *= -1.0  # the row N/2 stands for +N/2
    half = torch.fft.rfftfreq(box, micrograph_A, dtype=torch.float64)
    y, x = torch.meshgrid(along, half, indexing="ij")
    transforms = torch.fft.rfft2(torch.from_numpy(images))
    groups = group_rows(plan.optics, work.rows)[rows]
    for group in np.unique(groups):
        chosen = np.flatnonzero(groups == group)
        values = [_column(work, name, rows[chosen]) for name in _NAMES]
        factors = ctf(x.flatten(), y.flatten(), _lens(params, plan, int(group)), *values)
        transforms[chosen] *= factors.reshape(len(chosen), box, -1)
    return torch.fft.irfft2(transforms, s=(box, box)).numpy()


_NAMES = (
    "defocus_u_A",
    "defocus_v_A",
    "defocus_angle_deg",
    "phase_shift_deg",
    "ctf_b_factor_A2",
    "ctf_scale_factor",
)


def _column(work: Work, name: str, rows: np.ndarray) -> torch.Tensor:
    if name == "defocus_v_A" and not has(work.rows, name):
        name = "defocus_u_A"
    default = 1.0 if name == "ctf_scale_factor" else 0.0
    return torch.from_numpy(column(work.rows, name, default)[rows])


def _lens(params: ExtractParams, plan: Plan, group: int) -> Optics:
    """The lens of an optics group; RELION's CTF is negative where ours is positive, which only a sign tells."""
    return Optics(
        voltage_kV=float(column(plan.optics, "voltage_kV", 0.0)[group]),
        spherical_aberration_mm=float(column(plan.optics, "spherical_aberration_mm", 0.0)[group]),
        amplitude_contrast=float(column(plan.optics, "amplitude_contrast", 0.0)[group]),
        intact_first_peak=params.ctf_intact_first_peak,
        only_flip=params.phase_flip,
    )
