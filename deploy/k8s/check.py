"""Builds every overlay and every component with kustomize and holds what comes out against Kubernetes' own schemas.

python deploy/k8s/check.py [--output DIRECTORY]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml

HERE: Final = Path(__file__).resolve().parent
# The oldest we promise to run on, and the newest.
MINORS: Final = ("1.34", "1.37")
# What other projects define has no schema here; only these groups may lack one.
_FOREIGN_GROUPS: Final = (
    "cert-manager.io/",
    "gateway.networking.k8s.io/",
    "monitoring.coreos.com/",
    "policy.linkerd.io/",
    "security.istio.io/",
)
# Components that only make sense on top of another.
_NEEDS: Final[Mapping[str, Sequence[str]]] = {"mongodb": ("mtls",)}

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
        for minor in MINORS:
            try:
                kubernetes_validate.validate(resource, minor, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(map(str, error.path))
                yield f"{name}: {place}: {error.message} (Kubernetes {minor})"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name}: {error.message}"


def _kustomize(directory: Path) -> str:
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own list
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Check everything, print a line for each problem, and keep the manifests where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="where to write each build as one file")
    output = parser.parse_args(arguments).output
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
