#!/bin/sh
# Before the browser tests: is there a Chromium? On Debian, as root, Debian's is fetched; elsewhere one line says how to get
# one, and those tests are skipped in sight. BROWSER=skip leaves all of it out. Never fails: the other tests run in any case.
set -u
cd "$(dirname "$0")/.." || exit 0

log=.holdline/browser.log
names="${CHROMIUM:-chromium} chromium chromium-browser google-chrome-stable google-chrome"

found() {
    for name in $names; do
        command -v "$name" >/dev/null 2>&1 && return
    done
    return 1
}

may_fetch() { [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null && command -v apt-get >/dev/null 2>&1; }

fetch() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update && apt-get install -y --no-install-recommends chromium fonts-inter
}

[ "${BROWSER:-}" = skip ] && exit 0
found && exit 0
if may_fetch; then
    echo "The browser tests need a Chromium: installing Debian's (log: $log; BROWSER=skip leaves it out)"
    mkdir -p .holdline
    fetch >"$log" 2>&1 && found && exit 0
    echo "It could not be installed: $(tail -n 1 "$log") (log: $log). The browser tests are skipped."
    exit 0
fi
echo "No Chromium here, so the browser tests are skipped: install one (Debian, Ubuntu: sudo apt install chromium), or name yours: make test CHROMIUM=/path/to/chrome"
