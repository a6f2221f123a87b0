#!/usr/bin/env bash
# Check the tools that a build needs, install what the system's packages can supply, and make the virtual environment.
# Usage: prepare.sh VENV. Every failure is one sentence that says what to do.
set -euo pipefail

venv=$1
rust_min=1.91
python_candidates=("${PYTHON:-}" python3.11 python3.12 python3.13 python3)

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least FOUND WANTED: compare dotted versions.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1)" = "$2" ]; }

install_packages() {
    local as_root=()
    have apt-get || fail "these tools are missing: $missing_tools; install them with your system's package manager and try again"
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "these tools are missing: $missing_tools; as root, run: apt-get install $*"
        as_root=(sudo)
    fi
    printf '    installing %s with apt-get\n' "$*"
    "${as_root[@]}" apt-get update -qq || fail "apt-get update failed; check the network and try again"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null \
        || fail "apt-get could not install $*; install them yourself and try again"
}

# Prints the first interpreter in 3.11 … 3.13 that runs and has venv and pip.
find_python() {
    local candidate
    for candidate in "${python_candidates[@]}"; do
        if [ -n "$candidate" ] && "$candidate" -c \
            'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

packages=()
missing_tools=
need() { # need TOOL PACKAGE…
    local tool=$1
    have "$tool" && return
    missing_tools+=" $tool"
    packages+=("${@:2}")
}
need cc gcc libc6-dev
need c++ g++
need cmake cmake
header() { # header WHAT PACKAGE CODE: a C program that includes it must compile
    printf '%s\nint main(void) { return 0; }\n' "$3" | cc -x c -fsyntax-only - 2>/dev/null && return
    missing_tools+=" $1"
    packages+=("$2")
}
have cc && header gmp.h libgmp-dev '#include <gmp.h>' # libp2p needs fastecdsa, which comes as source
have cc || packages+=(libgmp-dev)
if ! find_python >/dev/null; then
    missing_tools+=" python≥3.11"
    packages+=(python3 python3-venv python3-dev)
else
    include=$("$(find_python)" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    if [ ! -e "$include/Python.h" ]; then
        missing_tools+=" Python.h"
        packages+=(python3-dev)
    fi
fi
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"

python=$(find_python) || fail "Python 3.11, 3.12 or 3.13 with venv is needed; install one and name it: make build PYTHON=/path/to/python3.12"

have cargo && have rustc || fail "Rust $rust_min or newer is needed; install it with rustup (https://rustup.rs) and try again"
rust=$(rustc --version | cut -d ' ' -f 2)
at_least "$rust" "$rust_min" || fail "Rust $rust_min or newer is needed, rustc is $rust; run: rustup update stable"

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "$python could not make $venv; is there space, and may you write here?"
fi
printf '    python %s, rust %s, cmake %s\n' \
    "$("$venv/bin/python" -c 'import platform; print(platform.python_version())')" \
    "$rust" "$(cmake --version | head -n 1 | cut -d ' ' -f 3)"
