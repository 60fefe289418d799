"""Pictures of images that a form or a job shows."""

import base64
import io
import re

import numpy as np
from PIL import Image

from webapp.components.headers import ACROSS, picture


def test_a_sheet_is_clear_where_there_is_no_image() -> None:
    tiles = [np.random.default_rng(n).random((8, 8)) for n in range(ACROSS + 1)]
    text = picture(tiles, "some images")
    (data,) = re.findall(r"base64,([^\"]+)", text)
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(data))))
    assert sheet.shape == (2 * 10, ACROSS * 10, 2)
    grey, opacity = sheet[..., 0], sheet[..., 1]
    assert (opacity[10:18, :8] == 255).all()
    assert (opacity[10:, 10:] == 0).all()
    assert grey[:8, :8].max() == 255
