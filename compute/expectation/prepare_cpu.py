"""Images centred and masked, compiled for the CPU: what `prepare.prepare` does before it transforms them."""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled


@compiled(fastmath=True)
@no_type_check
def centre_and_mask(images, norm_factor, shifts, background, fill, is_filled, centred, masked):
    """Fill centred with images [image, y, x] times their factor, moved by whole pixels (x, y); and masked.

    See `fourier.shift_by_pixels` and `masks.mask_images`. background [y, x]: weight of the surroundings; fill [image,
    y, x] replaces them where is_filled, else their own mean, float64, does.
    """
    rows, columns = background.shape
    total = 0.0
    for y in range(rows):
        for x in range(columns):
            total += np.float64(background[y, x])
    total = max(total, np.finfo(np.float64).tiny)
    for i in range(images.shape[0]):
        _centre(images[i], norm_factor[i], shifts[i, 0], shifts[i, 1], centred[i])
        mean = 0.0
        if not is_filled:
            for y in range(rows):
                for x in range(columns):
                    mean += np.float64(background[y, x]) * np.float64(centred[i, y, x])
        average = np.float32(mean / total)
        for y in range(rows):
            for x in range(columns):
                value = centred[i, y, x]
                other = fill[i, y, x] if is_filled else average
                masked[i, y, x] = value + background[y, x] * (other - value)


@compiled(fastmath=True)
@no_type_check
def _centre(image, factor, by_x, by_y, out):
    """Fill out with an image times a factor, moved by whole pixels; zeros come in."""
    rows, columns = image.shape
    first, end = max(by_x, 0), min(columns + by_x, columns)
    for y in range(rows):
        source = y - by_y
        if source < 0 or source >= rows:
            for x in range(columns):
                out[y, x] = np.float32(0)
            continue
        for x in range(min(first, columns)):
            out[y, x] = np.float32(0)
        for x in range(first, end):
            out[y, x] = image[source, x - by_x] * factor
        for x in range(max(end, 0), columns):
            out[y, x] = np.float32(0)
