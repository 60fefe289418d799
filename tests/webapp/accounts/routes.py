"""Every address of the served application, from its own table: run as a program, it prints them as JSON."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
TAKEN = re.compile(r'get_query_argument\("(\w+)"')
WORDS = ("get", "head", "post", "put", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Route:
    """An address as a pattern, what answers there, the methods that it implements, and its names in `?name=value`."""

    pattern: str
    handler: str
    methods: list[str]
    takes: list[str]

    @property
    def address(self) -> str:
        """An address that fits: what is variable becomes a word."""
        return (
            self.pattern.rstrip("$").removesuffix("/?").replace("(/.*)", "/x").replace("(.*)", "x")
            or "/"
        )

    @property
    def is_ours(self) -> bool:
        """Whether it is not Bokeh's, Panel's or Tornado's own."""
        return self.handler.startswith("webapp.")


def routes(folder: Path) -> list[Route]:
    """The table of a server that is made in a process of its own, with a database in a folder."""
    words = [sys.executable, "-m", "tests.webapp.accounts.routes", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return [Route(**one) for one in json.loads(done.stdout)]


def _rules(router: Any) -> Iterator[Any]:
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from _rules(rule.target)
        elif hasattr(rule.matcher, "regex"):
            yield rule


def _route(rule: Any) -> Route:
    handler = rule.target
    kind = f"{handler.__module__}.{handler.__qualname__}"
    ours = [one for one in handler.__mro__ if one.__module__.startswith("webapp.")]
    takes = {name for one in ours for name in TAKEN.findall(inspect.getsource(one))}
    own = [word for word in WORDS if _is_own(handler, word)]
    return Route(rule.matcher.regex.pattern, kind, own, sorted(takes))


def _is_own(handler: type, word: str) -> bool:
    from tornado.web import RequestHandler

    return getattr(handler, word) is not getattr(RequestHandler, word)


def main() -> None:
    """Make the server, as `halfmap serve` does, and print its table."""
    from db import migrate
    from db.session import open_database
    from webapp.accounts.desk import Desk
    from webapp.accounts.plain_page import Doors
    from webapp.app import App, make_server
    from webapp.maps import MapCache
    from webapp.news import News
    from webapp.pages.following import Following
    from webapp.records import RecordReader
    from webapp.settings import read_settings
    from webapp.store import Store

    folder = sys.argv[1]
    settings = read_settings({"HOME": folder, "HALFMAP_DATABASE": f"{folder}/routes.db"})
    migrate.upgrade(settings.database)
    database = open_database(settings.database)
    threads = ThreadPoolExecutor(1)
    store = Store(database, settings, RecordReader(), MapCache(), 1, {})
    doors = Doors(Desk(database, settings), threads)
    following = Following(News(database, store.records), threads)
    server = make_server(App(store, threads, following), doors, "127.0.0.1", 0, "s" * 40)
    found = [_route(rule) for rule in _rules(server._tornado.default_router)]
    print(json.dumps([asdict(one) for one in found]))
    database.close()


if __name__ == "__main__":
    main()
