"""Every address that the running application has, taken from its own table, so that a forgotten one fails."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from db.repository import guessing
from tests.webapp.accounts.lab import SCRIPT, Lab, form_token, send, sign_in
from tests.webapp.accounts.routes import Route, routes
from tests.webapp.accounts.test_routes import WAYS_OUT, shake_hands
from tests.webapp.accounts.visiting import document_of
from webapp.accounts.gate import OPEN, OPEN_FOLDER

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
TAKES = {
    "/api/map": {"job", "file"},
    "/api/file": {"job", "file"},
    "/api/report": {"job", "form"},
    "/api/v1/x": set(),
    "/assets/x": set(),
    "/static/extensions/panel/x": set(),
    "/static/js/x": set(),
    "/api-guide": set(),
    "/login": {"token", "next"},
    "/invitation": {"key"},
    "/oidc": {"next"},
    "/oidc-back": {"state", "code", "error"},
    "/account": {"done"},
    "/admin": {"before"},
    "/search": {"q", "before"},
    "/notices": {"before"},
    "/healthz": set(),
}
"""Our addresses besides the pages, with what each takes. Whoever adds one looks first which tests it needs here."""
PAGES = {
    "/": "",
    "/projects": "?q={script}",
    "/project": "?id={project}",
    "/job": "?id={job}",
    "/new": "?type=refine&project={project}&from={job}",
    "/compare": "?project={project}&jobs={job}",
    "/queue": "",
    "/help": "",
}
"""The pages, with the words that lead to a project and a job."""
OF_A_PROJECT = [
    address for address, query in PAGES.items() if "{project}" in query or "{job}" in query
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    return routes(tmp_path_factory.mktemp("routes"))


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_every_address_of_ours_is_known_with_what_it_takes(table: list[Route]) -> None:
    assert {one.address: set(one.takes) for one in table if one.is_ours} == TAKES
    pages = {one.address for one in table if one.handler == "panel.io.server.DocHandler"}
    assert pages == set(PAGES)


def test_no_address_answers_a_stranger(lab: Lab, table: list[Route]) -> None:
    with lab.client() as client:
        for one in table:
            if one.address in OPEN or one.address.startswith(OPEN_FOLDER):
                continue
            for method in METHODS:
                answer = client.request(method, one.address, headers={"Origin": lab.base})
                assert answer.status_code in (302, 401, 403), (method, one.address)
                if answer.status_code == 302:
                    assert answer.headers["location"].startswith("/login")
    assert {one.address for one in table} >= OPEN


def test_no_change_is_made_by_another_site_or_without_a_forms_token(
    lab: Lab, table: list[Route]
) -> None:
    with lab.signed_in("chief") as client:
        token = form_token(client, "/account")
        for one in table:
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                for origin in ("https://evil.example", "null", "", lab.base + ".evil.example"):
                    headers = {"Origin": origin, "X-XSRFToken": token} if origin else {}
                    answer = client.request(method, one.address, headers=headers)
                    assert answer.status_code in (403, 405), (method, one.address, origin)
                answer = client.request(method, one.address, headers={"Origin": lab.base})
                assert answer.status_code in (403, 405), (method, one.address)
        assert client.get("/account").status_code == 200


def test_every_websocket_takes_our_own_pages_only(lab: Lab, table: list[Route]) -> None:
    sockets = [one.address for one in table if one.address.endswith("/ws")]
    assert len(sockets) == len(PAGES)
    with lab.signed_in("ana") as client:
        cookie = client.cookies["halfmap"]
    for address in sockets:
        for origin in ("https://evil.example", "null", lab.base + ".evil.example", ""):
            assert " 403 " in shake_hands(lab, address, origin, cookie), (address, origin)
        assert " 403 " in shake_hands(lab, address, lab.base)


@pytest.mark.parametrize("file", [*WAYS_OUT, "a" * 5000, "round", "round/run.out", "."])
def test_no_address_that_takes_a_file_leads_out(lab: Lab, table: list[Route], file: str) -> None:
    job = lab.folder / "beta" / "Refine3D" / "job001"
    if not (job / "round").is_symlink():
        (job / "round").symlink_to(job / "round")
    taking = [one.address for one in table if "file" in one.takes]
    assert taking == ["/api/map", "/api/file"]
    with lab.signed_in("ana") as client:
        for address in taking:
            answer = client.get(f"{address}?job={lab.job}&file={file}")
            assert answer.status_code in (400, 404), (address, answer.status_code)
            assert not {"root:", "secret\n", "outside"} & set(answer.text.split())


WILD_NUMBERS = ["", "x", "-1", "1.5", "1e3", "0x1", "9" * 20, "%00", "1%002", "%2e%2e"]


def test_what_is_no_number_is_said_to_be_none(lab: Lab, table: list[Route]) -> None:
    with lab.signed_in("ana") as client:
        cookie = client.cookies["halfmap"]
        for address in [one.address for one in table if "job" in one.takes]:
            for number in WILD_NUMBERS:
                answer = client.get(f"{address}?job={number}&file=run.out")
                assert answer.status_code == 404, (address, number)
    for address in OF_A_PROJECT:
        for number in ("x", "9" * 20, "1%002"):
            asked = PAGES[address].format(project=number, job=number)
            text = document_of(lab.base, cookie, address + asked)
            assert "could not be made" not in text, (address, number)
    _, found, rest = (lab.folder / "serve.err").read_text().partition("Traceback")
    assert found + rest[:4000] == ""


@pytest.mark.parametrize("words", ["x=²&it=²&tab=a?b", "it=[1&tab=²&x=٣#y?z"])
def test_pages_open_whatever_else_their_address_says(lab: Lab, words: str) -> None:
    with lab.signed_in("ana") as client:
        cookie = client.cookies["halfmap"]
    values = {"project": lab.project, "job": lab.job, "script": "title"}
    for address, query in PAGES.items():
        asked = query.format(**values)
        more = f"{asked}&{words}" if asked else f"?{words}"
        asked = quote(address + more, safe="/?&=#[]")
        text = document_of(lab.base, cookie, asked)
        assert "could not be made" not in text, asked


def test_no_page_shows_what_is_of_another_project(lab: Lab) -> None:
    """Neither to members of another project, nor to a member of none; to an admin it does."""
    beta, secret = (
        {"project": lab.project, "job": lab.job},
        {"project": lab.other_project, "job": lab.other_job},
    )
    mixed = {"project": lab.project, "job": lab.other_job}
    for name, asked, hidden in (
        ("ana", secret, ["secret"]),
        ("ana", mixed, ["secret"]),
        ("out", beta, ["secret", "beta"]),
    ):
        with lab.signed_in(name) as client:
            cookie = client.cookies["halfmap"]
        for address, query in PAGES.items():
            if address not in OF_A_PROJECT and asked is not beta and asked is not secret:
                continue
            text = document_of(lab.base, cookie, address + query.format(**asked, script="title"))
            for word in hidden:
                assert f"/{word}" not in text and f">{word}<" not in text, (name, address, word)
            assert "could not be made" not in text, (name, address)
    with lab.signed_in("chief") as client:
        page = document_of(lab.base, client.cookies["halfmap"], f"/project?id={lab.other_project}")
        assert "/secret" in page


def without_choices(part: Any) -> Any:
    """A document without what can be chosen from: the browser takes those words as HTML, so that they come escaped."""
    if isinstance(part, list):
        return [without_choices(one) for one in part]
    if not isinstance(part, dict):
        return part
    if str(part.get("name")).endswith("MultiChoice"):
        part = {key: value for key, value in part.items() if key != "attributes"}
    return {key: without_choices(value) for key, value in part.items()}


@pytest.mark.parametrize("address", PAGES)
def test_wild_texts_are_never_part_of_what_a_page_draws(lab: Lab, address: str) -> None:
    """In the document over the websocket too: HTML of ours is escaped once by us and once on its way."""
    with lab.signed_in("ana") as client:
        cookie = client.cookies["halfmap"]
    query = PAGES[address].format(project=lab.project, job=lab.job, script=quote(SCRIPT))
    text = json.dumps(without_choices(json.loads(document_of(lab.base, cookie, address + query))))
    for sign in ("&lt;script&gt;alert", "&lt;img src=x"):
        assert f"{sign}" not in text.replace("&amp;lt;", "").replace("&amp;gt;", ""), address


TEXTS = ["a\0b", "one\ntwo", "x" * 400]


@pytest.mark.parametrize("text", TEXTS, ids=["nul", "lines", "long"])
def test_a_name_that_is_none_is_refused_everywhere(lab: Lab, text: str) -> None:
    """In one sentence, whatever the database would have said."""
    job = {"type": "mask", "values": {"map": "Refine3D/job001/run_class001.mrc"}}
    jobs = f"/api/v1/projects/{lab.project}/jobs"
    with lab.program("ana") as program:
        for address, body in (
            ("/api/v1/projects", {"name": text}),
            ("/api/v1/projects", {"name": "x", "folder": f"{lab.folder}/{text}"}),
            (jobs, {**job, "title": text}),
            (jobs, {**job, "profile": text}),
            (jobs, {"type": text, "values": {}}),
            (jobs, {"type": "mask", "values": {"map": f"{text[:200]}.mrc"}}),
            (jobs, {**job, "after": {"map": text * 3}}),
        ):
            answer = program.post(address, json=body)
            assert answer.status_code in (409, 422), (address, body, answer.text)
            assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("name", ["..", ".", "...", "../beta", "a/../../b", " "])
def test_no_name_of_a_project_leads_elsewhere(lab: Lab, name: str) -> None:
    before = {one.name for one in lab.folder.parent.iterdir()}
    with lab.program("ana") as program:
        assert program.post("/api/v1/projects", json={"name": name}).status_code == 409
    assert {one.name for one in lab.folder.parent.iterdir()} == before


@pytest.mark.parametrize(
    "place", ["beta", "beta/", "beta/../beta", "beta/Refine3D", "same", "same/new"]
)
def test_nobody_becomes_the_owner_of_anothers_folder(lab: Lab, place: str) -> None:
    """A viewer of a project who makes another one in its folder could write there."""
    same = lab.folder / "same"
    if not same.is_symlink():
        same.symlink_to(lab.folder / "beta")
    with lab.program("ben") as program:
        body = {"name": "mine", "folder": f"{lab.folder}/{place}"}
        answer = program.post("/api/v1/projects", json=body)
        assert answer.status_code == 409, answer.text
        assert "the project 'beta' is already in" in answer.json()["error"]
        assert [one["name"] for one in program.get("/api/v1/projects").json()] == ["beta"]


def test_guessing_from_one_address_is_slowed_down_whatever_the_names(lab: Lab) -> None:
    """Another name each time does not help; somebody who knows a password waits for the guesser's sake."""
    address = guessing.address("127.0.0.1")
    try:
        with lab.client() as client:
            answers = [
                sign_in(client, f"name{n}", "wrong wrong").status_code
                for n in range(guessing.FREE_FROM_ADDRESS)
            ]
            assert set(answers) == {403}
            assert sign_in(client, "yet.another", "wrong wrong").status_code == 429
    finally:
        with lab.database.writing() as session:
            for n in range(guessing.FREE_FROM_ADDRESS):
                guessing.succeeded(session, guessing.account(f"name{n}"), address)
    with lab.client() as client:
        assert sign_in(client, "ana").status_code == 303


