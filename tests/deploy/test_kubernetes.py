"""The manifests fit Kubernetes' schemas, the restricted pod standard, and the server itself.

Kubernetes' own kinds are checked against its JSON schemas, strictly. Operators' kinds have no
schemas in a package: of those, what we lean on is checked field by field.
"""

from __future__ import annotations

import argparse
import copy
import re
import shlex
from importlib import import_module
from typing import Any

import kubernetes_validate
import pytest

from cli import serve
from cli.main import COMMANDS
from service.access import OPEN_PATHS
from service.routes import ROUTES
from service.settings import PREFIX, Settings
from tests.support.manifests import (
    ENTRIES,
    K8S,
    Object,
    kustomizations,
    pods,
    raw_objects,
    render,
    the,
)

OPERATORS = {
    "ScaledObject": "keda.sh/v1alpha1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "ServingRuntime": "serving.kserve.io/v1alpha1",
    "InferenceService": "serving.kserve.io/v1beta1",
    "RayJob": "ray.io/v1",
}
OLDEST, NEWEST = "1.30", "1.37"
"""The first with `sleep` in `preStop` by default, and the newest that the schemas describe."""
OBJECTS = raw_objects()
NATIVE = [thing for thing in OBJECTS if thing["kind"] not in OPERATORS]


def _name(thing: Object) -> str:
    return f"{thing['kind']}-{thing['metadata']['name']}"


def _servers() -> list[Object]:
    """The pods that serve."""
    return [pod for kind in ("Deployment", "ServingRuntime") for pod in pods(the(kind))]


def _settings(container: Object) -> dict[str, str]:
    """The environment of a container, of which the base's generated settings are a part."""
    values = {entry["name"]: entry["value"] for entry in container.get("env", ())}
    if "envFrom" in container:
        (generated,) = kustomizations()[K8S / "base"]["configMapGenerator"]
        values |= dict(line.split("=", 1) for line in generated["literals"])
    return values


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("thing", NATIVE, ids=_name)
def test_kubernetes_knows_every_field(thing: Object, version: str) -> None:
    kubernetes_validate.validate(thing, version, strict=True)


@pytest.mark.parametrize("entry", ENTRIES)
def test_kubernetes_knows_every_field_of_what_is_rendered(entry: str) -> None:
    for thing in render(entry):
        if thing["kind"] in OPERATORS:
            assert thing["apiVersion"] == OPERATORS[thing["kind"]]
        else:
            kubernetes_validate.validate(thing, NEWEST, strict=True)


def test_pods_of_operators_kinds_are_pods_that_kubernetes_knows() -> None:
    checked = 0
    for thing in OBJECTS:
        for spec in pods(thing) if thing["kind"] in OPERATORS else ():
            # A serving runtime has fields of its own beside those of a pod.
            plain = {k: v for k, v in spec.items() if k in {"containers", "volumes"}}
            whole = spec if thing["kind"] == "RayJob" else plain
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": whole}
            kubernetes_validate.validate(pod, NEWEST, strict=True)
            checked += 1
    assert checked == 3


def test_a_field_that_does_not_exist_is_found() -> None:
    wrong = copy.deepcopy(the("Deployment"))
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


@pytest.mark.parametrize("thing", [t for t in OBJECTS if any(pods(t))], ids=_name)
def test_pods_keep_to_the_restricted_standard(thing: Object) -> None:
    for pod in pods(thing):
        for container in pod["containers"]:
            security = {**pod.get("securityContext", {}), **container["securityContext"]}
            assert security["runAsNonRoot"] is True
            assert security["runAsUser"] > 0
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            assert mounts.keys() == volumes.keys()
            assert "sizeLimit" in volumes["tmp"]["emptyDir"]


def test_no_pod_has_rights_in_the_cluster() -> None:
    assert the("ServiceAccount")["automountServiceAccountToken"] is False
    for spec in (
        *pods(the("Deployment")),
        *pods(the("RayJob")),
        the("InferenceService")["spec"]["predictor"],
    ):
        assert spec["automountServiceAccountToken"] is False


def test_every_setting_exists_and_all_together_are_valid() -> None:
    for pod in _servers():
        for container in pod["containers"]:
            given = {
                key.removeprefix(PREFIX).lower(): value
                for key, value in _settings(container).items()
            }
            assert given.keys() <= Settings.model_fields.keys()
            settings = Settings(**given)  # type: ignore[arg-type]  # text, as from an environment
            assert not settings.host.startswith("127.")
            (mount,) = [m for m in container["volumeMounts"] if m["name"] == "keys"]
            assert str(settings.api_keys_file.parent) == mount["mountPath"]
            ports = {port["containerPort"] for port in container["ports"]}
            assert ports <= {settings.port, settings.grpc_port}


def test_no_service_can_set_a_setting() -> None:
    (pod,) = pods(the("Deployment"))
    assert pod["enableServiceLinks"] is False
    # KServe decides on the links itself: what is named in `env` wins over them.
    (pod,) = pods(the("ServingRuntime"))
    named = {entry["name"] for entry in pod["containers"][0]["env"]}
    assert {"LATENTSERVE_PORT", "LATENTSERVE_HOST", "LATENTSERVE_GRPC_PORT"} <= named


