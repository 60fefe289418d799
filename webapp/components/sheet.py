"""Where the style sheet and scripts of our own components lie on the server."""

from pathlib import Path

STATIC_FOLDER = Path(__file__).parents[2] / "static"
APP_SHEET = "assets/app.css"
NGL_SCRIPT = "assets/vendor/ngl/ngl.js"
