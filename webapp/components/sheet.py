"""Where the style sheet and scripts of our own components lie on the server."""

from pathlib import Path

STATIC_FOLDER = Path(__file__).parents[2] / "static"
APP_SHEET = "assets/app.css"
OWN_SHEETS = [":host { visibility: hidden; }", APP_SHEET]
"""Those of our own components, which are not seen before the style sheet has come: it makes them visible."""
NGL_SCRIPT = "assets/vendor/ngl/ngl.js"
