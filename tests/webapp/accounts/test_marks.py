"""Search, stars, tags, comments, notices and visits over the interface and on plain pages: to everybody their own."""

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from db.repository import jobs, talk
from tests.webapp.accounts.lab import PEOPLE, SCRIPT, Lab, send
from webapp.api.handler import FORM_TOKEN

API = "/api/v1"
NEEDLE = "needle in the haystack"


@pytest.fixture(scope="module")
def marked(lab: Lab) -> Iterator[Lab]:
    """The lab, with a comment of nobody's on a job of each project."""
    with lab.database.writing() as session:
        for job_id in (lab.job, lab.other_job):
            talk.add_comment(session, job_id, f"{NEEDLE} {SCRIPT}", who=None)
    yield lab


def asked(lab: Lab, name: str, method: str, path: str, **more: object) -> httpx.Response:
    with lab.program(name) as program:
        return program.request(method, API + path, **more)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_search_finds_what_one_sees_and_nothing_else(marked: Lab, name: str) -> None:
    sees = {"chief": {"beta", "secret"}, "out": set()}.get(name, {"beta"})
    for words in (NEEDLE.split()[0], "title", "type:refine", "run_class001", "refine"):
        found = asked(marked, name, "GET", f"/search?q={words}&limit=200").json()
        if words != "run_class001":
            assert {one["project"] for one in found["jobs"]} == sees, words
        if "secret" not in sees:
            assert "secret" not in str(found)
    for words in ("notes", "secret", "beta"):
        found = asked(marked, name, "GET", f"/search?q={words}").json()
        assert {one["name"] for one in found["projects"]} <= sees
    assert asked(marked, name, "GET", "/search?q=").json()["jobs"] == []
    with marked.signed_in(name) as browser:
        page = browser.get(f"/search?q={NEEDLE.split()[0]}").text
    assert SCRIPT not in page and "<img src=x" not in page
    assert ("&lt;script&gt;alert(1)" in page) == bool(sees)
    assert ("secret" in page) == ("secret" in sees)


def test_a_search_that_cannot_be_fulfilled_says_why(marked: Lab) -> None:
    found = asked(marked, "ana", "GET", "/search?q=state:odd").json()
    assert found["problem"].startswith("there is no state 'odd'") and found["jobs"] == []
    assert asked(marked, "ana", "GET", f"/search?q={'x' * 201}").status_code == 422
    assert asked(marked, "ana", "GET", "/search?q=x&limit=0").status_code == 422
    with marked.signed_in("ana") as browser:
        page = browser.get(f"/search?q=state:{SCRIPT}").text
        assert "There is no state" in page and SCRIPT not in page
        assert browser.get("/search?q=refine&before=x").status_code == 200
        assert "Nothing that you see" in browser.get("/search?q=no+such+thing").text


def test_pages_of_hits_follow_on_one_another(marked: Lab) -> None:
    with marked.database.writing() as session:
        made = [
            jobs.create(session, marked.project, "mask", {}, who=None, title=f"paged {n}").id
            for n in range(5)
        ]
    first = asked(marked, "ben", "GET", "/search?q=paged&limit=3").json()
    rest = asked(marked, "ben", "GET", "/search?q=paged&limit=3&before=3").json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert [one["id"] for one in first["jobs"] + rest["jobs"]] == made[::-1]


def test_stars_are_ones_own(marked: Lab) -> None:
    for place in (f"/jobs/{marked.job}", f"/projects/{marked.project}"):
        assert asked(marked, "ben", "PUT", f"{place}/star").json() == {"is_starred": True}
    own = asked(marked, "ben", "GET", "/search?q=is:starred").json()
    assert [one["id"] for one in own["jobs"]] == [marked.job]
    assert [one["id"] for one in own["projects"]] == [marked.project]
    theirs = asked(marked, "eva", "GET", "/search?q=is:starred").json()
    assert theirs["jobs"] == theirs["projects"] == []
    for place in (f"/jobs/{marked.job}", f"/projects/{marked.project}"):
        assert asked(marked, "ben", "DELETE", f"{place}/star").json() == {"is_starred": False}
    assert asked(marked, "ben", "GET", "/search?q=is:starred").json()["jobs"] == []


