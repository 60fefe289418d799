"""A box to tick and the parameter that it stands for change together."""

from webapp.components.look import LIGHT
from webapp.components.slice_viewer import SliceViewer
from webapp.components.tick import Tick, tick_for


def test_a_box_and_its_parameter_change_together() -> None:
    view = SliceViewer(LIGHT)
    tick = tick_for(view, "has_outline")
    assert tick.value and tick.text == "outlines"
    tick.value = False
    assert not view.has_outline
    view.has_outline = True
    assert tick.value


def test_the_viewer_has_our_own_box() -> None:
    boxes = SliceViewer(LIGHT).__panel__().select(Tick)
    assert [box.text for box in boxes] == ["outlines"]
