// New lines as the desk sends them. The browser reconnects by itself and says where it stopped.

const PATIENCE = 4000; // a shorter gap in the connection is nobody's concern

export class Stream {
  constructor({ onLine, onReset, onState, lastId }) {
    Object.assign(this, { onLine, onReset, onState, lastId });
    window.addEventListener("online", () => this.open());
    window.addEventListener("offline", () => this.onState(false));
    window.addEventListener("pageshow", (event) => event.persisted && this.reopen());
  }

  /** Connect, unless connected. A visitor without a history is sent away (204) until a message. */
  open() {
    if (this.source && this.source.readyState !== EventSource.CLOSED) return;
    this.source = new EventSource(`/chat/stream?after=${this.lastId()}`);
    this.source.onopen = () => this.#state(true);
    this.source.onerror = () => this.#state(this.source.readyState === EventSource.CLOSED && navigator.onLine);
    this.source.addEventListener("reset", () => this.onReset());
    this.source.onmessage = ({ data }) => this.onLine(JSON.parse(data));
  }

  reopen() {
    this.source?.close();
    this.open();
  }

  #state(good) {
    clearTimeout(this.timer);
    if (good) this.onState(true);
    else this.timer = setTimeout(() => this.onState(false), PATIENCE);
  }
}
