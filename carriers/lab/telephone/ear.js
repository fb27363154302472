// The loudspeaker's side: frames of 8 kHz come in by message, whenever the network has them; sound goes out in time. Between
// the two stands a small jitter buffer: it fills before it plays, and what grows too long is cut back to its middle.

import { Resampler } from "/lab/phone/resample.js";

const RATE = 8000;
const START_MS = 60;
const MOST_MS = 300;
const LOUD = 0.012; // of full scale: the lab's speech is far above, line noise below

class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(RATE, sampleRate);
    this.waiting = new Float32Array(0);
    this.playing = false;
    Object.assign(this, { frames: 0, loud: 0, gaps: 0, cut: 0, level: 0, told: 0 });
    this.port.onmessage = ({ data }) => (data === "clear" ? this.clear() : this.take(data));
  }

  clear() {
    this.resampler = new Resampler(RATE, sampleRate);
    this.waiting = new Float32Array(0);
    this.playing = false;
  }

  take(frame) {
    let energy = 0;
    for (const one of frame) energy += one * one;
    const level = Math.sqrt(energy / frame.length);
    this.frames += 1;
    this.loud += level > LOUD ? 1 : 0;
    this.level = Math.max(level, this.level * 0.85);
    const sound = this.resampler.push(frame);
    const most = (MOST_MS / 1000) * sampleRate;
    const line = new Float32Array(this.waiting.length + sound.length);
    line.set(this.waiting);
    line.set(sound, this.waiting.length);
    this.cut += line.length > most ? 1 : 0;
    this.waiting = line.length > most ? line.slice(line.length - most / 2) : line;
  }

  process(_inputs, [[out]]) {
    if (!this.playing && this.waiting.length >= (START_MS / 1000) * sampleRate) this.playing = true;
    if (this.playing && this.waiting.length < out.length) {
      this.playing = false;
      this.gaps += 1;
    }
    if (this.playing) {
      out.set(this.waiting.subarray(0, out.length));
      this.waiting = this.waiting.subarray(out.length);
    }
    this.tell();
    return true;
  }

  tell() {
    if (currentTime - this.told < 0.1) return;
    this.told = currentTime;
    const { frames, loud, gaps, cut, level } = this;
    this.level *= 0.8;
    this.port.postMessage({ frames, loud, gaps, cut, level, waiting_ms: Math.round((this.waiting.length / sampleRate) * 1000) });
  }
}

registerProcessor("ear", Ear);
