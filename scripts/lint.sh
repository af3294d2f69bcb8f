#!/usr/bin/env bash
# Every check that needs no running program. Runs all of them, then fails if one failed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() {
    local name="$1" started="$EPOCHREALTIME" said
    shift
    if said="$("$@" 2>&1)"; then
        LC_ALL=C printf 'ok    %-22s %5.1f s\n' "$name" "$(seconds_since "$started")"
    else
        LC_ALL=C printf 'FAIL  %-22s %5.1f s\n%s\n' "$name" "$(seconds_since "$started")" "$said"
        failed+=("$name")
    fi
}

seconds_since() { awk -v from="${1/,/.}" -v to="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.1f", to - from }'; }

check "format (ruff)" .venv/bin/ruff format --check --quiet .
check "lint (ruff)" .venv/bin/ruff check --quiet .
check "types (mypy)" .venv/bin/mypy --strict --no-error-summary
check "imports" .venv/bin/lint-imports --no-logo
check "shape" .venv/bin/python -m pytest -q --no-header -p no:cacheprovider tests/unit/test_shape.py
check "generated files" .venv/bin/python -m contracts.generate --check
check "spelling" .venv/bin/codespell --quiet-level=2 .

if ((${#failed[@]})); then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
