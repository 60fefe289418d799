"""A yes or no with a real label: a click on its words counts, and programs that read pages aloud know its name."""

import param
from panel.custom import JSComponent

from webapp.components.sheet import OWN_SHEETS


class Tick(JSComponent):
    """A box to tick, with the words beside it."""

    value = param.Boolean(default=False)
    text = param.String(default="")

    _stylesheets = OWN_SHEETS
    _esm = """
    export function render({ model, el }) {
      const label = document.createElement('label')
      label.className = 'tick'
      const box = document.createElement('input')
      box.type = 'checkbox'
      const words = document.createElement('span')
      label.append(box, words)
      el.append(label)
      function draw() { box.checked = model.value; words.textContent = model.text }
      box.onchange = () => { model.value = box.checked }
      model.on('value', draw)
      model.on('text', draw)
      draw()
    }
    """


def tick_for(owner: param.Parameterized, name: str) -> Tick:
    """A box for a yes or no of somebody's, with that parameter's label: a change of either changes the other."""
    tick = Tick(value=getattr(owner, name), text=owner.param[name].label, margin=(0, 10))
    tick.link(owner, bidirectional=True, value=name)
    return tick
