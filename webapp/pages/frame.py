"""What every page has around it: head, navigation, theme, and a card in place of a page that failed."""

import hashlib
import html
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import panel as pn
from bokeh.document import Document
from panel.io.document import init_doc
from panel.io.location import Location
from panel.theme.native import Native
from panel.viewable import Layoutable

from compute.files.errors import InputError
from webapp.components.look import DARK, LIGHT, Look
from webapp.components.sheet import APP_SHEET
from webapp.components.top_bar import BELL, SCRIPTS, SEARCH
from webapp.pages.address import Address, address_of_page
from webapp.pages.visitor import visit_if_any

log = logging.getLogger("halfmap.web")

OURS = str(Path(__file__).resolve().parents[1])
NAVIGATION = (("/", "Home"), ("/projects", "Projects"), ("/queue", "Queue"), ("/help", "Help"))
Crumb = tuple[str, str]
"""Text and address of a step on the way to a page; the last has no address."""

TEMPLATE = (
    """
{% extends base %}
{% block head %}
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ page_title | e }}</title>
  <link rel="icon" href="assets/halfmap.svg" type="image/svg+xml">
  <link rel="stylesheet" href="assets/app.css">
  <link rel="stylesheet" href="assets/accounts.css">
  <script>document.documentElement.dataset.theme = {{ theme_word | tojson }}</script>
  <script src="assets/app.js"></script>
  <script src="assets/figures.js" defer></script>
  <meta name="halfmap-place" content="{{ place }}">
"""
    + SCRIPTS
    + """
  <script src="assets/access.js" defer></script>
  {{ bokeh_css if bokeh_css }}
  {{ bokeh_js if bokeh_js }}
  <script src="assets/drawing.js"></script>
</head>
{% endblock %}
{% block contents %}
<a class="skip" href="#content">Skip to content</a>
<header class="top">
  <a class="name" href="./"><img src="assets/halfmap.svg" alt="">Halfmap</a>
  <nav aria-label="Main">{{ navigation }}</nav>
  <span class="room"></span>
"""
    + SEARCH
    + BELL
    + """
  {% if is_admin %}<a class="who" href="admin">Admin</a>{% endif %}
  {% if visitor_name %}<a class="who" href="account" title="Your account">{{ visitor_name | e }}</a>{% endif %}
  <span class="dot" role="status" title="connected" aria-label="Connection"></span>
  <button id="theme" type="button" aria-label="Switch between light and dark">◐</button>
</header>
<div class="lost-bar" role="alert">Connection lost, trying again. Your jobs go on running.</div>
{% if banner %}<div class="banner" role="status">{{ banner | e }}</div>{% endif %}
<div class="crumbs" role="navigation" aria-label="Path">{{ crumbs }}</div>
<main id="content">{{ embed(roots.content) }}</main>
{% for doc in docs %}{% for root in doc.roots %}{% if root.name != "content" %}{{ embed(root) }}{% endif %}
{% endfor %}{% endfor %}
{% endblock %}
"""
)


class Page(pn.Template):
    """A page whose document is made in one go.

    Bokeh walks through all models after each root that is added, and Panel writes out the whole page for its
    notebook view after each part: of the time until a job's page was there, a third.
    """

    address: Address | None = None

    def __repr__(self) -> str:
        return type(self).__name__

    def server_doc(
        self,
        doc: Document | None = None,
        title: str | None = None,
        location: bool | Location = True,
    ) -> Document:
        """The document with everything on it."""
        document = init_doc(doc)
        with document.models.freeze():
            super().server_doc(document, title, self.address or location)
        keep_what_changes(document)
        return document


def keep_what_changes(document: Document) -> None:
    """Send a browser every change from the moment on at which it has fetched the page.

    Until a browser has told that all of the page is drawn, Panel throws away what changes in rows and columns and in
    components of our own, as if the page had not been fetched yet. A part that came meanwhile stayed at "Reading …".
    """
    pn.state._connected[document] = True


def use_sheet() -> None:
    """Let every component that is made from now on in this process wear our style sheet.

    Panel's own way, a design, reaches only what is on a page when it is opened.
    """
    Layoutable.param.stylesheets.default = [APP_SHEET]


def look_of_visitor() -> Look:
    """The look that the visitor's cookie asks for."""
    return DARK if pn.state.cookies.get("theme") == "dark" else LIGHT


