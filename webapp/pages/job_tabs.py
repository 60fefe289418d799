"""Which tabs the page of each kind of job has, in their order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webapp.components.look import Look
from webapp.pages import common_tabs, images_tab, maps_tab, refine_tabs
from webapp.pages.background import Background
from webapp.pages.classes_tab import ClassesTab
from webapp.pages.directional_tab import DirectionalTab
from webapp.pages.images_tab import ImagesTab
from webapp.pages.local_resolution_tab import LocalResolutionTab
from webapp.pages.map_tab import MapTab
from webapp.pages.maps_tab import MapsTab
from webapp.pages.mask_tab import MaskTab
from webapp.pages.particle_tab import ParticleTab
from webapp.pages.postprocess_tab import PostprocessTab
from webapp.pages.resource_tab import ResourceTab
from webapp.pages.sharpen_tab import SharpenTab
from webapp.pages.shown import Shown
from webapp.pages.talk_tab import TalkTab
from webapp.store import Store
from webapp.views import JobView

LIVE = frozenset({"log", "files", "resources", "parameters", "result", "sharpen"})
"""The tabs that are drawn anew with every record, not only with every iteration."""
AFTER_AN_ITERATION = frozenset(
    {"overview", "fsc", "orientations", "map", "particles", "resources", "sharpen"}
)
"""The tabs of a refinement that have nothing to show before the first iteration."""
Makers = Mapping[str, tuple[str, Callable[[], refine_tabs.Tab]]]
"""By the word in the address: the title, and how the tab is made."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What tabs are made with: the present moment, the look, and the ways to files and to other iterations."""

    current: Callable[[], Shown]
    look: Look
    store: Store
    background: Background
    choose: Callable[[int], None]


def tab_makers(view: JobView, around: Surroundings) -> Makers:
    """The tabs of a job."""
    own = {
        "refine": _refinement,
        "postprocess": _post_processing,
        "local_resolution": _local_resolution,
        "directional_fsc": _directional,
        "mask": _mask,
        "select": _selection,
        "rescale": _maps,
        "simulate": _simulation,
        "extract": _images,
        "importing": _import,
    }.get(view.job.type)
    return {**(own(around) if own is not None else {}), **_common(around)}


def _refinement(around: Surroundings) -> Makers:
    now, look, store, background = around.current, around.look, around.store, around.background
    return {
        "overview": ("Overview", lambda: refine_tabs.Overview(now(), look, around.choose)),
        "fsc": ("FSC", lambda: refine_tabs.FscTab(now(), look)),
        "orientations": ("Orientations", lambda: refine_tabs.OrientationTab(now(), look)),
        "map": ("Map", lambda: MapTab(now(), look, store, background)),
        "particles": ("Particles", lambda: ParticleTab(now(), look, store, background)),
        "sharpen": ("Post-process", lambda: SharpenTab(now(), look, store, background)),
        "resources": ("Resources", lambda: ResourceTab(now(), look)),
    }


def _post_processing(around: Surroundings) -> Makers:
    now, look, store, background = around.current, around.look, around.store, around.background
    return {
        "result": ("Result", lambda: PostprocessTab(now(), look, background)),
        **_maps(around),
        "sharpen": ("Other settings", lambda: SharpenTab(now(), look, store, background)),
    }


def _local_resolution(around: Surroundings) -> Makers:
    now, look, store, background = around.current, around.look, around.store, around.background
    return {
        "result": ("Local resolution", lambda: LocalResolutionTab(now(), look, store, background))
    }


def _directional(around: Surroundings) -> Makers:
    now, look, background = around.current, around.look, around.background
    return {"result": ("Directions", lambda: DirectionalTab(now(), look, background))}


def _mask(around: Surroundings) -> Makers:
    now, look, store, background = around.current, around.look, around.store, around.background
    return {"result": ("Mask", lambda: MaskTab(now(), look, store, background))}


def _selection(around: Surroundings) -> Makers:
    now, background = around.current, around.background
    return {"result": ("Selection", lambda: ClassesTab(now(), background)), **_images(around)}


def _maps(around: Surroundings) -> Makers:
    now, look, store, background = around.current, around.look, around.store, around.background
    return {"map": ("Map", lambda: MapsTab(now(), look, store, background))}


def _images(around: Surroundings) -> Makers:
    return {"images": ("Images", lambda: ImagesTab(around.current(), around.background))}


def _simulation(around: Surroundings) -> Makers:
    return {**_images(around), **_maps(around)}


def _import(around: Surroundings) -> Makers:
    """What was brought in, as far as that is already known to be maps or particles."""
    contents = {node.content for node in around.current().view.outputs}
    maps = _maps(around) if contents & set(maps_tab.CONTENTS) else {}
    return {**maps, **(_images(around) if images_tab.PARTICLES in contents else {})}


def _common(around: Surroundings) -> Makers:
    now, background = around.current, around.background
    return {
        "parameters": ("Parameters", lambda: common_tabs.ParameterTab(now(), around.store)),
        "log": ("Log", lambda: common_tabs.LogTab(now(), background)),
        "files": ("Files", lambda: common_tabs.FileTab(now(), background)),
        "comments": ("Comments", lambda: TalkTab(now())),
    }
