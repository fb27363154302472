#!/bin/sh
# Writes tests/referees/requirements.lock, as deploy/lock.sh writes the project's: `make lock` calls both.
set -eu
cd "$(dirname "$0")"

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT INT TERM
"../../${VENV:-.venv}/bin/python" -m venv "$tool"
"$tool/bin/python" -m pip --disable-pip-version-check install --quiet uv
UV_CUSTOM_COMPILE_COMMAND="make lock" "$tool/bin/uv" pip compile requirements.in \
    --universal --python-version 3.11 --generate-hashes --no-annotate \
    ${UPGRADE:+--upgrade} --quiet --output-file requirements.lock
