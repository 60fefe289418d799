"""The parameters of the FSC by direction."""

from typing import Annotated, ClassVar

from compute.params.option import option
from compute.params.postprocess import HalfMapParams

CONES = "Directions"


class DirectionalFscParams(HalfMapParams):
    """Two half-maps whose agreement is wanted by direction."""

    DEFAULT_NAME: ClassVar[str] = "map"

    half_angle_deg: Annotated[
        float,
        option(CONES, "Half of the opening angle of the cones.", ge=5.0, le=60.0),
    ] = 30.0
    healpix_order: Annotated[
        int,
        option(
            CONES,
            "Density of the directions: order 3 has 384 over half the sphere, each order more four times.",
            ge=1,
            le=4,
        ),
    ] = 3
