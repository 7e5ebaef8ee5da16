# Sourced by the scripts beside it: the checkout is the working directory, cargo is found, make's own variables are gone.
# shellcheck shell=sh
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL CDPATH
cd "$(dirname "$0")/.."

say() { printf '%s\n' "==> $*"; }
die() {
    printf '%s\n' "error: $*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# rustup may have been installed from this very shell, which then does not know it yet.
if ! have cargo && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
    export PATH
fi

# Named, so that the program is found again whatever cargo's own configuration says.
target_directory=${CARGO_TARGET_DIR:-target}
# Programs that only the tests need and that are built from source.
tools=$target_directory/tools

build_release() {
    say "building usher (the first time this takes several minutes)"
    cargo build --release --locked --target-dir "$target_directory"
}
