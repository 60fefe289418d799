"""Every address without login, with too low a role and for another project: nobody is answered what is not theirs."""

import re
import socket

import httpx
import pytest

from db.models.jobs import Job
from db.session import Database
from tests.webapp.accounts.lab import PEOPLE, SCRIPT, Lab, send
from webapp.accounts.gate import OPEN
from webapp.api.openapi import ENDPOINTS
from webapp.app import App

PAGES = sorted(App(None, None, None).pages())  # type: ignore[arg-type]  # the addresses alone
PLAIN = [
    "/account",
    "/admin",
    "/api-guide",
    "/search",
    "/notices",
    "/api/map",
    "/api/file",
    "/api/report",
    "/api/v1/me",
    "/no-such-page",
]
SOCKETS = [f"{'' if page == '/' else page}/ws" for page in PAGES]
BOKEH = [
    "/static/js/bokeh.min.js",
    "/autoload.js",
    "/metadata",
    "/job/autoload.js",
    "/job/metadata",
]


@pytest.mark.parametrize("address", [*PAGES, *PLAIN, *BOKEH])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_stranger_is_answered_nothing(lab: Lab, address: str, method: str) -> None:
    with lab.client() as client:
        answer = client.request(method, address, headers={"Origin": lab.base})
    is_reading = method in ("GET", "HEAD", "OPTIONS")
    if address.startswith("/api/"):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    elif is_reading:
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/login")
    else:
        assert answer.status_code == 403
    assert "beta" not in answer.text and "Refine3D" not in answer.text
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("address", sorted(OPEN))
def test_what_strangers_reach_tells_nothing(lab: Lab, address: str) -> None:
    with lab.client() as client:
        answer = client.get(address)
    assert answer.status_code in (200, 403, 404)
    for word in ("beta", "ana", "eva", "Refine3D", str(lab.folder)):
        assert not re.search(rf"\b{re.escape(word)}\b", answer.text), word


@pytest.mark.parametrize("file", ["app.css", "accounts.css", "app.js", "halfmap.svg"])
def test_the_login_page_has_its_sheet_and_scripts(lab: Lab, file: str) -> None:
    with lab.client() as client:
        assert f"assets/{file}" in client.get("/login").text
        answer = client.get(f"/assets/{file}")
        assert answer.status_code == 200 and answer.content
        for way in ("../webapp/app.py", "%2e%2e/pyproject.toml", "../pyproject.toml"):
            assert client.get(f"/assets/{way}").status_code in (302, 403, 404)


def shake_hands(lab: Lab, address: str, origin: str, cookie: str = "") -> str:
    """The status line with which a server answers a websocket."""
    host = lab.base.removeprefix("http://")
    name, port = host.split(":")
    lines = [
        f"GET {address} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: bokeh, made-up-token",
        *([f"Origin: {origin}"] if origin else []),
        *([f"Cookie: halfmap={cookie}"] if cookie else []),
    ]
    with socket.create_connection((name, int(port)), timeout=120) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(4096).decode("latin-1").splitlines()[0]


@pytest.mark.parametrize("address", SOCKETS)
def test_a_websocket_needs_a_session_and_our_own_page(lab: Lab, address: str) -> None:
    assert " 403 " in shake_hands(lab, address, lab.base)
    with lab.signed_in("ana") as client:
        cookie = client.cookies["halfmap"]
    assert " 403 " in shake_hands(lab, address, "https://evil.example", cookie)
    assert " 403 " in shake_hands(lab, address, "", cookie)
    assert " 101 " in shake_hands(lab, address, lab.base, cookie)


def test_another_name_of_the_server_is_refused(lab: Lab) -> None:
    with lab.signed_in("ana") as client:
        answer = client.get("/api/file?job=1&file=run.out", headers={"Host": "rebound.example"})
    assert answer.status_code == 421
    assert "does not know itself as rebound.example" in answer.json()["error"]


