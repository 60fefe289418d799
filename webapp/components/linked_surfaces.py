"""Several maps in 3D side by side: one camera moves all of them, each has its own level."""

from collections.abc import Mapping

import panel as pn

from webapp.components.look import Look
from webapp.components.volume_viewer import LevelSlider, Surface

GROUP = "compared"
WIDTH_PX = 380
HEIGHT_PX = 320


def linked_surfaces(urls: Mapping[str, str], look: Look) -> pn.FlexBox:
    """The maps by their names, at the addresses where the browser gets them."""
    colours = (look.blue, look.vermilion, look.green, look.purple, look.sky, look.orange)
    return pn.FlexBox(
        *(
            _view(name, url, colour, look)
            for (name, url), colour in zip(urls.items(), colours, strict=False)
        ),
        sizing_mode="stretch_width",
    )


def _view(name: str, url: str, colour: str, look: Look) -> pn.Column:
    surface = Surface(
        maps=[{"url": url, "name": name, "color": colour}],
        backdrop=look.card,
        file_name=name.replace(" ", "_"),
        view_height=HEIGHT_PX,
        camera_group=GROUP,
        sizing_mode="stretch_width",
    )
    level = LevelSlider(surface, name, width=250)
    return pn.Column(level, surface, width=WIDTH_PX)
