#!/usr/bin/env bash
# All tests but the long ones, in two lanes side by side that take about as long: the end-to-end tests mostly wait for
# machines that boot. $1: the seed. The second lane's output follows that of the first.
set -uo pipefail
cd "$(dirname "$0")/.."
seed="$1"

lane() { .venv/bin/python -m pytest "$@" -m "not long and not docker" "--seed=$seed" --durations=15; }

rest="$(mktemp)"
trap 'kill "$beside" 2>/dev/null; rm -f "$rest"' EXIT
first=(tests/e2e tests/contract tests/unit/transfer tests/unit/audit tests/unit/host
       tests/bus/identity)
lane tests "${first[@]/#/--ignore=}" -p no:cacheprovider >"$rest" 2>&1 &
beside=$!
lane "${first[@]}"
booted=$?
wait "$beside"
others=$?
cat "$rest"

echo "${first[*]}: exit code $booted; all others: exit code $others"
((booted == 0 && others == 0))