ONE_JOB = "/jobs/{job}"
OWN = {"viewer": 1, "editor": 2, "owner": 3}
CALLS: list[tuple[str, str, dict[str, object] | None, str]] = [
    ("GET", "/projects/{project}", None, "viewer"),
    ("GET", "/projects/{project}/jobs", None, "viewer"),
    ("POST", "/projects/{project}/jobs", {"type": "mask", "values": {}}, "editor"),
    ("GET", "/projects/{project}/members", None, "viewer"),
    ("PUT", "/projects/{project}/members/nobody", {"role": "viewer"}, "owner"),
    ("DELETE", "/projects/{project}/members/nobody", None, "owner"),
    ("GET", "/projects/{project}/activity", None, "viewer"),
    ("GET", "/jobs/{job}", None, "viewer"),
    ("POST", "/jobs/{job}/stop", {}, "editor"),
    ("POST", "/jobs/{job}/continue", {}, "editor"),
    ("PUT", "/jobs/{job}/title", {"title": f"title {SCRIPT}"}, "editor"),
    ("DELETE", "/jobs/{job}/bin", None, "editor"),
    ("GET", "/projects/{project}/bin", None, "viewer"),
    ("GET", "/jobs/{job}/iterations", None, "viewer"),
    ("GET", "/jobs/{job}/iterations/last/curves", None, "viewer"),
    ("GET", "/jobs/{job}/log", None, "viewer"),
    ("GET", "/jobs/{job}/files", None, "viewer"),
    ("GET", "/jobs/{job}/files/run.out", None, "viewer"),
    ("PUT", "/projects/{project}/star", None, "viewer"),
    ("DELETE", "/projects/{project}/star", None, "viewer"),
    ("GET", "/projects/{project}/tags", None, "viewer"),
    ("GET", "/projects/{project}/comments", None, "viewer"),
    ("POST", "/projects/{project}/comments", {"text": " "}, "viewer"),
    ("GET", "/projects/{project}/changes", None, "viewer"),
    ("POST", "/projects/{project}/visit", None, "viewer"),
    ("PUT", "/jobs/{job}/star", None, "viewer"),
    ("DELETE", "/jobs/{job}/star", None, "viewer"),
    ("GET", "/jobs/{job}/marks", None, "viewer"),
    ("PUT", "/jobs/{job}/tags/nobody", {"colour": "mauve"}, "editor"),
    ("DELETE", "/jobs/{job}/tags/nobody", None, "editor"),
    ("GET", "/jobs/{job}/comments", None, "viewer"),
    ("POST", "/jobs/{job}/comments", {"text": " "}, "viewer"),
]
"""What concerns a project, with a request that changes nothing, and the role that it takes."""


INTO_BIN = ("PUT", "/jobs/{job_id}/bin")
"""It changes something: see the test of the bin."""


def called(method: str, path: str) -> tuple[str, str]:
    """A call of the table as the endpoint that it is for."""
    path = path.replace("{project}", "{project_id}").replace("{job}", "{job_id}")
    path = path.replace("/nobody", "/{name}").replace("/last/", "/{iteration}/")
    return method, path.replace("run.out", "{file}")


def test_every_endpoint_that_concerns_a_project_is_in_the_table() -> None:
    concerned = {(one.method, one.path) for one in ENDPOINTS if "_id}" in one.path}
    assert concerned == {INTO_BIN, *(called(method, path) for method, path, _, _ in CALLS)}


def test_editors_put_into_the_bin_and_take_out(lab: Lab) -> None:
    place = f"/api/v1/jobs/{lab.job}/bin"
    for name, role in PEOPLE.items():
        with lab.program(name) as program:
            answer = program.put(place, json={})
            words = f"{name}: {answer.status_code} {answer.text[:200]}"
            if name == "out":
                assert answer.status_code == 404, words
            elif role is not None and OWN[role] < OWN["editor"]:
                assert answer.status_code == 403, words
            else:
                assert answer.status_code == 200, words
                listed = program.get(f"/api/v1/projects/{lab.project}/bin").json()
                assert [one["id"] for one in listed] == [lab.job]
                assert listed[0]["deleted_by"] == name and listed[0]["deleted_at"]
                assert program.delete(place).json()["id"] == lab.job


