"""Words on a page that change: when they do, they alone are sent."""

import panel as pn
from bokeh.model import Model


class Words(pn.pane.HTML):
    """HTML that is replaced now and then.

    Panel's own pane sets all its properties anew with every change of the text, style sheets too, for which Bokeh walks
    through all models of the page: of what an iteration cost the server for each page that followed it, a third.
    """

    def _update(self, ref: str, model: Model) -> None:
        model.text = self._transform_object(self.object)["object"]
