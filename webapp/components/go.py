"""Leading a visitor to another page from an action on the server."""

import param
from panel.custom import JSComponent


class Go(JSComponent):
    """Draws nothing; the browser goes to `address` as soon as there is one."""

    address = param.String(default="")

    _esm = """
    export function render({ model }) {
      model.on('address', () => { if (model.address) window.location.assign(model.address) })
    }
    """
