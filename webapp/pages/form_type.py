"""The choice of the type of a new job, which opens that type's form."""

import json
from collections.abc import Iterable

import panel as pn

from webapp.job_names import type_name


def type_choice(job_types: Iterable[str], chosen: str) -> pn.widgets.Select:
    """The types by their names; another one is another address."""
    types = {type_name(one): one for one in job_types}
    choice = pn.widgets.Select(label="Type of job", options=types, value=chosen, width=200)
    choice.jscallback(
        value="const to = new URL(location.href);"
        f"to.searchParams.set('type', {json.dumps(types)}[cb_obj.value]);"
        "to.searchParams.delete('from'); location.href = to.href"
    )
    return choice
