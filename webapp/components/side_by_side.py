"""Parts side by side, which stand below each other where the window is narrow."""

import panel as pn

STYLE = "side-by-side"
"""The class by which the style sheet knows them."""


def side_by_side(*parts: object, **options: object) -> pn.Row:
    """Parts in the width of their place."""
    return pn.Row(*parts, css_classes=[STYLE], **{"sizing_mode": "stretch_width", **options})
