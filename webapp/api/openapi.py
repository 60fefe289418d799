"""The description of the interface for programs, made from the endpoints themselves: as OpenAPI, and as a page."""

from typing import Any

from pydantic import BaseModel

from webapp.api import jobs, keeping, lab, notices, projects
from webapp.api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *projects.ENDPOINTS,
    *jobs.ENDPOINTS,
    *keeping.ENDPOINTS,
    *lab.ENDPOINTS,
    *notices.ENDPOINTS,
)
VERSION = "1"
PROBLEMS = {
    "401": "no token, or one that is not good",
    "403": "your role does not allow it",
    "404": "there is no such thing, or you may not see it",
    "409": "not possible in the present state",
    "422": "what was given is not possible",
}


def document(prefix: str = "") -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Halfmap",
            "version": VERSION,
            "description": "Projects, jobs, iterations, curves and maps. Every request shows a token "
            "(`Authorization: Bearer …`), made on the account page or with `halfmap token make`, "
            "and may do what its user may.",
        },
        "servers": [{"url": f"{prefix}/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string", "description": "one sentence"}},
                }
            },
        },
    }


def parameters(model: type[BaseModel] | None) -> list[tuple[str, dict[str, Any], bool]]:
    """Name, schema and whether it must be given, of each value that a model takes."""
    if model is None:
        return []
    schema = model.model_json_schema()
    needed = schema.get("required", [])
    return [(name, one, name in needed) for name, one in schema.get("properties", {}).items()]


def _operation(one: Endpoint) -> dict[str, Any]:
    given = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in one.names
    ]
    given += [
        {"name": name, "in": "query", "required": is_needed, "schema": schema}
        for name, schema, is_needed in parameters(one.query)
    ]
    content: dict[str, Any] = {"application/json": {"schema": {}}}
    if one.is_file:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers: dict[str, Any] = {str(one.status): {"description": one.summary, "content": content}}
    if one.is_file:
        answers["206"] = {"description": "the bytes that `Range` asks for", "content": content}
    for status, words in PROBLEMS.items():
        answers[status] = {"description": words, "content": problem}
    found: dict[str, Any] = {
        "operationId": f"{one.answer.__module__.rpartition('.')[2]}_{one.answer.__name__}",
        "summary": one.summary,
        "parameters": given,
        "responses": answers,
    }
    if one.body is not None:
        schema = one.body.model_json_schema()
        found["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema}},
        }
    return found