@pytest.mark.parametrize(("method", "path", "body", "needed"), CALLS)
def test_an_endpoint_takes_its_role_and_no_less(
    lab: Lab, method: str, path: str, body: dict[str, object] | None, needed: str
) -> None:
    for name, role in PEOPLE.items():
        place = path.format(project=lab.project, job=lab.job)
        with lab.program(name) as program:
            answer = program.request(method, f"/api/v1{place}", json=body)
        words = f"{name} {method} {place}: {answer.status_code} {answer.text[:200]}"
        if name == "out":
            assert answer.status_code == 404, words
            assert "there is no project" in answer.json()["error"], words
        elif role is None or OWN[role] >= OWN[needed]:
            assert answer.status_code not in (401, 403), words
            assert "there is no project" not in answer.text, words
        else:
            assert answer.status_code == 403, words
            assert f"this takes the role {needed}" in answer.json()["error"], words


@pytest.mark.parametrize(("method", "path", "body", "needed"), CALLS)
def test_an_endpoint_of_another_project_is_as_if_it_were_not_there(
    lab: Lab, method: str, path: str, body: dict[str, object] | None, needed: str
) -> None:
    for known in (True, False):
        project = lab.other_project if known else 987
        job = lab.other_job if known else 987
        with lab.program("ana") as program:
            place = path.format(project=project, job=job)
            answer = program.request(method, f"/api/v1{place}", json=body)
        assert answer.status_code == 404, answer.text
        assert "secret" not in answer.text


def test_what_is_asked_of_nobodys_project_shows_ones_own_only(lab: Lab) -> None:
    for name, sees in (
        ("chief", {"beta", "secret"}),
        ("ana", {"beta"}),
        ("ben", {"beta"}),
        ("out", set()),
    ):
        with lab.program(name) as program:
            assert program.get("/api/v1/me").json()["name"] == name
            assert {one["name"] for one in program.get("/api/v1/projects").json()} == sees
            assert {one["project"] for one in program.get("/api/v1/jobs").json()} == sees
            assert "secret" in program.get("/api/v1/jobs").text or name != "chief"


def state(database: Database, job_id: int, **values: object) -> None:
    with database.writing() as session:
        job = session.get_one(Job, job_id)
        for name, value in values.items():
            setattr(job, name, value)


def test_the_queue_tells_of_others_jobs_only_who_and_how_much(lab: Lab) -> None:
    state(lab.database, lab.other_job, state="waiting", reason="for a secret reason")
    try:
        with lab.program("ana") as program:
            found = program.get("/api/v1/queue")
            (waiting,) = found.json()["waiting"]
            assert waiting["author"] == "chief" and waiting["project"] == "another project"
            assert waiting["title"] == "" and waiting["reason"] == ""
            assert "secret" not in found.text
        with lab.program("chief") as program:
            assert program.get("/api/v1/queue").json()["waiting"][0]["project"] == "secret"
    finally:
        state(lab.database, lab.other_job, state="draft", reason="")


WAYS_OUT = [
    "../../../secret/Refine3D/job001/run.out",
    "../job001/../../../secret/Refine3D/job001/run.out",
    "..%2f..%2f..%2fsecret/Refine3D/job001/run.out",
    "%2e%2e/%2e%2e/%2e%2e/secret/Refine3D/job001/run.out",
    "/etc/passwd",
    "//etc/passwd",
    "link.txt",
    "folder/Refine3D/job001/run.out",
    "folder",
    "",
    "run.out%00.mrc",
    "no_such_file",
]


@pytest.mark.parametrize("file", WAYS_OUT)
def test_no_path_leads_out_of_a_job(lab: Lab, file: str) -> None:
    with lab.signed_in("ana") as browser, lab.program("ana") as program:
        for answer in (
            browser.get(f"/api/file?job={lab.job}&file={file}"),
            browser.get(f"/api/map?job={lab.job}&file={file}"),
            program.get(f"/api/v1/jobs/{lab.job}/files/{file}"),
        ):
            assert answer.status_code in (404, 422), answer.text[:200]
            assert "outside" not in answer.text and "root:" not in answer.text
            assert "secret\n" not in answer.text


