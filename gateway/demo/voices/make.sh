#!/bin/sh
# Speaks what Alex, the person of the demo, says: raw mu-law files (8 kHz, mono), with Debian's espeak-ng and sox.
# The files are committed; only who changes a sentence needs to run this: sh gateway/demo/voices/make.sh
set -eu
cd "$(dirname "$0")"

speak() {
    espeak-ng -v en-us -s 185 -g 0 --stdout "$2" |
        sox -q -t wav - -t raw -r 8000 -c 1 -e mu-law "$1.ulaw" \
            silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse highpass 200 norm -4 pad 0 0.04
}

speak hello "Hello, this is Alex."
speak again "Hello again. I hear you well."
speak still "You still reach me. Good."
speak last "Three carriers are dead? I noticed nothing."
speak back "You called back, as promised."
