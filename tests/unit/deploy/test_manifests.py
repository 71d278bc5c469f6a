"""The manifests say what the processes understand: real settings, ports that match, names that are believed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.k8s import check
from edge import secret_files
from mesh.server import LIVENESS
from mesh.settings import environment_names
from tests.unit.deploy import manifests

Built = Callable[[str], Sequence[dict[str, Any]]]
PROCESSES = tuple(manifests.SETTINGS)
OVERLAYS = [path.name for path in check.overlays()]
COMPONENTS = [path.name for path in check.components()]
MODELS = check.HERE.parents[1] / ".tools/models"
# Kubernetes' own, for OTEL_RESOURCE_ATTRIBUTES.
NOT_SETTINGS = {"POD_NAME"}


def load(environment: dict[str, str], process: str, directory: Path, patch: pytest.MonkeyPatch) -> Any:
    """Read a process's settings as its container would, each mounted secret holding something that could be one."""
    key = f"reader:{'0' * 64}:transactions-read"
    secrets = {"hmac_secret_key": "s" * 40, "edge_api_keys": key, "monitoring_api_key": "m" * 40, "body_keys": ""}
    secrets["sources.toml"] = (check.HERE / "components/sources/sources.toml").read_text()
    for name in (*environment_names(manifests.SETTINGS[process]), *environment):
        patch.delenv(name, raising=False)
    for name, value in environment.items():
        if name.endswith("_FILE"):
            path = directory / Path(value).name
            path.write_text(secrets.get(path.name, "mongodb://db.example/autopay"))
            patch.setenv(name, str(path))
        else:
            patch.setenv(name, value)
    return manifests.SETTINGS[process].load()


def test_every_build_is_taken_by_two_kubernetes_versions(built: Built) -> None:
    """kubernetes-validate, strictly, finds nothing in any overlay or component."""
    names = [f"overlays/{name}" for name in OVERLAYS] + [f"components/{name}" for name in COMPONENTS]
    assert [line for name in names for line in check.problems(built(name))] == []


def test_an_unknown_field_is_a_problem(built: Built) -> None:
    """The check can fail: a field that Kubernetes doesn't know is named for each version."""
    service = dict(manifests.one(built("overlays/local"), "Service", "edge"))
    service["spec"] = {**service["spec"], "selectors": {}}
    assert len(list(check.problems([service]))) == len(check.MINORS)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("process", PROCESSES)
def test_every_variable_is_a_setting(built: Built, overlay: str, process: str) -> None:
    """A setting that is renamed in the code or mistyped in a manifest is noticed."""
    known = set(environment_names(manifests.SETTINGS[process]))
    variables = set(manifests.environment_of(built(f"overlays/{overlay}"), process)) - NOT_SETTINGS
    unknown = {name for name in variables if name.removesuffix("_FILE") not in known and not name.startswith("OTEL_")}
    assert unknown == set()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_setting_is_set_or_spoken_of(built: Built, process: str) -> None:
    """A setting is in the manifests, or the base's README says why it is not; a new one shows here what to decide."""
    spoken_of = set(re.findall(r"`([A-Z_]+)`", (check.HERE / "base/README.md").read_text()))
    variables = {name.removesuffix("_FILE") for name in manifests.environment_of(built("overlays/production"), process)}
    assert set(environment_names(manifests.SETTINGS[process])) - variables - spoken_of == set()


def test_the_readme_of_the_base_names_settings_only() -> None:
    """What it explains is there to be set."""
    known = {name for settings in manifests.SETTINGS.values() for name in environment_names(settings)}
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", (check.HERE / "base/README.md").read_text()))
    assert named - known - {"AUTOPAY_ENV"} == set()


