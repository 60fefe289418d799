"""The rehearsal of the preview worker: nothing is left to be compiled, and nothing is left behind."""

import tempfile
from pathlib import Path

import pytest
import torch

from compute.jobs.preview_rehearsal import rehearse
from compute.signal.shell_sums import _products, products_compiled, products_torch

BOX = 24


def test_a_first_answer_finds_everything_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rehearse()
    assert list(tmp_path.iterdir()) == []
    compiled = list(_products.signatures)
    assert compiled
    generator = torch.Generator().manual_seed(0)
    halves = torch.randn(2, BOX, BOX, BOX, generator=generator)
    transforms = [torch.fft.rfftn(half) for half in halves]
    sums = products_compiled(*transforms, BOX // 2 + 1)
    torch.testing.assert_close(sums, products_torch(*transforms, BOX // 2 + 1), rtol=1e-4, atol=1.0)
    assert list(_products.signatures) == compiled
