"""What a preview worker does once before it greets, so that its first answer takes no longer than later ones."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from compute.files.mrc import write_map
from compute.jobs.map_cache import MapCache
from compute.jobs.preview_answers import answer
from compute.params.preview import (
    FscRequest,
    GuinierRequest,
    LevelsRequest,
    MaskRecipe,
    MaskRequest,
    SharpenedRequest,
    SlicesRequest,
)
from compute.signal.shell_sums import products_compiled

BOX = 16
PIXEL_SIZE_A = 2.0
MEMORY_BYTES = 1 << 26


def rehearse() -> None:
    """Answer one question of each kind on maps of a few voxels.

    Compiled code is made or read, transforms are planned and threads are started, which on a slow
    machine takes many times as long as a first answer that finds all this done.
    """
    with tempfile.TemporaryDirectory() as name:
        first, second = (_write_map(Path(name), half) for half in (1, 2))
        recipe = MaskRecipe(map=first, threshold=0.5, lowpass_A=8.0)
        cache = MapCache(MEMORY_BYTES)
        curve = (1.0,) * (BOX // 2 + 1)
        for request in (
            SlicesRequest(map=first),
            LevelsRequest(map=first, lowpass_A=8.0),
            MaskRequest(mask=recipe),
            FscRequest(half1=first, half2=second, made_mask=recipe),
            GuinierRequest(map=first, second_map=second, fsc=curve, made_mask=recipe),
            SharpenedRequest(map=first, second_map=second, fsc=curve, b_factor_A2=0.0),
        ):
            answer(request, cache)
        transform = torch.fft.rfftn(cache.volume(first)[0])
        products_compiled(transform, transform, BOX // 2 + 1)


def _write_map(folder: Path, half: int) -> str:
    """A ball with noise, as a file."""
    x = np.arange(BOX) - BOX // 2
    is_inside = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2 < (BOX / 4) ** 2
    noise = np.random.default_rng(half).normal(0.0, 0.05, (BOX, BOX, BOX))
    path = folder / f"half{half}.mrc"
    write_map(path, (is_inside + noise).astype(np.float32), PIXEL_SIZE_A)
    return str(path)
