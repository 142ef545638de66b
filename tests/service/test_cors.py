"""Pages of other origins: nothing by default, exactly what is allowed otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from service.cors import EXPOSED, parse_origins
from service.settings import Settings
from tests.support.http_app import served
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

SHOP = "https://shop.example"
KEY = "a-key-of-the-test"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


async def test_off_unless_asked_for(bundle: Path) -> None:
    async with served(bundle) as (client, _):
        answer = await client.get("/v1/model", headers={"Origin": SHOP})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]
        preflight = await client.options("/v1/decode", headers={"Origin": SHOP, **PREFLIGHT})
        assert (preflight.status_code, preflight.headers["allow"]) == (405, "POST")


async def test_an_allowed_origin_may_ask_and_read(bundle: Path) -> None:
    origins = f"{SHOP}, http://localhost:8000"
    async with served(bundle, cors_origins=origins, api_keys=KEY) as (client, runtime):
        preflight = await client.options("/v1/decode", headers={"Origin": SHOP, **PREFLIGHT})
        assert preflight.status_code == 204
        allowed = preflight.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "x-deadline-ms", "x-request-id"} <= set(allowed)
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-origin"] == SHOP

        # What fails must be readable for the page, too.
        for headers, status in (({"Authorization": f"Bearer {KEY}"}, 200), ({}, 401)):
            answer = await client.get("/v1/model", headers={"Origin": SHOP, **headers})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert answer.headers["vary"] == "Origin"
            assert answer.headers["access-control-expose-headers"].split(", ") == list(EXPOSED)
            assert "access-control-allow-credentials" not in answer.headers
        assert runtime.bodies.held == 0


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil.example", "null", f"{SHOP}/"]
)
async def test_any_other_origin_gets_what_everybody_gets(origin: str, bundle: Path) -> None:
    async with served(bundle, cors_origins=SHOP) as (client, _):
        answer = await client.get("/v1/model", headers={"Origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        preflight = await client.options("/v1/decode", headers={"Origin": origin, **PREFLIGHT})
        assert preflight.json()["error"]["slug"] == "method_not_allowed"
        assert "vary" not in (await client.get("/v1/model")).headers


async def test_all_origins(bundle: Path) -> None:
    async with served(bundle, cors_origins="*") as (client, _):
        answer = await client.get("/v1/model", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        plain = await client.options("/v1/decode", headers={"Origin": SHOP})
        assert plain.status_code == 405


@pytest.mark.parametrize(
    "text", ["shop.example", "https://shop.example/", "ftp://a", "https://*.example", "null"]
)
def test_what_is_no_origin_stops_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(cors_origins=text)
    assert parse_origins(" HTTPS://Shop.Example:8443 ,") == {"https://shop.example:8443"}
