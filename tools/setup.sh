#!/bin/sh
# Builds .venv and node_modules from the locks. Called by `make setup`, which skips it when the stamp
# of these very locks is there. POSIX sh; needs python3.11 with venv, node >= 20 and npm.
#
#   setup.sh --check    prints one line when a tool is missing, else nothing
#   setup.sh KEY        installs and leaves the stamp .venv/.setup-KEY
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)

stop() {
    echo "$1"
    exit 1
}

find_python() {
    for candidate in python3.11 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

check_tools() {
    python=$(find_python)
    [ -n "$python" ] || stop "Python 3.11 is missing: install it (Debian: apt-get install python3.11 python3.11-venv)"
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        stop "Python's venv module is missing: install it (Debian: apt-get install python3.11-venv)"
    node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' >/dev/null 2>&1 ||
        stop "Node.js 20 or newer is missing: install it (Debian: apt-get install nodejs npm)"
    npm --version >/dev/null 2>&1 || stop "npm is missing: install it (Debian: apt-get install npm)"
}

make_venv() {
    # An environment that was moved or whose Python has gone is made anew.
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
        ! grep -q "$root/.venv" .venv/bin/activate 2>/dev/null; then
        rm -rf .venv
        "$python" -m venv .venv
    fi
}

pip_install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        "$@"
}

install_python_packages() {
    pip_install -r requirements-build.lock
    # uv does not read pip's configuration: hand over a mirror that is set there.
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    # `sync` also removes what the locks no longer name. Where uv cannot reach an index, pip may.
    .venv/bin/uv pip sync --quiet --python .venv/bin/python --system-certs --require-hashes \
        --no-build-isolation requirements.lock requirements-build.lock requirements-data.txt || {
        echo "setup: uv did not succeed, trying pip (slower)"
        pip_install --no-build-isolation -r requirements.lock -r requirements-data.txt
    }
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
        --no-build-isolation --editable .
}

install_node_packages() {
    npm ci --no-audit --no-fund --no-update-notifier --silent
}

link_programs() {
    platform=$(node -p 'process.platform + "-" + ({ x64: "amd64" }[process.arch] || process.arch)')
    for program in anvil forge; do
        binary=node_modules/@foundry-rs/$program-$platform/bin/$program
        if [ -x "$binary" ]; then
            ln -sf "../../$binary" ".venv/bin/$program"
        elif ! command -v "$program" >/dev/null 2>&1; then
            # The lock holds the packages of Linux on x64; elsewhere Foundry comes from outside.
            stop "$program for $platform is not in the lock: install Foundry 1.7.1 and put it on the path"
        fi
    done
    version=$(node -p 'require("solc/package.json").version')
    mkdir -p .venv/solc
    ln -sf ../../tools/solc ".venv/solc/solc-v$version"
}

complete_venv() {
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp tools/venv_environment.py "$site/_verifog_environment.py"
    echo 'import _verifog_environment' >"$site/verifog.pth"
}

check_tools
[ "$1" != --check ] || exit 0
echo "setup: Node packages (node_modules), Python packages (.venv)"
install_node_packages &
make_venv
install_python_packages
complete_venv
wait $!
link_programs
echo "setup: compiling the kernels"
.venv/bin/python -m offchain.crypto.warm ||
    echo "setup: they did not compile; whoever needs one will try again"
rm -f .venv/.setup-*
: >".venv/.setup-$1"
echo "setup: done"