def test_editors_tag_and_everybody_who_looks_sees_it(marked: Lab) -> None:
    place = f"/jobs/{marked.job}"
    wild = "<img src=x onerror=alert(1)> %"
    for name in ("good", wild):
        address = f"{place}/tags/{quote(name)}"
        done = asked(marked, "eva", "PUT", address, json={"colour": "green"})
        assert done.status_code == 200, done.text
    found = asked(marked, "ben", "GET", f"{place}/marks").json()
    assert [one["name"] for one in found["tags"]] == [wild, "good"]
    assert (found["can_tag"], found["is_starred"]) == (False, False)
    names = [
        one["name"]
        for one in asked(marked, "ben", "GET", f"/projects/{marked.project}/tags").json()
    ]
    assert names == [wild, "good"]
    assert asked(marked, "eva", "PUT", f"{place}/tags/{'x' * 61}", json={}).status_code == 409
    assert asked(marked, "eva", "DELETE", f"{place}/tags/good").status_code == 200
    assert asked(marked, "eva", "DELETE", f"{place}/tags/good").status_code == 404


def test_a_comment_calls_its_reader_and_is_taken_back_by_its_author_alone(marked: Lab) -> None:
    with marked.program("ben") as ben:
        ben.post(f"{API}/notices/read", json={})
    text = f"@ben @out look {SCRIPT}"
    for place in (f"/jobs/{marked.job}", f"/projects/{marked.project}"):
        said = asked(marked, "eva", "POST", f"{place}/comments", json={"text": text})
        assert said.status_code == 201
        own = said.json()[-1]
        assert (own["author"], own["text"], own["is_own"]) == ("eva", text, True)
        (theirs,) = [
            one
            for one in asked(marked, "ben", "GET", f"{place}/comments").json()
            if one["id"] == own["id"]
        ]
        assert theirs["is_own"] is False
        for name, status in (("ben", 409), ("ana", 409), ("out", 404), ("eva", 200), ("eva", 404)):
            answer = asked(marked, name, "DELETE", f"/comments/{own['id']}")
            assert answer.status_code == status, (name, answer.text)
            if status != 409:
                continue
            told = asked(marked, "ben", "GET", "/notices").json()
            assert (told["unread"], told["notices"][0]["text"]) == (1, text)
        assert asked(marked, "ben", "GET", "/notices").json()["unread"] == 0
    assert asked(marked, "out", "GET", "/notices").json()["notices"] == []
    assert asked(marked, "eva", "DELETE", "/comments/x").status_code == 404


def test_notices_are_listed_as_text_and_marked_read(marked: Lab) -> None:
    body = {"text": f"@eva {SCRIPT}"}
    asked(marked, "eva", "POST", "/notices/read", json={})
    asked(marked, "ana", "POST", f"/jobs/{marked.job}/comments", json=body)
    asked(marked, "ana", "POST", f"/projects/{marked.project}/comments", json=body)
    newest, older = asked(marked, "eva", "GET", "/notices").json()["notices"][:2]
    assert newest["sentence"] == "ana mentions you at the project beta"
    assert newest["url"] == f"project?id={marked.project}&tab=comments"
    assert older["url"] == f"job?id={marked.job}&tab=comments"
    assert (
        asked(marked, "ben", "POST", "/notices/read", json={"ids": [newest["id"]]}).status_code
        == 200
    )
    assert (
        asked(marked, "eva", "POST", "/notices/read", json={"job": marked.job}).json()["unread"]
        == 1
    )
    with marked.signed_in("eva") as browser:
        page = browser.get("/notices").text
        assert "ana mentions you" in page and SCRIPT not in page
        assert send(browser, "/notices", up_to=str(newest["id"])).status_code == 303
        assert browser.get(f"{API}/notices").json()["unread"] == 0
        assert browser.post("/notices", data={"up_to": "1"}).status_code == 403
    with marked.client() as stranger:
        assert stranger.get("/search?q=needle").status_code == 302


def test_a_page_of_ours_changes_with_the_token_that_it_was_handed(marked: Lab) -> None:
    address = f"{API}/projects/{marked.project}/visit"
    with marked.signed_in("ana") as browser:
        handed = browser.get(f"{API}/notices").headers[FORM_TOKEN]
        for origin, token, status in (
            (marked.base, handed, 200),
            (marked.base, "made-up", 403),
            (marked.base, "", 403),
            ("https://evil.example", handed, 403),
        ):
            headers = {"Origin": origin, "X-XSRFToken": token}
            assert browser.post(address, headers=headers).status_code == status, (origin, token)
        found = browser.get(f"{API}/projects/{marked.project}/changes").json()
        assert found == {"since": None, "changes": []}
    assert FORM_TOKEN not in asked(marked, "ana", "GET", "/me").headers
