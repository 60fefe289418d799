import re

from webapp.components.flow_chart import BOX_H, Station, columns_of, flow_chart


def station(number: int, title: str = "") -> Station:
    return Station(number, number, "refine", title, "finished", 3.2)


def test_a_job_stands_right_of_all_that_it_reads_from() -> None:
    stations = [station(n) for n in (1, 2, 3, 4)]
    parents = {2: {1}, 3: {1, 2}}
    assert columns_of(stations, parents) == {1: 0, 2: 1, 3: 2, 4: 0}


def test_boxes_lead_to_their_jobs_and_titles_are_escaped() -> None:
    chart = flow_chart([station(1), station(2, "<script>")], frozenset({(1, 2)}))
    assert chart.count("<path") == 1
    assert 'href="job?id=2"' in chart
    assert "<script>" not in chart


def test_what_leads_past_a_column_crosses_no_box() -> None:
    """Job 3 reads from 1 and 2, job 4 from 1: the line from 1 to 3 must not look as if it came from 2."""
    stations = [station(n) for n in (1, 2, 3, 4)]
    edges = frozenset({(1, 2), (1, 3), (2, 3), (1, 4)})
    chart = flow_chart(stations, edges)
    tops = {float(top) for top in re.findall(r'<rect x="[\d.]+" y="([\d.]+)"', chart)}
    (height,) = re.findall(r"C[\d. ]+ ([\d.]+) H", chart)
    assert all(not top <= float(height) <= top + BOX_H for top in tops)
    assert chart.count("<path") == 4


def test_parents_outside_the_chart_are_left_out() -> None:
    assert "<path" not in flow_chart([station(2)], frozenset({(1, 2)}))
    assert "No jobs" in flow_chart([], frozenset())
