"""Slicing and insertion compiled for the CPU. What they compute is defined in `kernels_torch`."""

from typing import no_type_check

import numba as nb
import numpy as np

_one = np.float32(1)


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def slices(values, rotations, model_x, model_y, padding, out):
    """Fill out[orientation, 2, pixel] with central slices of values[z, y, x, 2]; all arrays float32."""
    origin = np.float32((values.shape[0] - 1) // 2)
    scale = np.float32(padding)
    for o in range(rotations.shape[0]):
        xx, xy, xz = (
            scale * rotations[o, 0, 0],
            scale * rotations[o, 0, 1],
            scale * rotations[o, 0, 2],
        )
        yx, yy, yz = (
            scale * rotations[o, 1, 0],
            scale * rotations[o, 1, 1],
            scale * rotations[o, 1, 2],
        )
        for p in range(model_x.shape[0]):
            x = model_x[p] * xx + model_y[p] * yx
            y = model_x[p] * xy + model_y[p] * yy
            z = model_x[p] * xz + model_y[p] * yz
            sign = _one if x >= 0 else -_one
            x *= sign
            y = y * sign + origin
            z = z * sign + origin
            x0, y0, z0 = np.int32(x), np.int32(y), np.int32(z)
            fx, fy, fz = x - np.float32(x0), y - np.float32(y0), z - np.float32(z0)
            gx = _one - fx
            w00, w01 = (_one - fz) * (_one - fy), (_one - fz) * fy
            w10, w11 = fz * (_one - fy), fz * fy
            out[o, 0, p] = gx * (
                w00 * values[z0, y0, x0, 0]
                + w01 * values[z0, y0 + 1, x0, 0]
                + w10 * values[z0 + 1, y0, x0, 0]
                + w11 * values[z0 + 1, y0 + 1, x0, 0]
            ) + fx * (
                w00 * values[z0, y0, x0 + 1, 0]
                + w01 * values[z0, y0 + 1, x0 + 1, 0]
                + w10 * values[z0 + 1, y0, x0 + 1, 0]
                + w11 * values[z0 + 1, y0 + 1, x0 + 1, 0]
            )
            out[o, 1, p] = sign * (
                gx
                * (
                    w00 * values[z0, y0, x0, 1]
                    + w01 * values[z0, y0 + 1, x0, 1]
                    + w10 * values[z0 + 1, y0, x0, 1]
                    + w11 * values[z0 + 1, y0 + 1, x0, 1]
                )
                + fx
                * (
                    w00 * values[z0, y0, x0 + 1, 1]
                    + w01 * values[z0, y0 + 1, x0 + 1, 1]
                    + w10 * values[z0 + 1, y0, x0 + 1, 1]
                    + w11 * values[z0 + 1, y0 + 1, x0 + 1, 1]
                )
            )


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def insert(sums, rotations, model_x, model_y, padding, values, weights):
    """Add values[orientation, 2, pixel] and weights[orientation, pixel] to sums[z, y, x, 3], in place."""
    origin = np.float32((sums.shape[0] - 1) // 2)
    scale = np.float32(padding)
    for o in range(rotations.shape[0]):
        xx, xy, xz = (
            scale * rotations[o, 0, 0],
            scale * rotations[o, 0, 1],
            scale * rotations[o, 0, 2],
        )
        yx, yy, yz = (
            scale * rotations[o, 1, 0],
            scale * rotations[o, 1, 1],
            scale * rotations[o, 1, 2],
        )
        for p in range(model_x.shape[0]):
            x = model_x[p] * xx + model_y[p] * yx
            y = model_x[p] * xy + model_y[p] * yy
            z = model_x[p] * xz + model_y[p] * yz
            sign = _one if x >= 0 else -_one
            x *= sign
            y = y * sign + origin
            z = z * sign + origin
            x0, y0, z0 = np.int32(x), np.int32(y), np.int32(z)
            fx, fy, fz = x - np.float32(x0), y - np.float32(y0), z - np.float32(z0)
            real, imaginary, weight = values[o, 0, p], sign * values[o, 1, p], weights[o, p]
            for dz in range(2):
                along_z = fz if dz == 1 else _one - fz
                for dy in range(2):
                    along_y = along_z * (fy if dy == 1 else _one - fy)
                    row = sums[z0 + dz, y0 + dy]
                    near, far = along_y * (_one - fx), along_y * fx
                    row[x0, 0] += near * real
                    row[x0, 1] += near * imaginary
                    row[x0, 2] += near * weight
                    row[x0 + 1, 0] += far * real
                    row[x0 + 1, 1] += far * imaginary
                    row[x0 + 1, 2] += far * weight


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def weighted_power(sliced, weights, out):
    """Fill out[orientation] with the weighted power of sliced[orientation, 2, pixel]; all arrays float32."""
    for o in range(sliced.shape[0]):
        total = np.float32(0)
        for p in range(weights.shape[0]):
            total += weights[p] * (
                sliced[o, 0, p] * sliced[o, 0, p] + sliced[o, 1, p] * sliced[o, 1, p]
            )
        out[o] = total
