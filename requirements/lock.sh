#!/bin/sh
# Lock what chatd installs: names, versions, hashes. Needs uv. `--upgrade` takes newer versions.
set -eu
cd "$(dirname "$0")/.."
lock() { # OUTPUT ARGUMENTS...
    out=$1
    shift
    uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-header --no-annotate "$@" -o "$out" pyproject.toml
}
lock requirements/run.txt --extra local --group build "$@"
lock requirements/dev.txt --extra local --group build --group dev "$@"
