#!/usr/bin/env bash
# Builds the image of every process (or of those named) with buildah, and prints their sizes.
#
#   PYTHON_BASE=docker.io/library/python@sha256:… deploy/images/build.sh [edge ingest ledger insight]
#
# Without PYTHON_BASE, for where no registry can be reached, a Debian made by debootstrap stands in for the base. That
# proves the Dockerfile; its images are not for publishing. Settings:
#   PYTHON_BASE    the base image, pinned by digest
#   IMAGE_PREFIX   what images are named before the process (localhost/autopay-)
#   IMAGE_TAG      their tag (dev)
#   PIP_CONF       pip's configuration inside the build (this machine's /etc/pip.conf, if there is one)
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly prefix=${IMAGE_PREFIX:-localhost/autopay-} tag=${IMAGE_TAG:-dev}
readonly stand_in=localhost/autopay-stand-in-base:bookworm
processes=("$@")
[ "${#processes[@]}" -gt 0 ] || processes=(edge ingest ledger insight)

buildah_() { buildah --storage-driver "$driver" "$@"; }

skip() {
    echo "images: skipped, $1" >&2
    exit 0
}

make_stand_in() {
    command -v debootstrap >/dev/null || skip "no debootstrap to make a base from, and PYTHON_BASE is not set"
    [ "$(id -u)" -eq 0 ] || skip "a stand-in base needs root, and PYTHON_BASE is not set"
    local root container
    root=$(mktemp -d)
    trap 'rm -rf "$root"' RETURN
    echo "images: making a stand-in base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" >"$root.log" 2>&1 || {
        tail -5 "$root.log" >&2
        skip "debootstrap could make no base: is a Debian mirror reached?"
    }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root.log"
    container=$(buildah_ from scratch)
    buildah_ copy --quiet "$container" "$root" / >/dev/null
    buildah_ commit --quiet --rm "$container" "$stand_in" >/dev/null
}

# What an image must be, asked of the image itself: its process's code is whole, it is nobody, and nothing in it builds.
verify() {
    local process=$1 module=$2 container
    container=$(buildah_ from "$prefix$process:$tag")
    buildah_ run --isolation chroot "$container" -- sh -euc "
        test \"\$(id -u)\" = 10001
        python3 -c 'import $module'
        test -s /opt/autopay/bom.cdx.json
        for tool in pip pip3 gcc cc make; do ! command -v \$tool; done
        ! touch /opt/autopay/written 2>/dev/null
        if python3 -c 'import google.generativeai' 2>/dev/null; then test $process = insight; fi
        python3 -m mesh.probe http://127.0.0.1:1/ || test \$? = 1
        if test $process = insight; then
            fc-match sans | grep -q DejaVu
            # Without a word about fonts or a cache that would have to be written.
            said=\$(python3 -c 'from services.insight.adapters.report_pdf import to_pdf; print(to_pdf(\"<p>1\")[:4])' 2>&1)
            test \"\$said\" = \"b'%PDF'\" || { echo \"\$said\"; exit 1; }
        fi
    "
    buildah_ rm "$container" >/dev/null
}

command -v buildah >/dev/null || skip "buildah is not installed (Debian: apt-get install buildah)"
# vfs copies every layer, but works in a container without privileges, where overlays don't.
driver=overlay
buildah_ info >/dev/null 2>&1 || driver=vfs
base=${PYTHON_BASE:-}
if [ -z "$base" ]; then
    base=$stand_in
    buildah_ inspect --type image "$stand_in" >/dev/null 2>&1 || make_stand_in
elif [[ $base != *@sha256:* ]]; then
    echo "images: PYTHON_BASE must name a digest (name@sha256:…), not a tag that can move: $base" >&2
    exit 1
fi

# chroot for the same reason, where namespaces don't work.
arguments=(--isolation chroot --network host --layers --build-arg "PYTHON_BASE=$base" --file deploy/images/Dockerfile)
if [ -r "${PIP_CONF:-/etc/pip.conf}" ]; then
    # Whose certificate a mirror shows, this machine knows.
    arguments+=(--secret "id=pip_conf,src=${PIP_CONF:-/etc/pip.conf}" --volume /etc/ssl/certs:/etc/ssl/certs:ro)
fi
for process in "${processes[@]}"; do
    buildah_ build --quiet "${arguments[@]}" --format docker --target "$process" --tag "$prefix$process:$tag" . >/dev/null
    module=services.$process.__main__
    # The supervisor imports little; the worker is the process.
    [ "$process" != edge ] || module=edge.worker
    verify "$process" "$module"
done
buildah_ images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep "^$prefix" | sort
