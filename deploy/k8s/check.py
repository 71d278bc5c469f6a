"""Builds every overlay and every component with kustomize and holds what comes out against Kubernetes' own schemas.

python deploy/k8s/check.py [--output DIRECTORY]
python deploy/k8s/check.py --deploy OVERLAY | kubectl apply -f -    # refused while a placeholder is left in it
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml

HERE: Final = Path(__file__).resolve().parent
# The oldest we promise to run on, and the newest.
MINORS: Final = ("1.34", "1.37")
# What other projects define has no schema here; only these groups may lack one. foreign.mjs looks at them.
_FOREIGN_GROUPS: Final = (
    "cert-manager.io/",
    "gateway.networking.k8s.io/",
    "monitoring.coreos.com/",
    "security.istio.io/",
)
_LINKERD: Final = "policy.linkerd.io/"
# Components that only make sense on top of another.
_NEEDS: Final[Mapping[str, Sequence[str]]] = {"mongodb": ("mtls",), "paypal": ("network-policies",)}
# Names and addresses that are reserved for documents, and a digest of nothing: somebody has to put theirs there.
_PLACEHOLDER: Final = re.compile(r"\bexample\.(com|org|net)\b|\b192\.0\.2\.|sha256:0{64}")

Resource = dict[str, Any]


def overlays() -> list[Path]:
    """Return the directories of the overlays."""
    return sorted(path.parent for path in HERE.glob("overlays/*/kustomization.yaml"))


def components() -> list[Path]:
    """Return the directories of the components."""
    return sorted(path.parent for path in HERE.glob("components/*/kustomization.yaml"))


def build(directory: Path) -> str:
    """Return what kustomize makes of an overlay, or of the base with one component.

    Raises:
        ValueError: it makes nothing of it; the message is kustomize's.
    """
    if directory.parent.name != "components":
        return _kustomize(directory)
    with tempfile.TemporaryDirectory(prefix=".check-", dir=HERE) as made:
        wanted = [*_NEEDS.get(directory.name, ()), directory.name]
        kustomization = {"namespace": "autopay", "resources": ["../base"]}
        kustomization["components"] = [f"../components/{name}" for name in wanted]
        (Path(made) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        return _kustomize(Path(made))


def problems(resources: Sequence[Resource]) -> Iterator[str]:
    """Yield a line for each resource that a Kubernetes of MINORS would not take."""
    for resource in resources:
        name = f"{resource['kind']}/{resource['metadata']['name']}"
        if resource["apiVersion"].startswith(_FOREIGN_GROUPS):
            continue
        if resource["apiVersion"].startswith(_LINKERD):
            yield from (f"{name}: {line}" for line in _linkerd_problems(resource))
            continue
        for minor in MINORS:
            try:
                kubernetes_validate.validate(resource, minor, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(map(str, error.path))
                yield f"{name}: {place}: {error.message} (Kubernetes {minor})"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name}: {error.message}"


def placeholders(resources: Sequence[Resource]) -> Iterator[str]:
    """Yield a line for each value that stands for one of the installation's own."""
    for resource in resources:
        for path, value in _texts(resource, ""):
            if _PLACEHOLDER.search(value):
                yield f"{resource['kind']}/{resource['metadata']['name']}: {path.removeprefix('.')}: {value}"


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, f"{path}.{key}")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _texts(each, f"{path}.{place}")


def _linkerd_problems(resource: Resource) -> Iterator[str]:
    schemas = yaml.safe_load((HERE / "linkerd.schema.yaml").read_text(encoding="utf-8"))
    schema = schemas["kinds"].get(f"{resource['apiVersion']}/{resource['kind']}")
    if schema is None:
        yield "linkerd.schema.yaml has no such kind"
        return
    for error in jsonschema.Draft202012Validator({**schema, "$defs": schemas["$defs"]}).iter_errors(resource["spec"]):
        yield f"spec.{'.'.join(map(str, error.path))}: {error.message}"


def _kustomize(directory: Path) -> str:
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own list
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Check everything, print a line for each problem, and keep the manifests where asked to; or print an overlay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="where to write each build as one file")
    parser.add_argument("--deploy", metavar="OVERLAY", help="print this overlay, unless it can't be deployed yet")
    options = parser.parse_args(arguments)
    return _deploy(options.deploy) if options.deploy else _check(options.output)


def _deploy(overlay: str) -> int:
    built = build(HERE / "overlays" / overlay)
    resources = list(yaml.safe_load_all(built))
    found = [*problems(resources), *placeholders(resources)]
    for line in found:
        sys.stderr.write(f"manifests: {overlay}: {line}\n")
    if found:
        sys.stderr.write(
            f"manifests: {len(found)} to put right before {overlay} can be deployed; nothing was printed\n"
        )
        return 1
    sys.stdout.write(built)
    return 0


def _check(output: Path | None) -> int:
    trouble = 0
    directories = [*overlays(), *components()]
    for directory in directories:
        name = f"{directory.parent.name}-{directory.name}"
        try:
            built = build(directory)
            found = list(problems(list(yaml.safe_load_all(built))))
        except ValueError as error:
            built, found = "", [str(error)]
        for line in found:
            sys.stderr.write(f"manifests: {name}: {line}\n")
        trouble += len(found)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            (output / f"{name}.yaml").write_text(built, encoding="utf-8")
    sys.stdout.write(
        f"manifests: {len(directories)} builds for Kubernetes {' and '.join(MINORS)}, {trouble} problems\n"
    )
    return 1 if trouble else 0


if __name__ == "__main__":
    raise SystemExit(main())
