#!/bin/sh
# Runs inside the build: puts one process's locked packages and this project into /opt/autopay, which is all of the
# image that is ours. Argument: the process.
set -eu
process=$1
python=/opt/autopay/bin/python3

$python deploy/images/locked.py "$process" >"/tmp/$process.lock"
# Built to wheels first: what comes as source needs the locked build packages, and those stay here.
/opt/build/bin/pip wheel --quiet --no-deps --require-hashes --no-build-isolation --wheel-dir "/tmp/$process" \
    --requirement "/tmp/$process.lock"
/opt/build/bin/pip --python "$python" install --quiet --no-deps --no-index --no-compile /tmp/"$process"/*.whl /wheels/*.whl
$python deploy/images/bom.py "$process" >/opt/autopay/bom.cdx.json
# The root is read-only, so what can be compiled is compiled now.
$python -m compileall -q -j 0 /opt/autopay/lib
