import numpy as np
import pytest

from webapp.components import slices
from webapp.components.look import LIGHT
from webapp.components.slice_viewer import SliceViewer, halves_and_more


def numbered(box: int = 8) -> np.ndarray:
    z, y, x = np.meshgrid(*[np.arange(box)] * 3, indexing="ij")
    return (100 * z + 10 * y + x).astype(np.float32)


@pytest.mark.parametrize(
    ("axis", "expected"), [("X", 100 * 3 + 10 * 2 + 5), ("Y", 100 * 3 + 50 + 2), ("Z", 500 + 32)]
)
def test_slices_lie_at_right_angles_to_their_axis(axis: str, expected: int) -> None:
    assert slices.slice_of(numbered(), axis, 5)[3, 2] == expected


def test_greys_span_the_scale_and_stay_inside_it() -> None:
    plane = np.array([[-9.0, 0.0], [5.0, 99.0]], dtype=np.float32)
    drawn = slices.greys(plane, slices.GreyScale(0.0, 10.0))
    assert drawn.dtype == np.uint8
    assert drawn.tolist() == [[0, 0], [128, 255]]


def test_a_flat_map_has_a_scale() -> None:
    scale = slices.grey_scale(np.zeros((4, 4, 4), dtype=np.float32))
    assert scale.high > scale.low


def test_the_outline_of_a_sphere_is_a_circle_of_its_radius() -> None:
    mask = slices.sphere(32, 10.0)
    xs, ys = slices.plane_outline(mask[16], 2.0)
    radii = np.hypot(np.array(xs[0]) - 16.5 * 2.0, np.array(ys[0]) - 16.5 * 2.0)
    assert radii == pytest.approx(20.0, abs=0.6)


@pytest.mark.parametrize(("extent", "length"), [(226.56, 20.0), (100.0, 20.0), (700.0, 100.0)])
def test_scale_bars_are_round(extent: float, length: float) -> None:
    assert slices.round_length_A(extent) == length


def viewer(box: int = 8) -> SliceViewer:
    view = SliceViewer(LIGHT)
    half1 = numbered(box)
    view.draw(halves_and_more(half1, half1 + 2.0), 1.5, {})
    return view


def test_the_viewer_shows_the_slice_of_its_slider() -> None:
    view = viewer()
    view.z = 6
    picture = view.figures["Z"].renderers[0].data_source.data["image"][0]
    volume = halves_and_more(numbered(), numbered() + 2.0)["mean"]
    assert np.array_equal(picture, slices.greys(volume[6], slices.grey_scale(volume)))


def test_another_iteration_keeps_place_and_greys() -> None:
    view = viewer()
    view.x = 1
    before = view.figures["X"].renderers[0].data_source.data["image"][0]
    half1 = numbered() + 100.0
    view.draw(halves_and_more(half1, half1), 1.5, {})
    after = view.figures["X"].renderers[0].data_source.data["image"][0]
    assert view.x == 1
    assert np.median(after.astype(int) - before) > 20


def test_the_difference_of_equal_halves_is_the_middle_colour() -> None:
    view = viewer()
    view.shown = "difference"
    picture = view.figures["Y"].renderers[0].data_source.data["image"][0]
    assert len(np.unique(picture)) == 1


def test_a_larger_box_is_framed_anew() -> None:
    view = viewer()
    half = numbered(16)
    view.draw(halves_and_more(half, half), 1.5, {})
    assert view.param.z.bounds == (0, 15)
    assert view.z == 8
    assert view.figures["Z"].x_range.end == 24.0


def test_outlines_have_a_legend_only_where_there_is_a_mask() -> None:
    view = SliceViewer(LIGHT, outlines=("mask diameter", "envelope of the FSC"))
    half = numbered(32)
    envelope = slices.sphere(32, 8.0)
    view.draw(halves_and_more(half, half), 2.0, {"envelope of the FSC": envelope})
    legend = view.figures["Z"].legend[0]
    assert {item.label.value: item.visible for item in legend.items} == {
        "mask diameter": False,
        "envelope of the FSC": True,
    }
    drawn = legend.items[1].renderers[0].data_source.data
    assert (drawn["xs"], drawn["ys"]) == slices.plane_outline(envelope[16], 2.0)
    view.has_outline = False
    assert legend.items[1].renderers[0].data_source.data["xs"] == []
