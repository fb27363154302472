// The line of one phone: `WS /lab/phones/{number}/line`. Sound as it comes, notices as objects.

const CLOSED = {
  4409: "Somebody else sits at this phone already; take another number.",
  4422: "This is no number: 3 to 15 digits, with or without +.",
};

export class Line {
  constructor(number, { sound, notice, gone }) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/lab/phones/${encodeURIComponent(number)}/line`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (data instanceof ArrayBuffer ? sound(data) : notice(JSON.parse(data)));
    this.socket.onclose = ({ code, reason }) => gone(this.left ? "" : (CLOSED[code] ?? (reason || "The lab hung up the line: see that it runs, and switch on again.")));
    this.opened = new Promise((resolve) => { this.socket.onopen = resolve; });
  }

  send(event, more = {}) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ event, ...more }));
  }

  // What cannot leave at once is late, and late sound is no use: nothing queues here.
  speak(buffer) {
    if (this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < 16_000) this.socket.send(buffer);
  }

  close() {
    this.left = true;
    this.socket.close();
  }
}
