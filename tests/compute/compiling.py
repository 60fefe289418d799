"""Compile every kernel for GPUs, on any machine: `python -m tests.compute.compiling`. One line for each.

Triton's interpreter, which the other tests use, runs Python: it knows nothing of what a GPU's compiler refuses.
"""

import inspect
import os
import sys
from typing import Any

os.environ["TRITON_INTERPRET"] = "0"
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from compute.expectation import pairs_triton
from compute.maximisation import shells_triton, symmetrise_triton
from compute.projection import kernels_triton

TYPES = {
    **dict.fromkeys(("records", "image_of"), "*i64"),
    **dict.fromkeys(("first", "last"), "*i32"),
    **dict.fromkeys(("needed", "total", "covered", "count"), "*fp64"),
    **dict.fromkeys(("factor", "mirrored"), "fp32"),
    **dict.fromkeys(("pairs", "pixels", "shifts", "phase_pixels", "mean_pixels"), "i32"),
    **dict.fromkeys(("padding", "origin", "side", "row", "operators", "reach", "halves"), "i32"),
}
"""Types of arguments by their names; all others point to single precision numbers."""
CAPABILITIES = (80, 90)
"""A100 and H100: the older one adds no four numbers at once."""
Launch = tuple[Any, dict[str, Any], dict[str, int]]


def launches(capability: int) -> list[Launch]:
    """Kernels with their constants and options, as they are launched on a GPU of this compute capability."""
    found: list[Launch] = [
        (symmetrise_triton._add_rotated, {"STEP": 4, "BLOCK": symmetrise_triton.VOXELS}, {}),
        (shells_triton._add_half_shells, {"STEP": 4, "BLOCK": shells_triton.VOXELS}, {}),
    ]
    sums = {"STEP": 4, "AT_ONCE": (capability // 10, capability % 10) >= kernels_triton.ADDS_FOUR}
    for is_wide in (False, True):
        many = {"WIDE": is_wide, "BLOCK": kernels_triton.PIXELS}
        summed = {"WIDE": is_wide, "BLOCK": pairs_triton.SUMMED_PIXELS}
        found += [
            (kernels_triton._slices, many, {}),
            (kernels_triton._insert, many | sums, {}),
            (pairs_triton._put_back, summed | sums, {}),
            (pairs_triton._model_sums, summed, {}),
        ]
    for shifts in (32, pairs_triton.SHIFTS):
        for precision in ("tf32", pairs_triton.EXACT):
            compared = {"WIDE": False, "SHIFTS": shifts, "PRECISION": precision}
            compared |= {"PAIRS": pairs_triton.PAIRS, "PIXELS": pairs_triton.PIXELS}
            options = {"num_warps": pairs_triton.WARPS, "num_stages": pairs_triton.STAGES}
            found.append((pairs_triton._scores, compared, options))
    return found


def compile_kernel(launch: Launch, capability: int) -> str:
    """The assembly of a kernel; an error of Triton or of NVIDIA's assembler where there is none."""
    kernel, constants, options = launch
    names = list(inspect.signature(kernel.fn).parameters)
    types = {name: TYPES.get(name, "*fp32") for name in names}
    types |= dict.fromkeys(constants, "constexpr")
    aligned = {
        (i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if types[name][0] == "*"
    }
    source = ASTSource(kernel, types, constants, aligned)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    if not made.asm["cubin"]:
        raise RuntimeError(f"{kernel.fn.__name__} was not assembled")
    assembly: str = made.asm["ptx"]
    return assembly


def main() -> int:
    """Compile all kernels."""
    for capability in CAPABILITIES:
        for launch in launches(capability):
            assembly = compile_kernel(launch, capability)
            adds_four = "add.v4.f32" in assembly
            print(f"sm_{capability} {launch[0].fn.__name__} {launch[1]} adds four: {adds_four}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
