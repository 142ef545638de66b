"""Dashboard, alerts and scaling triggers ask for metrics and labels that the server really has.

Every expression is parsed as PromQL; its metrics and labels are looked for in /metrics of the live
application, after it has served a few requests.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeVar

import promql_parser
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, VectorSelector

from service.keys import new_key
from tests.support.http_app import png, served
from tests.support.manifests import ROOT, the
from tests.support.tiny_bundle import write_tiny_bundle

Part = TypeVar("Part")
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "latentserve.json").read_text("utf-8"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds to what it scrapes."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def _alert_rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _expressions() -> dict[str, str]:
    """Every PromQL expression there is, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in _alert_rules()}
    for trigger in the("ScaledObject")["spec"]["triggers"]:
        found[f"trigger {trigger['name']}"] = trigger["metadata"]["query"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "1m")
            found[f"panel {panel['title']} {target['refId']}"] = text
    return found


def _parts(expression: str, kind: type[Part]) -> list[Part]:
    """Every part of one kind in a PromQL expression."""
    found: list[Part] = []

    def look(node: Any) -> bool:
        if isinstance(node, kind):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


EXPRESSIONS = _expressions()


@pytest_asyncio.fixture(name="live")
async def _live(tmp_path: Path) -> dict[str, set[str]]:
    """Every sample's name in /metrics, with its labels where it has been seen."""
    text, key = new_key("shop")
    async with served(write_tiny_bundle(tmp_path), api_keys=key.line()) as (client, _):
        client.headers["Authorization"] = f"Bearer {text}"
        await client.post("/v1/reconstruct", content=png(), headers={"Content-Type": "image/png"})
        await client.get("/nowhere")
        text = (await client.get("/metrics")).text
    live: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for suffix in SUFFIXES[family.type]:
            live[family.name + suffix] = set()
        for sample in family.samples:
            live.setdefault(sample.name, set()).update(sample.labels)
    return live


@pytest.mark.parametrize("place", EXPRESSIONS)
async def test_every_metric_and_label_exists(place: str, live: dict[str, set[str]]) -> None:
    selectors = _parts(EXPRESSIONS[place], VectorSelector)
    assert selectors
    labels = set(SCRAPED)
    for selector in selectors:
        known = {**live, "up": set()}[selector.name] | SCRAPED
        assert {matcher.name for matcher in selector.matchers.matchers} <= known
        labels |= known
    for aggregate in _parts(EXPRESSIONS[place], AggregateExpr):
        if aggregate.modifier is not None:
            assert set(aggregate.modifier.labels) <= labels


def test_every_metric_of_ours_is_on_the_dashboard(live: dict[str, set[str]]) -> None:
    shown = {
        re.sub(r"_(bucket|sum|count|total)$", "", str(selector.name))
        for place, expression in EXPRESSIONS.items()
        if place.startswith("panel")
        for selector in _parts(expression, VectorSelector)
    }
    ours = {re.sub(r"_(bucket|sum|count|total)$", "", n) for n in live if n.startswith("latent")}
    ours = {name for name in ours if not name.endswith("_created")}
    assert ours - shown <= {"latentserve_worker_info"}


def test_every_alert_says_what_it_means_and_how_bad_it_is() -> None:
    names = [rule["alert"] for rule in _alert_rules()]
    assert len(set(names)) == len(names) > 0
    for rule in _alert_rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_the_alerts_fire_when_they_should() -> None:
    subprocess.run(["promtool", "check", "rules", ALERTS], check=True)
    cases = ROOT / "tests" / "deploy" / "alerts_test.yaml"
    subprocess.run(["promtool", "test", "rules", cases], check=True)


def test_every_alert_has_a_case() -> None:
    text = (ROOT / "tests" / "deploy" / "alerts_test.yaml").read_text("utf-8")
    for rule in _alert_rules():
        # Once where it is quiet, once where it fires.
        assert text.count(rule["alert"]) >= 2


def test_the_dashboard_is_laid_out_and_reads_the_chosen_prometheus() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["description"]
            assert panel["targets"]
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]+)", json.dumps(panels))) == names


def test_compose_mounts_what_exists_and_opens_the_loopback_address_alone() -> None:
    services = COMPOSE["services"]
    for name, one in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", one["image"]), one["image"]
        for port in one["ports"]:
            assert port.startswith("127.0.0.1:")
        for volume in one.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (DEPLOY / source).exists()
                assert rest.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]
        for needed in one.get("depends_on", ()):
            assert needed in services, name
    server = services["latentserve"]
    assert (DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]).exists()
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]


def test_prometheus_and_grafana_find_their_files_and_each_other() -> None:
    services = COMPOSE["services"]
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    for rules in prometheus["rule_files"]:
        assert (DEPLOY / "prometheus" / Path(rules).name).exists()
    (scraped,) = prometheus["scrape_configs"]
    assert scraped["job_name"] == "latentserve"
    (target,) = scraped["static_configs"][0]["targets"]
    assert target.partition(":")[0] in services
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert re.fullmatch(r"http://prometheus:\d+", source["url"])
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "latentserve.yaml").read_text())[
        "providers"
    ]
    mounted = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    assert any(path.startswith(f"{provider['options']['path']}/") for path in mounted)
