// The phone's sound: what comes off the line goes to the loudspeaker, what the chosen voice says goes to the line; the bell
// and the keys sound here alone.

const KEYS = { 1: [697, 1209], 2: [697, 1336], 3: [697, 1477], 4: [770, 1209], 5: [770, 1336], 6: [770, 1477], 7: [852, 1209], 8: [852, 1336], 9: [852, 1477], "*": [941, 1209], 0: [941, 1336], "#": [941, 1477] };

export class Sound {
  constructor({ said, heard }) {
    this.context = new AudioContext({ latencyHint: "interactive" });
    Object.assign(this, { said, heard, voice: null, stop: () => {}, bell: null });
  }

  async start() {
    await this.context.resume();
    await Promise.all(["ear", "mouth"].map((name) => this.context.audioWorklet.addModule(`/lab/phone/${name}.js`)));
    this.ear = new AudioWorkletNode(this.context, "ear", { numberOfInputs: 0, outputChannelCount: [1] });
    this.mouth = new AudioWorkletNode(this.context, "mouth", { numberOfOutputs: 1, channelCount: 1, channelCountMode: "explicit" });
    this.ear.port.onmessage = ({ data }) => this.heard(data);
    this.mouth.port.onmessage = ({ data }) => this.said(data);
    this.ear.connect(this.context.destination);
    // A node without an output that is heard is not run: the mouth's own output is silence.
    this.mouth.connect(this.context.destination);
  }

  play(buffer) {
    const frame = new Int16Array(buffer);
    this.ear.port.postMessage(Float32Array.from(frame, (one) => one / 32768));
  }

  quiet() {
    this.ear.port.postMessage("clear");
  }

  async speak(voice, file) {
    this.stop();
    this.stop = () => {};
    const source = await this[voice](file);
    if (!source) return;
    if (this.closed) {
      source.done?.();
      return;
    }
    source.connect(this.mouth);
    this.stop = () => { source.disconnect(); source.done?.(); };
  }

  async microphone() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
    const source = this.context.createMediaStreamSource(stream);
    source.done = () => stream.getTracks().forEach((track) => track.stop());
    return source;
  }

  async tone() {
    const source = this.context.createOscillator();
    const gain = this.context.createGain();
    source.frequency.value = 440;
    gain.gain.value = 0.3;
    source.connect(gain);
    source.start();
    gain.done = () => source.stop();
    return gain;
  }

  async file(file) {
    if (!file) throw new Error("Choose a sound file first.");
    const source = this.context.createBufferSource();
    source.buffer = await this.context.decodeAudioData(await file.arrayBuffer());
    source.loop = true;
    source.start();
    source.done = () => source.stop();
    return source;
  }

  async nothing() {
    return null;
  }

  ring(on) {
    if (this.bell) { this.bell.forEach((node) => node.disconnect()); this.bell = null; }
    if (!on) return;
    const gain = this.context.createGain();
    gain.gain.value = 0;
    for (let at = 0; at < 60; at += 3) {
      gain.gain.setTargetAtTime(0.12, this.context.currentTime + at, 0.02);
      gain.gain.setTargetAtTime(0, this.context.currentTime + at + 1.2, 0.04);
    }
    this.bell = [gain, ...[440, 480].map((hertz) => this.pure(hertz, gain, 60))];
    gain.connect(this.context.destination);
  }

  key(digit) {
    const gain = this.context.createGain();
    gain.gain.value = 0.08;
    gain.connect(this.context.destination);
    for (const hertz of KEYS[digit]) this.pure(hertz, gain, 0.14);
  }

  pure(hertz, into, seconds) {
    const node = this.context.createOscillator();
    node.frequency.value = hertz;
    node.connect(into);
    node.start();
    node.stop(this.context.currentTime + seconds);
    return node;
  }

  close() {
    this.closed = true;
    this.stop();
    this.ring(false);
    return this.context.close();
  }
}
