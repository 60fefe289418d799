"""The link that lets in one browser of this machine, once."""

import hmac
import secrets
from dataclasses import dataclass, field


@dataclass(slots=True)
class OneTimeLink:
    """Signs in, as one user, whoever opens it first; `target` is the page that it leads to."""

    user_id: int
    target: str = "/"
    _token: str | None = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def path(self) -> str:
        """The part of the link behind the address."""
        return f"/login?token={self._token}"

    def redeem(self, token: str) -> bool:
        """Whether a token is the one that is still good; it is not afterwards."""
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            return False
        self._token = None
        return True