def test_the_readme_names_every_secret(built: Built) -> None:
    """Whoever fills the secret store finds each Secret that production mounts, with every key that a process reads."""
    text = (check.HERE / "README.md").read_text()
    for process in PROCESSES:
        for volume in manifests.pod_of(built("overlays/production"), process).get("volumes", []):
            name = volume.get("secret", {}).get("secretName", "certificates come from cert-manager-tls")
            assert name.endswith("-tls") or f"| `{name}` |" in text, name
        for name, value in manifests.environment_of(built("overlays/production"), process).items():
            if value.startswith("/run/secrets/autopay/"):
                assert f"`{Path(value).name}`" in text, name


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("process", PROCESSES)
def test_every_overlay_starts(
    built: Built, overlay: str, process: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings an overlay gives are accepted, and production's are production."""
    settings = load(manifests.environment_of(built(f"overlays/{overlay}"), process), process, tmp_path, monkeypatch)
    assert settings.production == (overlay == "production")


@pytest.mark.parametrize("process", PROCESSES)
def test_the_base_alone_is_refused(built: Built, process: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without certificates the processes don't start beyond loopback, so forgetting the component is noticed."""
    environment = manifests.environment_of(built("components/disruption-budgets"), process)
    with pytest.raises(ValueError, match="TLS_CERT"):
        load(environment, process, tmp_path, monkeypatch)


@pytest.mark.parametrize("process", PROCESSES)
def test_ports_are_those_of_the_settings(built: Built, process: str) -> None:
    """What a process binds is what its container, its Service and its probes name."""
    resources = built("overlays/production")
    environment, ports = manifests.environment_of(resources, process), manifests.ports_of(resources, process)
    bound = {int(value.rpartition(":")[2]) for name, value in environment.items() if name.endswith("_BIND")}
    assert set(ports.values()) == bound
    (served,) = manifests.one(resources, "Service", process)["spec"]["ports"]
    assert ports[served["targetPort"]] == served["port"]
    container = manifests.container_of(resources, process)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe].get("grpc") or container[probe]["httpGet"]
        assert asked["port"] in (ports.get("health"), "admin")


def test_targets_are_services(built: Built) -> None:
    """Every target names a headless Service of ours and its port, through DNS so that each replica is seen."""
    resources = built("overlays/production")
    for process in PROCESSES:
        for name, value in manifests.environment_of(resources, process).items():
            if name.endswith("_TARGET"):
                target = re.fullmatch(r"dns:///([a-z]+):(\d+)", value)
                assert target is not None, value
                service = manifests.one(resources, "Service", target[1])["spec"]
                assert service["clusterIP"] == "None"
                assert service["ports"][0]["port"] == int(target[2])


@pytest.mark.parametrize("process", ["ingest", "ledger", "insight"])
def test_probes_tell_alive_from_ready(built: Built, process: str) -> None:
    """Liveness asks for the health that is true while the process answers, readiness for the whole server's."""
    container = manifests.container_of(built("overlays/production"), process)
    assert container["livenessProbe"]["grpc"]["service"] == LIVENESS
    assert container["startupProbe"]["grpc"]["service"] == LIVENESS
    assert "service" not in container["readinessProbe"]["grpc"]


@pytest.mark.parametrize("process", PROCESSES)
def test_the_drain_fits_into_the_grace_period(built: Built, process: str) -> None:
    """Kubernetes kills only after the pause, the notice and the grace have passed."""
    resources = built("overlays/production")
    environment = manifests.environment_of(resources, process)
    pause_s = manifests.container_of(resources, process)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = float(environment["AUTOPAY_DRAIN_NOTICE_S"]) + float(environment["AUTOPAY_DRAIN_GRACE_S"])
    assert pause_s >= 5
    assert manifests.pod_of(resources, process)["terminationGracePeriodSeconds"] > pause_s + drain_s


@pytest.mark.parametrize("process", PROCESSES)
def test_certificates_name_their_process(built: Built, process: str) -> None:
    """The one URI is the process's service account in this namespace, and the DNS names hold what others call it."""
    resources = built("overlays/production")
    certificate = manifests.one(resources, "Certificate", process)["spec"]
    namespace = manifests.one(resources, "Deployment", process)["metadata"]["namespace"]
    account = manifests.pod_of(resources, process)["serviceAccountName"]
    assert certificate["uris"] == [f"spiffe://cluster.local/ns/{namespace}/sa/{account}"]
    assert process in certificate["dnsNames"]
    volumes = {each["name"]: each for each in manifests.pod_of(resources, process)["volumes"]}
    assert volumes["certificates"]["secret"]["secretName"] == certificate["secretName"]


@pytest.mark.parametrize("process", PROCESSES)
def test_pods_are_restricted(built: Built, process: str) -> None:
    """What the restricted pod security standard demands, a read-only root, and no token."""
    pod = manifests.pod_of(built("overlays/production"), process)
    container = manifests.container_of(built("overlays/production"), process)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_changed_setting_rolls_the_pods(built: Built) -> None:
    """The names of ConfigMaps carry the hash of their content, and the overlays' differ where their content does."""
    names = {
        overlay: manifests.container_of(built(f"overlays/{overlay}"), "edge")["envFrom"][0]["configMapRef"]["name"]
        for overlay in OVERLAYS
    }
    assert all(re.fullmatch(r"mesh-settings-[a-z0-9]{10}", name) for name in names.values())
    assert len(set(names.values())) == len(OVERLAYS)


def test_the_edge_reads_mounted_sources_and_secrets(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The component mounts what its settings point to, and a Secret as the kubelet writes it is a source's secret."""
    resources = built("components/sources")
    environment = manifests.environment_of(resources, "edge")
    mounts = {each["mountPath"]: each["name"] for each in manifests.container_of(resources, "edge")["volumeMounts"]}
    directory = Path(environment["EDGE_SECRETS_DIR"])
    assert str(Path(environment["AUTOPAY_SOURCES_FILE"]).parent) in mounts
    assert manifests.environment_of(resources, "ingest")["AUTOPAY_SOURCES_FILE"] == environment["AUTOPAY_SOURCES_FILE"]
    volumes = {each["name"]: each for each in manifests.pod_of(resources, "edge")["volumes"]}
    [source] = [path for path in mounts if path.startswith(f"{directory}/")]
    assert volumes[mounts[source]]["secret"]["secretName"] == f"source-{Path(source).name}"
    mounted = tmp_path / "secrets" / Path(source).name
    (mounted / "..2026").mkdir(parents=True)
    (mounted / "..2026/2026-12").write_text("s" * 40)
    (mounted / "..data").symlink_to("..2026")
    (mounted / "2026-12").symlink_to("..data/2026-12")
    changed = {**manifests.environment_of(built("overlays/production"), "edge")}
    changed["EDGE_SECRETS_DIR"] = str(mounted.parent)
    settings = load(changed, "edge", tmp_path, monkeypatch)
    assert [secret.key_id for secret in secret_files.read(settings.secrets_dir)["autopay"]] == ["2026-12"]


def test_production_is_not_deployed_with_placeholders(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is in the repository nothing is printed to apply, and every value to fill in is named."""
    assert check.main(["--deploy", "production"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    for value in ("webhooks.example.com", "your-gateway-class", "your-cluster-issuer", "192.0.2.0/24", "otlp.example"):
        assert value in said.err
    assert said.err.count(f"@sha256:{'0' * 64}") == len(PROCESSES)


def test_production_is_deployed_once_its_page_is_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """installation.yaml and the images are all there is to fill in; a new name rolls the pods that read it."""
    shutil.copytree(check.HERE.parent, tmp_path / "deploy")
    overlay = tmp_path / "deploy/k8s/overlays/production"
    hosts = iter(("pay.acme.test", "pay.acme.test", "gateway.acme.test"))
    names = []
    for host in hosts:
        for path in (overlay / "installation.yaml", overlay / "kustomization.yaml"):
            text = path.read_text().replace("192.0.2.", "10.1.2.").replace("0" * 64, "a" * 64)
            path.write_text(re.sub(r"[a-z.-]+\.(example\.com|acme\.test)", host, text))
        monkeypatch.setattr(check, "HERE", tmp_path / "deploy/k8s")
        assert check.main(["--deploy", "production"]) == 0
        resources = list(yaml.safe_load_all(capsys.readouterr().out))
        assert manifests.environment_of(resources, "edge")["EDGE_PUBLIC_URL"] == f"https://{host}"
        assert manifests.one(resources, "HTTPRoute", "edge")["spec"]["hostnames"] == [host]
        assert not [each for each in resources if each["metadata"]["name"] == "installation"]
        names.append(manifests.container_of(resources, "edge")["envFrom"][1]["configMapRef"]["name"])
    assert names[0] == names[1] != names[2]


def test_a_wrong_field_of_linkerds_is_a_problem(built: Built) -> None:
    """Its kinds have schemas, too, and a kind without one does not pass."""
    servers = [each for each in built("components/linkerd") if each["apiVersion"].startswith("policy.linkerd.io/")]
    assert list(check.problems(servers)) == []
    server = dict(manifests.one(servers, "Server", "ledger"))
    wrong = {**server, "spec": {**server["spec"], "proxyProtocol": "opaqe", "selector": {}}}
    assert len(list(check.problems([wrong, {**server, "kind": "ServerAuthorization"}]))) == 3


@pytest.mark.skipif(not (MODELS / "node_modules").exists(), reason="`make manifests` has installed no models")
def test_a_wrong_field_of_others_is_a_problem(built: Built, tmp_path: Path) -> None:
    """A field that no such kind has, and a value that its pattern refuses, are named; what we have is right."""
    route = manifests.one(built("overlays/production"), "HTTPRoute", "edge")
    rule = {**route["spec"]["rules"][0], "timeouts": {"request": "15 seconds"}, "retries": 3}
    wrong = {**route, "spec": {**route["spec"], "rules": [rule]}}
    for number, (resource, problems) in enumerate(((route, 0), (wrong, 2))):
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump(resource))
        command = ["node", str(check.HERE / "foreign.mjs"), str(MODELS), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr.count("HTTPRoute/edge") == problems, done.stderr
        assert done.returncode == (1 if problems else 0)


def test_production_takes_images_by_digest(built: Built) -> None:
    """No tag can move under production."""
    images = [manifests.container_of(built("overlays/production"), each)["image"] for each in PROCESSES]
    assert all("@sha256:" in image for image in images)


def test_everything_is_denied_first_and_each_process_is_allowed_in_a_file_of_its_own(built: Built) -> None:
    """Nobody but the edge and ingest reaches a service that the allow-lists don't let them call."""
    resources = built("overlays/production")
    deny = manifests.one(resources, "NetworkPolicy", "deny-all")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    callers = {}
    for process in ("ingest", "ledger", "insight"):
        assert (check.HERE / f"components/network-policies/allow-{process}.yaml").exists()
        rules = manifests.one(resources, "NetworkPolicy", f"allow-{process}")["spec"]["ingress"]
        callers[process] = {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
            for rule in rules
            for peer in rule["from"]
            if "podSelector" in peer
        }
    assert callers == {
        "ingest": {"edge"},
        "ledger": {"edge", "ingest", "insight"},
        "insight": {"edge", "ingest"},
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_explains_itself(component: str) -> None:
    """Each has a README that says what it is and what it needs."""
    text = (check.HERE / "components" / component / "README.md").read_text()
    assert text.startswith(f"# {component}\n")
    assert "\n## Needs\n" in text
