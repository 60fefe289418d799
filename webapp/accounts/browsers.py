"""What a browser calls itself, in two words that people know it by."""

import re

PROGRAMS = {
    "Edge": r"Edg(?:e|A|iOS)?/(\d+)",
    "Opera": r"OPR/(\d+)",
    "Firefox": r"(?:Firefox|FxiOS)/(\d+)",
    "Chrome": r"(?:HeadlessChrome|Chrome|Chromium|CriOS)/(\d+)",
    "Safari": r"Version/(\d+)[.\d]* (?:Mobile/\w+ )?Safari",
}
"""In the order in which they are looked for: most of them also name those that come later."""
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "macOS": "Macintosh",
    "ChromeOS": "CrOS",
    "Linux": "Linux",
}


def browser_words(user_agent: str) -> str:
    """The program, its version and the system; what is not known is shown as it is, cut short."""
    found = {name: re.search(pattern, user_agent) for name, pattern in PROGRAMS.items()}
    program = next((f"{name} {one.group(1)}" for name, one in found.items() if one), "")
    system = next((name for name, word in SYSTEMS.items() if word in user_agent), "")
    if not program:
        return user_agent[:60]
    return f"{program} on {system}" if system else program
