#!/bin/sh
# Builds the virtual environment: `make install` calls this. What pip says goes to a log; a failure is one sentence with
# its cure. VENV is where to build it, PYTHON a Python to use instead of the first that fits.
set -u
cd "$(dirname "$0")/.." || exit 1

venv=${VENV:-.venv}
log=.holdline/install.log
candidates=${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

can_build() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Sets `python` to the first candidate that fits and can build environments.
find_python() {
    without_venv=
    for python in $candidates; do
        fits "$python" || continue
        can_build "$python" && return
        without_venv=$python
    done
    if [ -n "$without_venv" ]; then
        version=$("$without_venv" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        fail "$without_venv cannot build virtual environments: install its venv package (Debian, Ubuntu: sudo apt install $version-venv) and run make again."
    fi
    fail "Holdline needs Python 3.11 or later and found none (looked for: $candidates): install one (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python), or name yours: make install PYTHON=/path/to/python3.12"
}

# The package that pip named last after these words, without its version's hashes.
named_after() { sed -n "s/.*$1 \([A-Za-z0-9_.=\-]*\).*/\1/p" "$log" | tail -n 1; }

said() { grep -Eq "$1" "$log"; }

# Turns the log of a failed pip into one sentence. Disk and hashes first, because the words for an unreachable index also
# stand in the log of an installation that got over a bad moment of the network and failed later.
explain() {
    if said 'No space left on device|Errno 28'; then
        fail "The disk is full: make room, then run make again (log: $log)."
    elif said 'DO NOT MATCH THE HASHES'; then
        fail "The package index served a file that is not the one pinned in requirements.lock: use another index (PIP_INDEX_URL), or clear pip's cache ($venv/bin/pip cache purge), then run make again (log: $log)."
    elif said 'CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError'; then
        fail "The package index's certificate is not trusted here: set PIP_CERT to your network's CA file, then run make again (log: $log)."
    elif said '(40[137]) (Client Error|Unauthorized|Forbidden|Proxy)|Tunnel connection failed'; then
        fail "The package index or a proxy refused access: check PIP_INDEX_URL and HTTPS_PROXY, then run make again (log: $log)."
    elif said 'NewConnectionError|ConnectTimeoutError|ConnectionResetError|ReadTimeout|ProxyError|ProtocolError|name resolution|Network is unreachable|Connection refused|ConnectionError'; then
        fail "The package index cannot be reached: check the network, or point pip at an index or proxy that you can reach (PIP_INDEX_URL, HTTPS_PROXY), then run make again (log: $log)."
    elif said 'No matching distribution found for'; then
        fail "The package index has no $(named_after 'No matching distribution found for') for $("$venv/bin/python" --version): use an index that has it (PIP_INDEX_URL), or another Python (make clean install PYTHON=python3.12) (log: $log)."
    elif said 'Failed building wheel for|Failed to build'; then
        fail "$(named_after 'Failed building wheel for') has no ready-made wheel for $("$venv/bin/python" --version) and could not be compiled: use another Python (make clean install PYTHON=python3.12) (log: $log)."
    fi
    fail "Installation failed: $(grep -i error "$log" | tail -n 1) (log: $log)."
}

run() {
    printf '\n$ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1
}

build_environment() {
    fits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
    find_python
    rm -rf "$venv"
    run "$python" -m venv "$venv" || fail "$python could not build $venv: $(tail -n 1 "$log") (log: $log)."
}

# Compiling every module of every SDK costs more than downloading it; Python compiles what is used when it is used.
pip() { run "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off --no-compile "$@"; }

# The lock is complete, so nothing has to be resolved; pip's own entry comes first, because a new one halves the rest.
install_pins() {
    awk '/^pip==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements.lock >.holdline/pip.lock
    pip --retries 2 --no-deps --require-hashes -r .holdline/pip.lock || explain
    rm -f .holdline/pip.lock
    pip --retries 2 --no-deps --require-hashes -r requirements.lock || explain
}

mkdir -p .holdline 2>/dev/null && : >"$log" || fail "Nothing can be written to $PWD/.holdline: make this directory yours, then run make again."
build_environment
echo "Installing Holdline into $venv with $("$venv/bin/python" --version) (log: $log)"
install_pins
# No index: what builds the package is pinned and installed already. Editable: an edited file needs no second installation.
pip --no-index --no-deps --no-build-isolation --editable . || explain
