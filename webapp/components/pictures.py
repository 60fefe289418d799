"""Grey pictures as addresses that hold them whole, for HTML."""

import base64
import html
import io

import numpy as np
from PIL import Image

TILE_PX = 84
TILE_QUALITY = 80


def whole(grey: np.ndarray, text: str, width_px: int) -> str:
    """A grey picture, y upwards, as an HTML element with its caption."""
    return (
        f'<figure><img alt="{html.escape(text)}" width="{width_px}" src="{png(grey)}">'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
    )


def png(grey: np.ndarray) -> str:
    """A grey picture, y upwards, exact, as an address that holds it whole."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey[::-1])).save(buffer, "PNG")
    return _address(buffer, "png")


def small(grey: np.ndarray) -> str:
    """A grey picture, y upwards, small and for the eye alone, as an address that holds it whole."""
    picture = Image.fromarray(np.ascontiguousarray(grey[::-1]))
    picture.thumbnail((TILE_PX, TILE_PX), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=TILE_QUALITY)
    return _address(buffer, "jpeg")


def _address(buffer: io.BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
