"""What is wrong with a form, as a list that leads to its fields."""

import html
from collections.abc import Sequence

import param
from panel.custom import JSComponent

from webapp.components.sheet import OWN_SHEETS


class Mending(JSComponent):
    """A list of sentences; each leads to the field that it is about, by the class `field-NAME` of the field's row.

    `wrong` has a pair (name of the field, sentence) for each; the name is empty where it is about no single field.
    With every change of `turn` the visitor is led to the first.
    """

    wrong = param.List(default=[], item_type=tuple)
    turn = param.Integer(default=0)

    _stylesheets = OWN_SHEETS
    _esm = """
    function find(root, selector) {
      const found = root.querySelector(selector)
      if (found) return found
      for (const one of root.querySelectorAll('*')) {
        const within = one.shadowRoot && find(one.shadowRoot, selector)
        if (within) return within
      }
      return null
    }

    function lead(name) {
      const row = name && find(document, `.field-${name}`)
      if (!row) return
      row.scrollIntoView({ block: 'center' })
      const entry = find(row.shadowRoot || row, 'input, select, textarea')
      if (entry) entry.focus({ preventScroll: true })
    }

    export function render({ model, el }) {
      const list = document.createElement('ul')
      list.className = 'mending'
      el.append(list)
      function draw() {
        list.replaceChildren(...model.wrong.map(([name, text]) => {
          const item = document.createElement('li')
          const words = document.createElement(name ? 'button' : 'span')
          words.textContent = text
          if (name) {
            words.type = 'button'
            words.className = 'as-link'
            words.onclick = () => lead(name)
          }
          item.append(words)
          return item
        }))
        list.hidden = model.wrong.length === 0
      }
      model.on('wrong', draw)
      model.on('turn', () => {
        const first = model.wrong.find(([name]) => name)
        if (first) lead(first[0])
      })
      draw()
    }
    """


def state_html(wrong: int, missing: Sequence[str]) -> str:
    """How a form stands, in a sentence."""
    if wrong:
        return f'<p class="notice bad"><b>{wrong} to mend</b></p>'
    if missing:
        return f'<p class="notice">Still needed: {html.escape(", ".join(missing))}.</p>'
    return '<p class="notice good">Ready to run.</p>'
