#!/bin/sh
# Makes person.ulaw and machine.ulaw: raw G.711 mu-law, 8 kHz, mono. Needs Debian's espeak-ng and sox.
# The results are committed, so only somebody who wants other words runs this.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { # say NAME TEXT
    espeak-ng -v en-us -s 185 -w "$work/$1.wav" "$2"
    sox "$work/$1.wav" -r 8000 -c 1 -b 16 "$work/$1.8k.wav" norm -3
}
pause() { # pause NAME SECONDS
    sox -n -r 8000 -c 1 -b 16 "$work/$1.8k.wav" trim 0 "$2"
}
pack() { # pack OUTPUT PART...
    out=$1; shift
    parts=""
    for part in "$@"; do parts="$parts $work/$part.8k.wav"; done
    # shellcheck disable=SC2086
    sox $parts -t raw -r 8000 -c 1 -e mu-law -b 8 "$out"
}

say hello "Hello?"
say who "Yes, this is Alex. Who is calling, please?"
say wait "I see. Go on, I am listening."
pause short 0.4
pause long 0.8
pack person.ulaw hello who wait long

say greeting "You have reached Alex. Please leave a message after the tone."
sox -n -r 8000 -c 1 -b 16 "$work/beep.8k.wav" synth 0.6 sine 1000 gain -9
pack machine.ulaw greeting short beep
