#!/bin/sh
# Builds .venv-referees, the environment of the frames referee: `make referees` calls this. VENV is the project's own.
set -u
cd "$(dirname "$0")/../.." || exit 1

own=${VENV:-.venv}
venv=.venv-referees
lock=tests/referees/requirements.lock
log=.holdline/install-referees.log

fail() {
    printf '%s\n' "$1: $(grep -i error "$log" | tail -n 1) (log: $log). The index is pip's own: PIP_INDEX_URL, HTTPS_PROXY and PIP_CERT hold here, too." >&2
    exit 1
}

# Nothing has to be resolved, and nothing is built in a place that fetches for itself.
pip() {
    printf '\n$ pip install %s\n' "$*" >>"$log"
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off --no-compile \
        --retries 2 --no-deps --require-hashes --no-build-isolation "$@" >>"$log" 2>&1
}

mkdir -p .holdline && : >"$log" || exit 1
echo "Installing the frames referee (pipecat-ai, some 400 MB with what it needs) into $venv (log: $log)"
[ -x "$venv/bin/python" ] || "$own/bin/python" -m venv "$venv" >>"$log" 2>&1 || fail "$venv could not be built"
# pip and setuptools first: the newer pip halves the rest, and one package has to be built.
awk '/^(pip|setuptools)==/ { found = 1 } found { print } found && !/\\$/ { found = 0 }' "$lock" >.holdline/referees-tools.lock
pip -r .holdline/referees-tools.lock || fail "pip and setuptools could not be installed"
rm -f .holdline/referees-tools.lock
pip -r "$lock" || fail "The frames referee could not be installed"
