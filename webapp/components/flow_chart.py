"""The jobs of a project as a chart: who reads what others made, from left to right."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BOX_W, BOX_H, GAP_X, GAP_Y, EDGE = 178, 54, 64, 18, 14


@dataclass(frozen=True, slots=True)
class Station:
    """A job in the chart."""

    job_id: int
    number: int
    type: str
    title: str
    state: str
    resolution_A: float | None


def columns_of(stations: Sequence[Station], parents: Mapping[int, set[int]]) -> dict[int, int]:
    """The column of each job: one further right than the last of the jobs that it reads from."""
    found: dict[int, int] = {}
    known = {one.job_id for one in stations}
    for one in sorted(stations, key=lambda station: station.number):
        before = [
            found[parent] for parent in parents.get(one.job_id, set()) & known if parent in found
        ]
        found[one.job_id] = 1 + max(before) if before else 0
    return found


def flow_chart(stations: Sequence[Station], edges: frozenset[tuple[int, int]]) -> str:
    """The chart as SVG, its boxes linked to the jobs' pages."""
    if not stations:
        return "<p class='empty'>No jobs yet.</p>"
    parents: dict[int, set[int]] = {}
    for parent, child in edges:
        parents.setdefault(child, set()).add(parent)
    column = columns_of(stations, parents)
    rows: dict[int, int] = {}
    place: dict[int, tuple[float, float]] = {}
    for one in sorted(stations, key=lambda station: station.number):
        n = column[one.job_id]
        row = rows.get(n, 0)
        rows[n] = row + 1
        place[one.job_id] = (EDGE + n * (BOX_W + GAP_X), EDGE + row * (BOX_H + GAP_Y))
    width = 2 * EDGE + (max(column.values()) + 1) * (BOX_W + GAP_X) - GAP_X
    height = 2 * EDGE + max(rows.values()) * (BOX_H + GAP_Y) - GAP_Y
    lines = [_edge(place[a], place[b]) for a, b in sorted(edges) if a in place and b in place]
    boxes = [_box(one, *place[one.job_id]) for one in stations]
    return (
        f'<div class="flow"><svg width="{width}" height="{height}" role="group" '
        f'aria-label="Flow of jobs">{"".join(lines)}{"".join(boxes)}</svg></div>'
    )


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve to the next column; what leads further goes between the rows, where it crosses no job's box."""
    x0, y0 = start[0] + BOX_W, start[1] + BOX_H / 2
    x1, y1 = end[0], end[1] + BOX_H / 2
    if x1 - x0 <= GAP_X:
        middle = (x0 + x1) / 2
        return f'<path class="edge" d="M{x0} {y0} C{middle} {y0} {middle} {y1} {x1} {y1}"/>'
    between = start[1] + BOX_H + GAP_Y / 2
    first, last = x0 + GAP_X / 2, x1 - GAP_X / 2
    return (
        f'<path class="edge" d="M{x0} {y0} C{first} {y0} {first} {between} {x0 + GAP_X} {between} '
        f'H{x1 - GAP_X} C{last} {between} {last} {y1} {x1} {y1}"/>'
    )


def _box(one: Station, x: float, y: float) -> str:
    short = html.escape(one.title if len(one.title) <= 23 else one.title[:22] + "…")
    resolution = f"{one.resolution_A:.2f} Å" if one.resolution_A else one.state
    return (
        f'<a href="job?id={one.job_id}"><g class="box {one.state}">'
        f'<rect x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="9"/>'
        f'<text x="{x + 12}" y="{y + 22}" class="strong">{one.number} · {html.escape(one.type)}</text>'
        f'<text x="{x + 12}" y="{y + 41}">{short}</text>'
        f'<text x="{x + BOX_W - 12}" y="{y + 22}" text-anchor="end">{resolution}</text></g></a>'
    )
