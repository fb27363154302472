#!/bin/sh
# Writes requirements.lock: every version with the hashes of all its files, for Python 3.11 and later on every platform.
# Versions that stand there already are kept unless UPGRADE is set. The tool lives in an environment that is thrown away.
set -eu
cd "$(dirname "$0")/.."

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT INT TERM
"${VENV:-.venv}/bin/python" -m venv "$tool"
"$tool/bin/python" -m pip --disable-pip-version-check install --quiet uv
UV_CUSTOM_COMPILE_COMMAND="make lock" "$tool/bin/uv" pip compile pyproject.toml --group dev --group build \
    --universal --python-version 3.11 --generate-hashes --no-annotate \
    ${UPGRADE:+--upgrade} --quiet --output-file requirements.lock
