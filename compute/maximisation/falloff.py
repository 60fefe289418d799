"""What linear interpolation in the padded transform takes from a map towards the edges of its box.

Images are put back by linear interpolation, which damps the map by sinc²(r / (box·padding)) at the distance r from its
centre. The copies that a point group adds (`symmetrise`) are interpolated once more, unless their operator takes the
grid onto itself; where it turns the grid about one of its axes, two coordinates of three fall between grid points.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class MateFalloff:
    """What a map is damped by when its mates are added, by shares of the operators of their group.

    about_axis: those that turn the grid about one of its axes x, y, z; between: those that neither do this nor take
    the grid onto itself, as all others do.
    """

    about_axis: tuple[float, float, float] = (0.0, 0.0, 0.0)
    between: float = 0.0

    @property
    def is_none(self) -> bool:
        """Whether nothing is damped: all operators take the grid onto itself."""
        return self.between == 0 and not any(self.about_axis)

    def at(
        self, squares: tuple[Float32[Tensor, "..."], ...], padded_box: int
    ) -> Float32[Tensor, "z y x"]:
        """The factor for some planes of a map, 1 at its centre.

        squares: squared distances from the centre along x, y and z in pixels, which broadcast to the planes;
        padded_box: box · padding.
        """
        total = squares[0] + squares[1] + squares[2]
        factor = torch.full_like(total, 1.0 - self.between - sum(self.about_axis))
        if self.between > 0:
            factor += self.between * damping(total, padded_box)
        for axis, share in enumerate(self.about_axis):
            if share > 0:
                factor += share * damping(total - squares[axis], padded_box)
        return factor


NO_MATES = MateFalloff()


def mate_falloff(operators: NDArray[np.float64]) -> MateFalloff:
    """The falloff of a group: rotation matrices [operator, 3, 3] on (x, y, z) columns, the identity among them."""
    is_whole: NDArray[np.bool_] = np.all(np.abs(operators - np.round(operators)) < 1e-9, axis=2)
    about, between = np.zeros(3), 0
    for operator, whole_rows in zip(operators, is_whole, strict=True):
        if whole_rows.sum() == 1:
            about[np.abs(operator[whole_rows][0]).argmax()] += 1
        elif not whole_rows.all():
            between += 1
    x, y, z = (about / len(operators)).tolist()
    return MateFalloff((x, y, z), between / len(operators))


def damping(squares: Float32[Tensor, "*place"], padded_box: int) -> Float32[Tensor, "*place"]:
    """sinc²(r / padded_box), sinc(u) = sin(πu)/(πu), of linear interpolation at squared distances r² in pixels."""
    return torch.special.sinc(squares.clamp(min=0).sqrt_() / padded_box).square_()