def test_ones_own_files_come_whole_and_in_parts(lab: Lab) -> None:
    address = f"/api/v1/jobs/{lab.job}/files/run.out"
    with lab.program("ben") as program:
        whole = program.get(address)
        assert whole.content == b"beta\nsecond line\n"
        for asked, status, content in (
            ("bytes=0-3", 206, b"beta"),
            ("bytes=5-", 206, b"second line\n"),
            ("bytes=-5", 206, b"line\n"),
            ("bytes=0-999", 200, whole.content),
            ("bytes=17-", 416, b""),
            ("bytes=9-2", 416, b""),
            ("lines=1-2", 200, whole.content),
        ):
            part = program.get(address, headers={"Range": asked})
            assert (part.status_code, part.content) == (status, content), asked
        changed = {"Range": "bytes=0-3", "If-Range": '"other"'}
        assert program.get(address, headers=changed).content == whole.content
        head = program.head(address)
        assert head.headers["content-length"] == "17" and head.content == b""
        names = [one["path"] for one in program.get(f"/api/v1/jobs/{lab.job}/files").json()]
        assert "run.out" in names and "link.txt" not in names
        assert not any(name.startswith("folder/") for name in names)
        wild = program.get(f"/api/v1/jobs/{lab.job}/files/<img src=x onerror=alert(3)>.star")
        assert wild.content == b"data_\n"
        assert wild.headers["content-type"] == "application/octet-stream"
        assert wild.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("value", ["secret", "link", "absent", "outside"])
def test_a_job_cannot_read_what_its_author_may_not(lab: Lab, value: str) -> None:
    paths = {
        "secret": lab.folder / "secret" / "Refine3D" / "job001" / "run_class001.mrc",
        "link": "Refine3D/job001/folder/Refine3D/job001/run_class001.mrc",
        "absent": lab.folder / "secret" / "no_such_file.mrc",
        "outside": "/etc/no_such_file.mrc",
    }
    body = {"type": "mask", "values": {"map": str(paths[value])}}
    with lab.program("ana") as program:
        before = len(program.get(f"/api/v1/projects/{lab.project}/jobs").json())
        answer = program.post(f"/api/v1/projects/{lab.project}/jobs", json=body)
        assert answer.status_code == 409, answer.text
        assert re.search("do not see|outside the data folders", answer.json()["error"])
        assert len(program.get(f"/api/v1/projects/{lab.project}/jobs").json()) == before
        inside = {"type": "mask", "values": {"map": "Refine3D/job001/run_class001.mrc"}}
        made = program.post(f"/api/v1/projects/{lab.project}/jobs", json=inside)
        assert made.status_code == 201, made.text
        stopped = program.post(f"/api/v1/jobs/{made.json()['id']}/stop", json={})
        assert stopped.json()["state"] == "finished"


@pytest.mark.parametrize("place", ["secret/mine", "secret", "../elsewhere", "/tmp/elsewhere"])
def test_no_project_is_made_out_of_reach(lab: Lab, place: str) -> None:
    body = {"name": "mine", "folder": str(lab.folder / place)}
    with lab.program("ana") as program:
        answer = program.post("/api/v1/projects", json=body)
        assert answer.status_code == 409, answer.text
    assert not (lab.folder / "secret" / "mine").exists()


BAD_REQUESTS: list[tuple[str, str, bytes, int, str]] = [
    ("POST", "/projects", b"{", 422, "not JSON"),
    ("POST", "/projects", b"[1]", 422, "not a JSON object"),
    ("POST", "/projects", b"{}", 422, "name: Field required"),
    ("POST", "/projects", b'{"name": "x", "other": 1}', 422, "other: Extra inputs"),
    ("POST", "/projects", b'{"name": "x", "folder": "relative"}', 422, "is absolute"),
    ("POST", "/projects", b'{"name": "5"}', 409, "cannot be the name of a project"),
    ("GET", "/jobs?state=odd", b"", 422, "state"),
    ("GET", "/jobs?limit=0", b"", 422, "limit"),
    ("GET", "/jobs?colour=red", b"", 422, "colour"),
    ("GET", "/jobs/x", b"", 404, "not the number of a job"),
    ("GET", "/jobs/99999999999999999999", b"", 404, "not the number of a job"),
    ("GET", "/jobs/1/iterations/x/curves", b"", 404, "not the number of a iteration"),
    ("GET", "/types/nonsense", b"", 404, "not a type of job"),
    ("GET", "/nothing", b"", 404, "see /api/v1/openapi.json"),
    ("POST", "/me", b"", 405, "takes GET"),
    ("GET", "/me?x=1", b"", 422, "takes nothing"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), BAD_REQUESTS)
