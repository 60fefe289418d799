"""Whether a device runs the kernels in Triton: what does not is left to plain torch."""

from functools import cache
from importlib.util import find_spec

import torch


def runs_triton(device: torch.device) -> bool:
    """Whether kernels in Triton run on a device: else it is left to plain torch."""
    return device.type == "cuda" and triton_problem(device) is None


@cache
def triton_problem(device: torch.device) -> str | None:
    """Why kernels in Triton do not run on a CUDA device, None where they do; each process tries two of them once."""
    if find_spec("triton") is None:
        return "Triton is not installed"
    from compute.projection import kernels_triton

    try:
        kernels_triton.try_out(device)
    except Exception as error:  # Triton's, its C compiler's, NVIDIA's assembler's or the driver's
        return str(error).partition("\n")[0] or type(error).__name__
    return None
