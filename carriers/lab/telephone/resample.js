// Changes the rate of a running sound: a windowed sinc, so that 8 kHz does not whistle at 48 kHz and 48 kHz does not fold
// into 8 kHz. Keeps what it needs of the past; `push` gives all that can be said so far.

const LOBES = 8;

export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.cutoff = Math.min(1, to / from) * 0.94;
    this.reach = Math.ceil(LOBES / this.cutoff);
    this.past = new Float32Array(2 * this.reach);
    this.at = this.reach;
  }

  push(sound) {
    const line = new Float32Array(this.past.length + sound.length);
    line.set(this.past);
    line.set(sound, this.past.length);
    const last = line.length - this.reach;
    const said = new Float32Array(Math.max(0, Math.ceil((last - this.at) / this.step)));
    let count = 0;
    for (; this.at < last; this.at += this.step) said[count++] = this.sample(line, this.at);
    const kept = 2 * this.reach;
    this.past = line.slice(line.length - kept);
    this.at -= line.length - kept;
    return said.subarray(0, count);
  }

  sample(line, at) {
    const middle = Math.floor(at);
    let sum = 0;
    let weight = 0;
    for (let index = Math.max(0, middle - this.reach + 1); index <= Math.min(line.length - 1, middle + this.reach); index++) {
      const x = (index - at) * this.cutoff;
      if (Math.abs(x) >= LOBES) continue;
      const part = (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)) * (0.5 + 0.5 * Math.cos((Math.PI * x) / LOBES));
      sum += line[index] * part;
      weight += part;
    }
    return weight ? sum / weight : 0;
  }
}
