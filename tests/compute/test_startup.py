"""What a job leaves out of its start comes back when it is asked for."""

import json
import subprocess
import sys

STARTED = """
import json, sys
from compute.startup import SHAPES_ONLY, Postponed, shorten_import_of_torch
shorten_import_of_torch()
import torch
heavy = [name for name in sys.modules if name.startswith(("torch._refs", "torch._decomp"))]
image = torch.arange(16.0).reshape(4, 4)
found = {
    "is_postponed": isinstance(sys.modules[SHAPES_ONLY], Postponed),
    "heavy": heavy,
    "computes": bool(torch.allclose(torch.fft.irfft2(torch.fft.rfft2(image)), image, atol=1e-5)),
    "has_file": hasattr(sys.modules[SHAPES_ONLY], "__file__"),
}
"""
ASKED = """
from torch._meta_registrations import meta_mm
found["is_loaded"] = not isinstance(sys.modules[SHAPES_ONLY], Postponed)
found["shape"] = list(meta_mm(torch.empty(2, 3, device="meta"), torch.empty(3, 5, device="meta")).shape)
"""


def what(program: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", program + "print(json.dumps(found))"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_torch_computes_without_what_no_job_needs() -> None:
    assert what(STARTED) == {
        "is_postponed": True,
        "heavy": [],
        "computes": True,
        "has_file": False,
    }


def test_what_was_left_out_is_loaded_when_it_is_asked_for() -> None:
    found = what(STARTED + ASKED)
    assert found["is_loaded"]
    assert found["shape"] == [2, 5]


def test_a_torch_that_is_there_already_is_left_as_it_is() -> None:
    program = """
import json, sys
import torch
from compute.startup import SHAPES_ONLY, Postponed, shorten_import_of_torch
shorten_import_of_torch()
found = {"is_postponed": isinstance(sys.modules[SHAPES_ONLY], Postponed)}
"""
    assert what(program) == {"is_postponed": False}
