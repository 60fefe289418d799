"""A star as a button in HTML; the script of the page does what a click on it asks for."""

import html


def star_html(place: str, about: str, is_on: bool) -> str:
    """The star of `place` in the interface (`jobs/12`, `projects/3`), which people call `about`."""
    return (
        f'<button type="button" class="star" data-star="{html.escape(place)}" '
        f'aria-pressed="{"true" if is_on else "false"}" aria-label="Star {html.escape(about)}" '
        f'title="Starred ones come first">{"★" if is_on else "☆"}</button>'
    )
