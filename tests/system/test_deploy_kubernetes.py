"""The Kubernetes files as they are applied: rendered, and held to what the documentation promises of them."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from testwright.auth.deployment import Deployment, users
from testwright.auth.store import init
from testwright.bus.nack import resources
from testwright.bus.nats import export
from testwright.bus.topology import declare
from testwright.cli.topology import declared
from testwright.engines import registry
from testwright.settings import tool_path

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
ROLES = {"submitter", "collector", "workflow", "verifier", "generator", "gateway"}
WORKERS = {"workflow", "verifier", "generator"}
OVERLAYS = ("small", "production")

Document = dict[str, Any]


def _only(**properties: Document) -> Document:
    return {"type": "object", "properties": properties, "additionalProperties": False, "required": [*properties]}


_WHOLE = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_POLICIES = _only(
    stabilizationWindowSeconds=_WHOLE,
    policies={"items": _only(type={"enum": ["Percent", "Pods"]}, value=_WHOLE, periodSeconds=_WHOLE)},
)
SCALED = _only(
    scaleTargetRef=_only(name=_TEXT),
    minReplicaCount=_WHOLE,
    maxReplicaCount=_WHOLE,
    pollingInterval=_WHOLE,
    cooldownPeriod=_WHOLE,
    fallback=_only(failureThreshold=_WHOLE, replicas=_WHOLE, behavior={"enum": ["static", "currentReplicasIfHigher"]}),
    advanced=_only(
        scalingModifiers=_only(formula=_TEXT, target=_TEXT, metricType={"enum": ["AverageValue", "Value"]}),
        horizontalPodAutoscalerConfig=_only(behavior=_only(scaleUp=_POLICIES, scaleDown=_POLICIES)),
    ),
    triggers={
        "items": _only(
            type={"const": "nats-jetstream"},
            name=_TEXT,
            # Everything here is text for KEDA, numbers included.
            metadata=_only(
                natsServerMonitoringEndpoint=_TEXT, account=_TEXT, stream=_TEXT, consumer=_TEXT, lagThreshold=_TEXT
            ),
        )
    },
)
"""What we use of a ScaledObject of KEDA 2.17."""


@cache
def rendered(overlay: str) -> tuple[Document, ...]:
    """Return the objects of an overlay, as kubectl would send them."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl to render with")
    command = [kubectl, "kustomize", str(FOLDER / "overlays" / overlay)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(yaml.safe_load_all(text))


def of_kind(overlay: str, *kinds: str) -> dict[str, Document]:
    """Return objects of some kinds, by name."""
    return {each["metadata"]["name"]: each for each in rendered(overlay) if each["kind"] in kinds}


def pods(overlay: str) -> dict[str, Document]:
    """Return the pods' descriptions, by the name of what makes them."""
    found = of_kind(overlay, "Deployment", "Job")
    return {name: each["spec"]["template"] for name, each in found.items()}


def containers(overlay: str) -> Iterator[tuple[str, Document]]:
    """Yield every container with the name of what makes it, those that come first included."""
    for name, pod in pods(overlay).items():
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield name, container


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_role_is_there_and_the_topology_is_made(overlay: str) -> None:
    assert set(pods(overlay)) == ROLES | {"topology"}
    assert {each["metadata"].get("namespace", "testwright") for each in rendered(overlay)} == {"testwright"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_may_more_than_the_restricted_standard_lets_it(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"], name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, container in containers(overlay):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert set(container["resources"]) == {"requests", "limits"}, name
        assert container["image"].startswith("registry.example.org/testwright"), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_role_has_credentials_of_its_own_as_a_file(overlay: str) -> None:
    mounted = {
        name: [each["secret"]["secretName"] for each in pod["spec"]["volumes"] if "secret" in each]
        for name, pod in pods(overlay).items()
    }

    assert mounted == {"topology": ["credentials-admin"], **{role: [f"credentials-{role}"] for role in ROLES}}


def test_a_secret_for_each_role_has_what_its_pod_reads(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl to print them with")
    init(tmp_path / "made", Deployment(form="nkeys", engines=("echo",), users=users((), ())))
    (tmp_path / "tokens").write_text("token", "utf-8")

    command = [str(FOLDER / "secrets.sh"), str(tmp_path / "made"), str(tmp_path / "tokens")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    made = {each["metadata"]["name"]: each["data"] for each in yaml.safe_load_all(text)}
    wanted = {"credentials-admin", *(f"credentials-{role}" for role in ROLES)}
    assert set(made) == wanted
    for name, data in made.items():
        also = {"credentials-collector": {"reclaim"}, "credentials-gateway": {"tokens"}}.get(name, set())
        assert set(data) == {"credentials"} | also
        whose = b64decode(data["credentials"]).decode().splitlines()[0]
        assert whose == f"# testwright credentials of {name.removeprefix('credentials-')}"
    for name, pod in pods("small").items():
        secret = "credentials-admin" if name == "topology" else f"credentials-{name}"
        assert {file for file in read_by(pod) if file not in made[secret]} == set(), name


def read_by(pod: Document) -> set[str]:
    """Return the files of its Secret that a pod's settings name."""
    settings = of_kind("small", "ConfigMap")["settings"]["data"]
    own = {each["name"]: each["value"] for each in pod["spec"]["containers"][0].get("env", ())}
    return set(re.findall(r"/run/secrets/testwright/(\w+)", " ".join({**settings, **own}.values())))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_asks_each_actor_whether_it_lives_and_is_ready(overlay: str) -> None:
    assert of_kind(overlay, "ConfigMap")["settings"]["data"]["TESTWRIGHT_HEALTH"] == "0.0.0.0:9090"
    for name, pod in pods(overlay).items():
        actor = pod["spec"]["containers"][0]
        asked = {
            kind: actor[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness") if f"{kind}Probe" in actor
        }
        paths = {"liveness": "/livez", "readiness": "/readyz"} if name in ROLES else {}
        assert asked == {kind: {"path": path, "port": "health"} for kind, path in paths.items()}, name
        ports = {each["name"]: each["containerPort"] for each in actor.get("ports", ())}
        assert name not in ROLES or ports["health"] == 9090


def test_figures_are_for_prometheus_alone() -> None:
    reaching = {
        (name, str(rule["from"]))
        for name, policy in of_kind("small", "NetworkPolicy").items()
        for rule in policy["spec"].get("ingress", ())
        if {"port": 9090} in rule["ports"]
    }

    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert reaching == {("metrics", str([monitoring]))}


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_rendered_is_what_kubernetes_knows(overlay: str, tmp_path: Path) -> None:
    uvx = shutil.which("uvx", path=tool_path())
    assert uvx is not None
    ours = [each for each in rendered(overlay) if "." not in each["apiVersion"].partition("/")[0] or _known(each)]
    (tmp_path / "rendered.yaml").write_text(yaml.safe_dump_all(ours), "utf-8")

    command = [uvx, "kubernetes-validate@1.35.0", "--strict", "-k", "1.35", str(tmp_path / "rendered.yaml")]
    found = subprocess.run(command, check=False, capture_output=True, text=True)

    assert found.returncode == 0, found.stdout + found.stderr
    assert (found.stdout + found.stderr).count("passed") == len(ours) > 15


def _known(document: Document) -> bool:
    """Return whether Kubernetes itself has this kind, and not somebody's definition."""
    return str(document["apiVersion"]).partition("/")[0].endswith("k8s.io")


def test_a_selector_finds_the_pods_of_its_own_deployment() -> None:
    for name, deployment in of_kind("small", "Deployment").items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items(), name
    for name, budget in of_kind("small", "PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_is_killed_only_after_its_grace(overlay: str) -> None:
    units = {"s": 1, "m": 60}
    for name in WORKERS:
        pod = pods(overlay)[name]["spec"]
        grace = pod["containers"][0]["args"][-1]
        assert pod["terminationGracePeriodSeconds"] > int(grace[:-1]) * units[grace[-1]], name


def test_only_workers_reach_beyond_the_server() -> None:
    reaching = {
        name for name, pod in pods("small").items() if pod["metadata"]["labels"].get("testwright/egress") == "index"
    }
    policies = of_kind("small", "NetworkPolicy")

    assert reaching == WORKERS
    assert policies["deny-all"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["index"]["spec"]["podSelector"] == {"matchLabels": {"testwright/egress": "index"}}
    assert all(
        each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "testwright" for each in pods("small").values()
    )


def test_bubblewrap_gets_what_it_needs_where_it_is_demanded() -> None:
    for name, container in containers("production"):
        strong = name in WORKERS and container["name"] == "actor"
        assert (container["securityContext"].get("procMount") == "Unmasked") is strong, name
    assert of_kind("production", "ConfigMap")["settings"]["data"]["TESTWRIGHT_SANDBOX"] == "required"
    assert all(pods("production")[name]["spec"]["hostUsers"] is False for name in WORKERS)


def test_generators_are_scaled_by_consumers_that_the_topology_has() -> None:
    scaled = of_kind("production", "ScaledObject")["generator"]["spec"]
    triggers = {each["name"]: each["metadata"]["consumer"] for each in scaled["triggers"]}
    known = {each.name for each in declare(registry.names()).consumers}

    assert set(triggers.values()) <= known
    assert set(scaled["advanced"]["scalingModifiers"]["formula"].split(" + ")) == set(triggers)
    assert "replicas" not in of_kind("production", "Deployment")["generator"]["spec"]


def test_scaling_says_nothing_that_keda_does_not_know() -> None:
    jsonschema.validate(of_kind("production", "ScaledObject")["generator"]["spec"], SCALED)


def test_resources_for_nack_are_those_that_are_exported() -> None:
    kept = json.loads((FOLDER / "components" / "nack" / "topology.json").read_text("utf-8"))

    assert kept == resources(export(declared(None, 3))), (
        "run: testwright topology export --format nack --replicas 3 > deploy/kubernetes/components/nack/topology.json"
    )


def test_with_nack_there_is_no_job_beside_it(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl to render with")
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes" / "overlays" / "small" / "kustomization.yaml"
    document = yaml.safe_load(overlay.read_text("utf-8"))
    del document["patches"][1]
    overlay.write_text(yaml.safe_dump({**document, "components": ["../../components/nack"]}), "utf-8")

    text = subprocess.run(["kubectl", "kustomize", str(overlay.parent)], check=True, capture_output=True, text=True)

    kinds = [each["kind"] for each in yaml.safe_load_all(text.stdout)]
    assert (kinds.count("Stream"), kinds.count("Job")) == (7, 0)


def test_the_operator_of_prometheus_finds_the_port_that_actors_have() -> None:
    monitor = yaml.safe_load((FOLDER / "components" / "prometheus" / "pods.yaml").read_text("utf-8"))["spec"]
    selected = monitor["selector"]["matchLabels"].items()

    assert [each["port"] for each in monitor["podMetricsEndpoints"]] == ["health"]
    assert all(selected <= pod["metadata"]["labels"].items() for pod in pods("small").values())


def test_the_values_for_the_servers_chart_are_those_of_our_own_configuration() -> None:
    values = yaml.safe_load((FOLDER / "nats-values.yaml").read_text("utf-8"))

    assert values["config"]["jetstream"]["merge"]["sync_interval"] == "always"
    assert values["config"]["jetstream"]["merge"]["limits"]["default_max_consumers"] == -1
    assert values["config"]["cluster"]["replicas"] == 3
