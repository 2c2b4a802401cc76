#!/bin/sh
# Recompiles the locks from the *.in files: every package with version and hashes, no index address.
# Called by `make lock`. Versions already locked stay unless UPGRADE=1 or a package is asked for:
#   make lock UPGRADE=1      make lock PACKAGE=web3
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

compile() {
    "$uv" pip compile --quiet --system-certs --python-version 3.11 --universal --generate-hashes \
        --no-header --no-emit-index-url --no-emit-find-links ${PACKAGE:+--upgrade-package "$PACKAGE"} \
        ${UPGRADE:+--upgrade} "$@"
}

compile requirements.in --output-file requirements.lock
# A constraints file with hashes would be taken as a demand for hashes: pass the plain versions.
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
sed -n 's/^\([A-Za-z0-9_.-]*==[^ ;]*\).*/\1/p' requirements.lock >"$pins"
compile requirements-build.in --constraints "$pins" --no-annotate --output-file requirements-build.lock
compile requirements-data.in --no-deps --no-annotate --output-file requirements-data.txt
compile tools/symbolic.in --no-annotate --output-file tools/symbolic.lock
# In an empty folder: beside an installed node_modules npm would leave out other platforms' packages.
fresh=$(mktemp -d)
trap 'rm -rf "$pins" "$fresh"' EXIT
cp package.json "$fresh"
[ -n "${UPGRADE:-}" ] || cp package-lock.json "$fresh"
(cd "$fresh" && npm install --package-lock-only --omit-lockfile-registry-resolved \
    --no-audit --no-fund --no-update-notifier --loglevel=error)
cp "$fresh/package-lock.json" package-lock.json
