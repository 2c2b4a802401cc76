#!/bin/sh
# Runs Halmos over forge_tests/symbolic: every check, for all amounts. Called by `make symbolic`. Halmos has
# an environment of its own in .forge/halmos, since what it needs does not go with the project's lock.
#
#   symbolic.sh [OPTIONS OF HALMOS]       e.g. --match-contract SlashCheck
set -eu
cd "$(dirname "$0")/.."
lock=tools/symbolic.lock
environment=.forge/halmos
stamp=$environment/.$(cksum <"$lock" | cut -d ' ' -f 1)

if [ ! -e "$stamp" ]; then
    rm -rf "$environment"
    .venv/bin/python -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --no-deps -r "$lock"
    touch "$stamp"
fi

# Halmos calls forge by its name.
PATH="$(pwd)/.venv/bin:$PATH"
FOUNDRY_PROFILE=symbolic
export PATH FOUNDRY_PROFILE
exec "$environment/bin/halmos" --forge-build-out .forge/symbolic --loop 16 \
    --solver-timeout-assertion 120s "$@"
