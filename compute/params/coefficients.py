"""Several numbers in one field of a form: `0.1, -2, 3`."""

import math


def parse_coefficients(text: str) -> tuple[float, ...]:
    """The numbers of a text, separated by commas, in brackets or not; ValueError naming one that is none."""
    parts = text.strip().removeprefix("[").removesuffix("]").split(",")
    if parts == [""]:
        return ()
    found = []
    for part in parts:
        try:
            found.append(float(part))
        except ValueError:
            raise ValueError(f"'{part.strip()}' is no number: write 0.1, -2, 3") from None
        if not math.isfinite(found[-1]):
            raise ValueError(f"'{part.strip()}' is not finite: write 0.1, -2, 3")
    return tuple(found)


def parse_magnification(text: str) -> tuple[float, float, float, float] | None:
    """The matrix xx, xy, yx, yy of a text, None of an empty one; ValueError unless it is near that of no change."""
    found = parse_coefficients(text)
    if not found:
        return None
    if len(found) != 4:
        raise ValueError(f"{len(found)} numbers, but the matrix needs four: 1.01, 0, 0, 0.99")
    xx, xy, yx, yy = found
    if max(abs(xx - 1.0), abs(xy), abs(yx), abs(yy - 1.0)) > 0.5:
        raise ValueError("the matrix is further than 0.5 from 1, 0, 0, 1")
    return xx, xy, yx, yy
