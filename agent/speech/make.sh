#!/bin/sh
# Speaks our own agents' sentences into raw mu-law files (8 kHz, mono), with Debian's espeak-ng and sox.
# The files are committed; only who changes a sentence needs to run this: sh agent/speech/make.sh
set -eu
cd "$(dirname "$0")"

speak() {
    espeak-ng -v en-us+f3 -s 185 -g 0 --stdout "$2" |
        sox -q -t wav - -t raw -r 8000 -c 1 -e mu-law "$1.ulaw" \
            silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse highpass 200 norm -4 pad 0 0.04
}

speak greeting "Hello, this is Holdline's receptionist."
speak menu "Press one, two or zero, or just talk to me."
speak key-1 "We are open around the clock."
speak key-2 "I keep your call alive when a carrier fails."
speak key-0 "My colleagues are out, but I am here."
speak key-other "Try one, two or zero."
speak understood-1 "I see. Go on."
speak understood-2 "All right. And?"
speak understood-3 "Thank you, I got that."
speak still-there "Are you still there?"
speak cut-off "Sorry, we were cut off."
speak goodbye "Thank you. Goodbye!"
speak voicemail-greeting "We cannot take your call right now. Please leave a message after the tone, and press the pound key when you are done."
speak voicemail-taken "Thank you. Your message was taken. Goodbye!"
speak voicemail-nothing-heard "We did not hear a message. Goodbye!"
speak voicemail-nearly-over "Please come to an end."
speak voicemail-full "I am sorry, we cannot take messages right now. Please call again later. Goodbye!"
speak voicemail-unavailable "I am sorry, your message cannot be taken right now. Please call again later. Goodbye!"
speak voicemail-cut "I am sorry, we could not record any more. What you said up to that point was kept. Goodbye!"
speak voicemail-unsure "I am sorry, we cannot confirm that your message was stored. Please call again later. Goodbye!"

# --- the ladder: what is said when an agent is lost ---

speak one-moment "One moment, please."
speak hold "Please stay on the line. I will be right with you."
speak callback-offer "Nobody can talk to you right now. Press one, and we will call you back."
speak callback-promised "Thank you. We will call you back. Goodbye!"
speak callback-by-default "We will call you back. Goodbye!"
speak callback-refused "I am sorry, we cannot call you back. Please try again later. Goodbye!"
speak sorry-goodbye "I am sorry, we have to end this call. Please try again later. Goodbye!"

# Two soft notes, and a rest that is shorter than anybody worries about.
sox -q -n -t raw -r 8000 -c 1 -e mu-law hold-sound.ulaw synth 0.3 sine 392 fade t 0.03 0.3 0.12 vol 0.09 pad 0 0.1 : \
    synth 0.4 sine 494 fade t 0.03 0.4 0.2 vol 0.09 pad 0 0.8

# --- the human rung: a caller is handed to a colleague ---

speak connecting "I am connecting you with a colleague."
speak colleague-unreached "I am sorry, my colleague cannot be reached."
speak colleague-lost "I am sorry, the connection to my colleague was lost."
speak caller-gone "The caller is gone. Goodbye!"
speak whisper-announce "A caller from Holdline."
speak whisper-press-1 "A caller from Holdline. Press one to take the call."
dd if=/dev/zero bs=7200 count=1 2>/dev/null | tr '\000' '\377' >>whisper-press-1.ulaw # a rest, since it is said over and over

# As a phone rings at the other end, with rests that are shorter than anybody worries about.
sox -q -n -t raw -r 8000 -c 1 -e mu-law ringing.ulaw synth 1.6 sine 440 synth 1.6 sine mix 480 fade t 0.01 1.6 0.01 vol 0.1 pad 0 1.2