def framed(
    content: object,
    title: str,
    address: str = "",
    crumbs: Sequence[Crumb] = (),
    place: str = "",
    kept: Mapping[str, str] | None = None,
) -> pn.Template:
    """A whole page around its content; `place` is what it is about: `project 3` or `project 3 job 12`.

    `kept` are the parameters of the content that stand in the page's address, each with its name there.
    """
    template = Page(TEMPLATE, design=Native, location=True)
    template.address = address_of_page()
    if template.address is not None and kept:
        template.address.sync(content, dict(kept))
    template.add_panel("content", pn.panel(content, sizing_mode="stretch_width"))
    if pn.state.notifications is not None:
        template.add_panel("notifications", pn.state.notifications)
    template.add_variable("page_title", f"{title} · Halfmap")
    template.add_variable("theme_word", look_of_visitor().name)
    template.add_variable("navigation", _navigation(address))
    template.add_variable("crumbs", _crumbs(crumbs))
    template.add_variable("place", place)
    visit = visit_if_any()
    template.add_variable("visitor_name", visit.visitor.name if visit else "")
    template.add_variable("is_admin", visit is not None and visit.visitor.is_admin)
    template.add_variable("banner", visit.banner if visit else "")
    return template


def relative(address: str) -> str:
    """An address of ours as pages link to it. All of them lie in one folder, whichever that is on a site."""
    return address.lstrip("/") or "./"


def _navigation(address: str) -> str:
    links = []
    for target, text in NAVIGATION:
        here = ' aria-current="page"' if target == address else ""
        links.append(f'<a href="{relative(target)}"{here}>{text}</a>')
    return "".join(links)


def _crumbs(crumbs: Sequence[Crumb]) -> str:
    parts = [
        f'<a href="{html.escape(relative(address))}">{html.escape(text)}</a>'
        if address
        else html.escape(text)
        for text, address in crumbs
    ]
    return " / ".join(parts)


def guarded(build: Callable[[], pn.Template]) -> Callable[[], pn.Template]:
    """A page that shows a card with an id, never a blank sheet, when building it fails."""

    def page() -> pn.Template:
        try:
            return build()
        except InputError as error:
            return framed(problem_card(str(error)), "Not found")
        except Exception:  # the last line of defence of a page: recorded and shown
            return framed(failure_card(record_failure("page")), "Something went wrong")

    return page


def record_failure(where: str) -> str:
    """An id for the failure that is being handled, under which the server's log has all of it.

    What fails again in the same place has the same id.
    """
    number = _id_of(sys.exc_info()[1])
    log.error("%s failed, id %s\n%s", where, number, traceback.format_exc())
    return number


def _id_of(error: BaseException | None) -> str:
    """Eight digits for the kind of an error and the places of our own that it came through."""
    places = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__ if error is not None else None)
        if frame.f_code.co_filename.startswith(OURS)
    ]
    words = "\n".join([type(error).__name__, *places])
    return hashlib.blake2b(words.encode(), digest_size=4).hexdigest()


def failure_card(number: str) -> pn.pane.HTML:
    """What a visitor sees of a failure: its id, and ways on."""
    return pn.pane.HTML(
        '<div class="notice bad" role="alert"><b>This page could not be made.</b> '
        "Nothing of your data has changed and running jobs go on. "
        f"The server's log has the details under <code>{number}</code>. "
        '<a href="">Try again</a> or go <a href="./">home</a>.</div>',
        sizing_mode="stretch_width",
    )


def problem_card(sentence: str) -> pn.pane.HTML:
    """What a visitor sees where the address asks for something that is not there."""
    return pn.pane.HTML(
        f'<div class="notice warn" role="alert"><b>{html.escape(sentence[:1].upper() + sentence[1:])}.</b> '
        'See all <a href="projects">projects</a> or go <a href="./">home</a>.</div>',
        sizing_mode="stretch_width",
    )


def callback_failed(error: Exception) -> None:
    """Tell the visitor of a failure in an action, by its id; not again while that still stands on the page."""
    number = record_failure("an action")
    sentence = f"That did not work. The server's log has the details under {number}."
    notifications = pn.state.notifications
    if notifications is None:
        return
    standing = [one.message for one in notifications.notifications if not one._destroyed]
    if sentence not in standing:
        notifications.error(sentence, duration=0)


def card(
    title: str, *content: object, sub: str = "", help_text: str = "", **options: object
) -> pn.Column:
    """A titled card around plots or tables, with help that unfolds."""
    more = f"<details><summary>?</summary>{help_text}</details>" if help_text else ""
    head = (
        f'<div class="card-head"><h2>{html.escape(title)}</h2>'
        f'<span class="sub">{html.escape(sub)}</span>{more}</div>'
    )
    return pn.Column(
        pn.pane.HTML(head, sizing_mode="stretch_width", margin=(0, 5, 4, 5)),
        *content,
        css_classes=["card"],
        margin=6,
        **{"sizing_mode": "stretch_width", **options},
    )
