"""The page that shows the interface for programs: every endpoint, what it takes, and an example to copy."""

import json

from webapp.accounts.account_page import MemberPage
from webapp.accounts.plain_page import address_of
from webapp.api.endpoint import Endpoint
from webapp.api.openapi import ENDPOINTS, PROBLEMS, parameters


class GuidePage(MemberPage):
    """The endpoints as a page."""

    async def get(self) -> None:
        """Show it."""
        address = address_of(self)
        shown = [
            {
                "method": one.method,
                "path": f"/api/v1{one.path}",
                "summary": one.summary,
                "takes": _takes(one),
                "example": _example(one, address),
            }
            for one in ENDPOINTS
        ]
        self.show("guide", address=address, endpoints=shown, problems=PROBLEMS)


def _takes(one: Endpoint) -> list[dict[str, str]]:
    given = [("in the address", *found) for found in parameters(one.query)]
    given += [("JSON", *found) for found in parameters(one.body)]
    return [
        {
            "name": name,
            "where": where,
            "words": schema.get("description", ""),
            "needed": "needed" if is_needed else f"{json.dumps(schema.get('default'))} without it",
        }
        for where, name, schema, is_needed in given
    ]


def _example(one: Endpoint, address: str) -> str:
    path = one.path.replace("{project_id}", "1").replace("{job_id}", "19").replace("{name}", "eva")
    path = path.replace("{iteration}", "last").replace("{type}", "refine")
    path = path.replace("{file}", "run_class001.mrc").replace("{comment}", "5")
    words = ["curl", "-H 'Authorization: Bearer halfmap_…'"]
    if one.method != "GET":
        words.append(f"-X {one.method}")
    needed = {name: "…" for name, _, is_needed in parameters(one.body) if is_needed}
    if one.body is not None:
        words.append(f"-d '{json.dumps(needed, ensure_ascii=False)}'")
    return " ".join([*words, f"'{address}/api/v1{path}'"])
