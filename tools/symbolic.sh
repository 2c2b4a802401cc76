#!/bin/sh
# Runs Halmos over forge_tests/symbolic: every check, for all amounts. Called by `make symbolic`. Halmos has
# an environment of its own in .forge/halmos, since what it needs does not go with the project's lock.
#
#   symbolic.sh [OPTIONS OF HALMOS]       e.g. --match-contract SlashCheck
#   symbolic.sh --planted [CHECK ...]     each check finds the fault that is planted for it: tools/planted.py
#
# SOURCES is another folder with the contracts and checks, as tools/planted.py makes one.
set -eu
cd "$(dirname "$0")/.."
lock=tools/symbolic.lock
environment=$(pwd)/.forge/halmos
stamp=$environment/.$(cksum <"$lock" | cut -d ' ' -f 1)

if [ ! -e "$stamp" ]; then
    rm -rf "$environment"
    .venv/bin/python -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --no-deps -r "$lock"
    touch "$stamp"
fi

if [ "${1-}" = --planted ]; then
    shift
    exec .venv/bin/python tools/planted.py "$@"
fi

# Halmos calls forge by its name.
PATH="$(pwd)/.venv/bin:$PATH"
FOUNDRY_PROFILE=symbolic
export PATH FOUNDRY_PROFILE
cd "${SOURCES:-.}"
exec "$environment/bin/halmos" --forge-build-out .forge/symbolic --loop 16 \
    --panic-error-codes "*" --solver-timeout-assertion 120s "$@"