def test_a_bad_request_gets_one_sentence(
    lab: Lab, method: str, path: str, body: bytes, status: int, words: str
) -> None:
    with lab.program("ana") as program:
        answer = program.request(method, f"/api/v1{path}", content=body)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


def test_the_document_names_every_endpoint_and_the_page_shows_it(lab: Lab) -> None:
    with lab.program("ben") as program, lab.signed_in("ben") as browser:
        found = program.get("/api/v1/openapi.json").json()
        page = browser.get("/api-guide").text
    operations = [one for path in found["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) == len(ENDPOINTS)
    for one in ENDPOINTS:
        operation = found["paths"][one.path][one.method.lower()]
        named = [given["name"] for given in operation["parameters"] if given["in"] == "path"]
        assert named == one.names
        assert f"{one.method} /api/v1{one.path}" in page
    assert not re.search(r'(src|href)="https?://', page)


def test_a_browser_cannot_be_made_to_call_the_interface(lab: Lab) -> None:
    with lab.signed_in("ana") as browser:
        assert browser.get("/api/v1/me").json()["name"] == "ana"
        for origin in (lab.base, "https://evil.example"):
            answer = browser.post(
                f"/api/v1/jobs/{lab.job}/stop", json={}, headers={"Origin": origin}
            )
            assert answer.status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/projects",
        "/project?id=1",
        "/job?id=1",
        "/queue",
        "/account",
        "/search?q=title",
        "/notices",
    ],
)
def test_wild_texts_never_become_part_of_a_page(lab: Lab, address: str) -> None:
    with lab.signed_in("ana") as client:
        answer = client.get(address)
    assert answer.status_code == 200
    assert SCRIPT not in answer.text
    assert "<img src=x" not in answer.text


def test_wild_names_are_refused_or_shown_as_text(lab: Lab) -> None:
    with lab.signed_in("chief") as client:
        send(client, "/admin", action="make_group", name=SCRIPT)
        page = client.get("/admin").text
    assert SCRIPT not in page and "&lt;script&gt;alert(1)" in page


def test_every_answer_forbids_other_hosts(lab: Lab) -> None:
    with lab.signed_in("ana") as client:
        found: list[httpx.Response] = [
            client.get(one) for one in ("/help", "/account", "/assets/app.css")
        ]
    for answer in found:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert "server" not in answer.headers


def test_a_job_as_a_document_is_for_its_members(lab: Lab) -> None:
    for name, role in PEOPLE.items():
        with lab.signed_in(name) as browser:
            page = browser.get(f"/api/report?job={lab.job}")
            source = browser.get(f"/api/report?job={lab.job}&form=json")
        if role is None and name != "chief":
            assert (page.status_code, source.status_code) == (404, 404)
            assert "beta" not in page.text + source.text
            continue
        assert page.headers["content-disposition"].startswith("attachment;")
        assert "<script>" not in page.text
        assert source.json()["format"] == "halfmap provenance 1"
        assert source.json()["job"] == 1
    with lab.signed_in("ana") as browser:
        for number in ("x", "999", ""):
            assert browser.get(f"/api/report?job={number}").status_code == 404


def test_a_page_learns_whether_its_visitor_may_still_be_here(lab: Lab) -> None:
    with lab.signed_in("ben") as browser:
        assert browser.get("/api/v1/me").json()["name"] == "ben"
        browser.cookies.clear()
        assert browser.get("/api/v1/me").status_code == 401
