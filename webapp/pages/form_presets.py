"""Presets of a form: those that come with the program, and the user's own."""

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn

from compute.files.errors import InputError
from webapp.components.parameter_form import ParameterForm
from webapp.store import Store

PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "refine": {
        "tutorial: D2, faster": {
            "symmetry": "D2",
            "initial_lowpass_A": 50.0,
            "particle_diameter_A": 200.0,
            "ignore_angles": True,
            "resolution_angles": True,
        },
        "high symmetry (icosahedral)": {
            "symmetry": "I1",
            "healpix_order": 3,
            "local_search_order": 4,
        },
        "small box test": {"initial_lowpass_A": 60.0, "padding": 1, "maximum_iterations": 30},
    }
}
NO_PRESET = "none"


class Presets:
    """A choice of presets, and a line to save the form as one."""

    def __init__(
        self,
        store: Store,
        job_type: str,
        form: ParameterForm,
        taken: Callable[[Mapping[str, Any]], None],
        complain: Callable[[str], None],
    ) -> None:
        self._store, self._type, self._form = store, job_type, form
        self._complain = complain
        self.name = pn.widgets.TextInput(placeholder="name of a preset", width=170)
        self.save = pn.widgets.Button(label="Save as preset")
        self.save.on_click(lambda _: self._save())
        self.choice = pn.widgets.Select(
            label="Preset", options=list(self._values()), value=NO_PRESET, width=220
        )
        self.choice.param.watch(lambda event: taken(self._values().get(event.new, {})), "value")

    def _values(self) -> dict[str, Mapping[str, Any]]:
        """What each preset sets."""
        own = self._store.presets(self._type)
        return {NO_PRESET: {}, **PRESETS.get(self._type, {}), **own}

    def _save(self) -> None:
        try:
            self._store.save_preset(self._type, self.name.value or "", self._form.given())
        except InputError as error:
            self._complain(str(error))
            return
        self.choice.options = list(self._values())
