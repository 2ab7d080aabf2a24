#!/bin/sh
# Print the Python that everything here is installed for: the first of PATH that fits, or another that is much faster.
#
# One that was compiled without profile-guided optimization, as pyenv does where nobody asks for it, takes a third longer
# for everything: measured with 3.11, against the one of Debian. Only a run tells, since Debian's does not say how it was
# compiled. One that is named as an argument is taken if it fits. Ends with 1 and prints nothing where none fits.
fitting='
import sys
if not (3, 11) <= sys.version_info < (3, 14):
    sys.exit(1)
import ensurepip, time, venv

def work():
    began, held = time.process_time(), {}
    for number in range(40_000):
        held[str(number % 97)] = [number, *held.get(str(number % 89), ())][:3]
    return time.process_time() - began

print(round(min(work() for _ in range(5)) * 1e6), sys.executable)
'
if [ $# -gt 0 ]; then
	"$1" -c "$fitting" 2>/dev/null
else
	IFS=:
	for folder in $PATH; do
		for name in python3 python3.13 python3.12 python3.11; do
			! [ -x "$folder/$name" ] || "$folder/$name" -c "$fitting" 2>/dev/null
		done
	done
fi | awk '
	{ microseconds = $1; sub(/^[^ ]+ /, "") }
	NR == 1 || microseconds < 0.85 * best { best = microseconds; found = $0 }
	END { if (NR == 0) exit 1; print found }
'
