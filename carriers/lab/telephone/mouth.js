// The microphone's side: whatever sounds here leaves as frames of 20 ms, 16 bit, 8 kHz, by message.

import { Resampler } from "/lab/phone/resample.js";

const RATE = 8000;
const FRAME = 160;

class Mouth extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }

  process([input]) {
    const heard = input.length ? input[0] : new Float32Array(128);
    for (const sample of this.resampler.push(heard)) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.frame[this.filled++] = Math.round(clipped * 32767);
      this.energy += clipped * clipped;
      if (this.filled === FRAME) this.send();
    }
    return true;
  }

  send() {
    const { buffer } = this.frame;
    this.port.postMessage({ sound: buffer, level: Math.sqrt(this.energy / FRAME) }, [buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("mouth", Mouth);