def test_probes_ask_routes_that_need_no_key() -> None:
    for pod in _servers():
        for container in pod["containers"]:
            names = {port.get("name"): port["containerPort"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container[probe]["httpGet"]
                assert asked["path"] in OPEN_PATHS
                assert (
                    asked["path"]
                    .rsplit("/", 1)[1]
                    .startswith("live" if probe == "livenessProbe" else "ready")
                )
                assert asked["port"] in {*names, *names.values()}


def test_a_start_may_take_as_long_as_the_command_waits_for_it() -> None:
    for pod in _servers():
        probe = pod["containers"][0]["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= serve.START_TIMEOUT_S


def test_a_pod_gets_the_time_that_its_shutdown_may_take() -> None:
    (pod,) = pods(the("Deployment"))
    (container,) = pod["containers"]
    sleep_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = int(_settings(container)["LATENTSERVE_SHUTDOWN_TIMEOUT_S"]) + serve._LAST_RESORT_S
    readiness = container["readinessProbe"]
    assert sleep_s > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] > sleep_s + drain_s
    predictor = the("InferenceService")["spec"]["predictor"]
    assert predictor["terminationGracePeriodSeconds"] > drain_s


def test_selectors_choose_the_pods_and_ports_exist() -> None:
    deployment = the("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (pod,) = pods(deployment)
    ports = {port["name"] for port in pod["containers"][0]["ports"]}
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    services = [thing for thing in OBJECTS if thing["kind"] == "Service"]
    for service in services:
        assert service["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    assert [s["metadata"]["name"] for s in services if s["spec"].get("clusterIP") == "None"] == [
        "latentserve-grpc"
    ]
    budget, network = the("PodDisruptionBudget"), the("NetworkPolicy")
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert network["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert {p["port"] for rule in network["spec"]["ingress"] for p in rule["ports"]} == ports
    assert network["spec"]["egress"] == []


def test_what_is_for_the_deployment_leaves_other_pods_alone() -> None:
    """KServe gives its service's labels to the pods; a RayJob's templates have their own."""
    chosen = the("Deployment")["spec"]["selector"]["matchLabels"].items()
    others = [the("InferenceService")["metadata"]["labels"]]
    cluster = the("RayJob")["spec"]["rayClusterSpec"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    others += [group["template"]["metadata"]["labels"] for group in groups]
    assert len(others) == 3
    for labels in others:
        assert not chosen <= labels.items()


def test_prometheus_scrapes_each_pod_once_with_a_key() -> None:
    monitor = the("ServiceMonitor")["spec"]
    (endpoint,) = monitor["endpoints"]
    chosen = [
        thing
        for thing in OBJECTS
        if thing["kind"] == "Service"
        and monitor["selector"]["matchLabels"].items() <= thing["metadata"]["labels"].items()
    ]
    assert len(chosen) == 1
    assert endpoint["port"] in {port["name"] for port in chosen[0]["spec"]["ports"]}
    assert endpoint["path"] in {route.path for route in ROUTES}
    assert endpoint["authorization"]["credentials"].keys() == {"name", "key"}


def test_the_autoscaler_owns_the_number_of_pods() -> None:
    scaled = the("ScaledObject")["spec"]
    assert scaled["scaleTargetRef"]["name"] == the("Deployment")["metadata"]["name"]
    assert "replicas" not in the("Deployment")["spec"]
    assert 0 < scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    for trigger in scaled["triggers"]:
        assert trigger["type"] == "prometheus"
        assert float(trigger["metadata"]["threshold"]) > 0
    (pod,) = pods(the("Deployment"))
    threads = int(pod["containers"][0]["resources"]["limits"]["cpu"])
    busy = next(t for t in scaled["triggers"] if t["name"] == "busy-threads")
    assert 0.5 * threads <= float(busy["metadata"]["threshold"]) < threads


def test_kserve_finds_a_runtime_for_the_model() -> None:
    model = the("InferenceService")["spec"]["predictor"]["model"]
    runtime = the("ServingRuntime", model["runtime"])["spec"]
    assert model["modelFormat"] in runtime["supportedModelFormats"]
    assert model["protocolVersion"] in runtime["protocolVersions"]
    (container,) = runtime["containers"]
    # KServe's own names: it finds the container by this one, and puts the model at this path.
    assert container["name"] == "kserve-container"
    assert _settings(container)["LATENTSERVE_BUNDLE"] == "/mnt/models"


def test_a_ray_job_runs_a_command_that_exists_on_data_that_is_mounted() -> None:
    spec = the("RayJob")["spec"]
    program, name, *words = shlex.split(spec["entrypoint"])
    assert (program, name) == ("latentserve", "batch")
    # `auto` is the cluster that the job runs in; alone, `--ray` would start another.
    assert words[-2:] == ["--ray", "auto"]
    parser = _parser(name)
    parser.parse_args(words)
    head, worker = pods(spec)
    for pod in (head, worker):
        mounted = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        paths = [word for word in words if word.startswith("/data/")]
        assert len(paths) == 2
        assert all(any(path.startswith(f"{at}/") for at in mounted) for path in paths)
    assert head["containers"][0]["image"] == worker["containers"][0]["image"]
    named = re.findall(r"ray\[default\]==([\d.]+)", (K8S / "batch" / "ray-job.yaml").read_text())
    assert named == [spec["rayClusterSpec"]["rayVersion"]]


def _parser(name: str) -> Any:
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(COMMANDS[name][0]).add_arguments(parser)
    return parser
