#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run.sh SECONDS FUZZER...
#
# Runs each libFuzzer binary for SECONDS, one after the other, with a corpus that grows under build/fuzz/ from run to
# run. Prints one line for each. Exit 0: nothing found. 1: a finding, its input kept and named. 2: wrong usage.
set -eu

usage()
{
	echo "usage: run.sh SECONDS FUZZER..." >&2
	exit 2
}

[ $# -ge 2 ] || usage
seconds=$1
shift
case $seconds in
'' | 0 | *[!0-9]*) usage ;;
esac

root=$(cd "$(dirname "$0")/../.." && pwd)/build/fuzz
status=0

for fuzzer; do
	name=$(basename "$fuzzer")
	corpus=$root/$name
	log=$root/$name.log
	mkdir -p "$corpus" "$root/findings"
	found=0
	"$fuzzer" -max_total_time="$seconds" -max_len=1024 -timeout=10 -print_final_stats=1 \
		-artifact_prefix="$root/findings/$name-" "$corpus" >"$log" 2>&1 || found=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$found" -eq 0 ]; then
		printf '%-20s nothing found in %s s, %s runs, %s inputs kept\n' \
			"$name" "$seconds" "${runs:-?}" "$(find "$corpus" -type f | wc -l)"
		continue
	fi
	status=1
	grep -m 1 -E 'broken:|runtime error|ERROR:' "$log" >&2 || tail -n 5 "$log" >&2
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	printf '%-20s FOUND after %s runs: input %s, log %s\n' "$name" "${runs:-?}" "${input:-not written}" "$log" >&2
done
exit $status