def test_guesses_at_the_same_moment_are_all_counted(lab: Lab, crowd: ThreadPoolExecutor) -> None:
    def guess(_: int) -> int:
        with lab.client() as client:
            return sign_in(client, "eva", "wrong wrong").status_code

    try:
        answers = list(crowd.map(guess, range(guessing.FREE + 4)))
        assert answers.count(403) <= guessing.FREE
        assert answers.count(429) >= 4
    finally:
        with lab.database.writing() as session:
            for _ in answers:
                guessing.succeeded(session, guessing.account("eva"), guessing.address("127.0.0.1"))


def test_what_is_typed_into_forms_is_shown_as_text(lab: Lab, tmp_path: Path) -> None:
    """Names, groups, tokens, invitations and the banner: on the pages of accounts."""
    with lab.signed_in("chief") as admin:
        for values in (
            {"action": "make_group", "name": f"g {SCRIPT}"},
            {"action": "invite", "note": f"n {SCRIPT}"},
            {"action": "banner", "text": f"b {SCRIPT}"},
        ):
            send(admin, "/admin", **values)
        send(admin, "/account", action="make_token", name=f"t {SCRIPT}", days="3")
        shown: list[httpx.Response] = [admin.get(one) for one in ("/admin", "/account", "/help")]
        send(admin, "/admin", action="banner", text="")
    for answer in shown:
        assert SCRIPT not in answer.text
    assert "g &lt;script&gt;" in shown[0].text and "n &lt;script&gt;" in shown[0].text
    assert "t &lt;script&gt;" in shown[1].text and "b &lt;script&gt;" in shown[2].text
