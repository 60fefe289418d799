"""Requests to another machine's `/api/v1`: a problem comes back as the server's own sentence."""

from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import httpx

from compute.files.atomic import replacing
from compute.files.errors import InputError

TIMEOUT_S = 60.0
TRIES = 5
"""How often a download that breaks off goes on."""


class Transport:
    """One server and one token."""

    def __init__(self, server: str, token: str) -> None:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(f"'{server}' is not the address of a server: https://lab.example")
        if not token:
            raise InputError(
                f"a token for {server} is missing: make one on the account page there, and give it with --token, "
                "HALFMAP_TOKEN or [remote] token_file of the settings"
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise InputError("the token has characters that no token has: copy it once more")
        self.server = server.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self.server}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """What the server answers to a question. Raises InputError with its sentence."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", path, params=given)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers to a request. Raises InputError with its sentence."""
        return self._json("POST", path, json=body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers to a change. Raises InputError with its sentence."""
        return self._json("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """What the server answers where something is to go. Raises InputError with its sentence."""
        return self._json("DELETE", path)

    def download(self, path: str, file: str, place: Path) -> None:
        """Fetch a file to `place`, all of it or nothing. Raises InputError."""
        address = path + quote(file)
        with replacing(place) as unfinished:
            mark = ""
            for turn in range(TRIES):
                try:
                    with self._client.stream(
                        "GET", address, headers=_missing(unfinished, mark)
                    ) as answer:
                        mark = self._begin(answer, unfinished)
                        for piece in answer.iter_raw():
                            unfinished.write(piece)
                    return
                except httpx.TransportError as error:
                    if turn == TRIES - 1:
                        raise InputError(f"{file} broke off {TRIES} times: {error}") from None

    def _begin(self, answer: httpx.Response, file: BinaryIO) -> str:
        """Make a file ready for what comes; the mark of the server's file. Raises InputError."""
        if answer.status_code not in (200, 206):
            answer.read()
            raise InputError(self._problem(answer))
        if answer.status_code == 200:
            file.seek(0)
            file.truncate()
        return answer.headers.get("ETag", "")

    def _json(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise InputError(f"{self.server} does not answer: {error}") from None
        if not answer.is_success:
            raise InputError(self._problem(answer))
        try:
            return answer.json()
        except ValueError:
            raise InputError(
                f"{self.server} is no Halfmap, or not at this address: it does not answer in JSON"
            ) from None

    def _problem(self, answer: httpx.Response) -> str:
        if answer.status_code == 401:
            return f"{self.server} does not take this token: it was revoked, has ended or is another server's"
        try:
            return str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            return f"{self.server} answers {answer.status_code} {answer.reason_phrase}"


def _missing(file: BinaryIO, mark: str) -> dict[str, str]:
    """What to ask for: all that is behind what a file has, if the server's is still the same."""
    start = file.tell()
    return {"Range": f"bytes={start}-", "If-Range": mark} if start and mark else {}
