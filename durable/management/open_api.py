"""An OpenAPI 3.0 document made from a route table, so that it cannot drift from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from durable.management.routes import Kind, Parameter, Route
from durable.model.instance import OrchestrationRuntimeStatus

_SCHEMAS: dict[Kind, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "date-time": {"type": "string", "format": "date-time"},
    "statuses": {
        "type": "array",
        "items": {"type": "string", "enum": [str(s) for s in OrchestrationRuntimeStatus]},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error", "message"],
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
}
_COMMON = {
    401: "No key, or not the right one.",
    500: "The request could not be handled.",
    503: "The storage account cannot be used now: try again after Retry-After seconds.",
}


def open_api(routes: Sequence[Route], root: str) -> dict[str, Any]:
    """The document, as plain JSON values, for routes that are served below the URL `root`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"/{route.pattern}", {})[route.method.lower()] = _operation(route, routes)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Durable orchestrations",
            "description": "Start, watch and steer orchestrations. The links of a start response "
            "need no key; each permits one operation on one instance until it expires.",
            "version": "1",
        },
        "servers": [{"url": root}],
        "security": [{"header": []}, {"query": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "query": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


def _operation(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": _SCHEMAS["string"]}
        for name in _names(route)
    ]
    answers = {**_COMMON, **route.answers}
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.about,
        "parameters": in_path + [_parameter(parameter) for parameter in route.query],
        "responses": {
            str(code): _response(code, answers[code]) | _links(route, code, routes)
            for code in sorted(answers)
        },
    }
    if route.body:
        operation["requestBody"] = {
            "description": route.body,
            "content": {"application/json": {"schema": dict(route.schema)}},
        }
    return operation


def _links(route: Route, code: int, routes: Sequence[Route]) -> dict[str, Any]:
    """What can be asked next: of the instance that an answer names, or by the same path."""
    given: dict[str, str] = {}
    next_: list[Route] = []
    if pointer := route.instance_at.get(code):
        given = {"id": f"$response.body#{pointer}"}
        next_ = [each for each in routes if each.pattern.startswith("instances/{id}")]
    elif code == 202 and route.method != "GET":
        given = {name: f"$request.path.{name}" for name in _names(route)}
        next_ = [each for each in routes if each.pattern == route.pattern and each != route]
    links = {each.operation: {"operationId": each.operation, "parameters": given} for each in next_}
    return {"links": links} if links else {}


def _names(route: Route) -> list[str]:
    return re.findall(r"{(\w+)}", route.pattern)


def _parameter(parameter: Parameter) -> dict[str, Any]:
    style = {"style": "form", "explode": False} if parameter.kind == "statuses" else {}
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "required": parameter.required,
        "schema": _SCHEMAS[parameter.kind],
        **style,
    }


def _response(code: int, about: str) -> dict[str, Any]:
    if code < 400:
        return {"description": about}
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": about, "content": {"application/json": {"schema": schema}}}
