"""The committed OpenAPI document is the live one, and is valid in itself.

After a change that is meant: `python -m tests.support.snapshots` writes it anew.
"""

from __future__ import annotations

from typing import Any

import orjson

from inference.errors import ERRORS
from service.pages import document
from service.routes import ROUTES
from tests.support.snapshots import OPENAPI, openapi_text


def test_the_committed_document_is_the_live_one() -> None:
    assert OPENAPI.read_text() == openapi_text()


def test_every_route_is_in_it() -> None:
    listed = {(m.upper(), path) for path, methods in document()["paths"].items() for m in methods}
    assert listed == {(route.method, route.path) for route in ROUTES}


def test_operation_ids_are_unique_and_references_resolve() -> None:
    operations = [op for methods in document()["paths"].values() for op in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for reference in _references(document()):
        target: Any = document()
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target


def test_every_slug_is_known_and_every_failure_is_the_envelope() -> None:
    envelope = document()["components"]["schemas"]["Error"]
    slugs = envelope["properties"]["error"]["properties"]["slug"]["enum"]
    assert slugs == list(ERRORS)
    for methods in document()["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status != "200":
                    for slug in answer["description"].split(", "):
                        assert ERRORS[slug].http_status == int(status)


def test_it_is_json() -> None:
    assert orjson.loads(openapi_text()) == document()


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    if isinstance(node, list):
        return [found for value in node for found in _references(value)]
    return []
