from webapp.components.flow_chart import Station, columns_of, flow_chart


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


def test_parents_outside_the_chart_are_left_out() -> None:
    assert "<path" not in flow_chart([station(2)], frozenset({(1, 2)}))
    assert "No jobs" in flow_chart([], frozenset())
