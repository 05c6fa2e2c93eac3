// Messages on their way out: one after the other, kept over a reload until the desk has them.

import { Refused, newKey, sendMessage, sendPhoto } from "./api.js";

const STORE = "linli.unsent";

export class Outgoing {
  /** `log` shows the lines; `refuse(message, words)` is told of what can never be sent. */
  constructor(log, refuse, onSent) {
    Object.assign(this, { log, refuse, onSent });
    this.queue = Promise.resolve();
    this.photos = new Map(); // key → Blob; photos are not kept over a reload
  }

  text(text) { this.#begin({ key: newKey(), kind: "text", text }); }
  tap(payload, label) { this.#begin({ key: newKey(), kind: "tap", text: payload, label }); }

  photo(blob) {
    const message = { key: newKey(), kind: "image" };
    this.photos.set(message.key, blob);
    this.log.addPending(message, URL.createObjectURL(blob));
    this.#enqueue(message);
  }

  /** After a reload: what was not sent, unless it did arrive. */
  restore(arrived) {
    for (const message of unsent()) {
      if (arrived.has(message.key)) forget(message.key);
      else {
        this.log.addPending(message);
        this.#enqueue(message);
      }
    }
  }

  /** The network is back. */
  retryAll() {
    for (const message of unsent()) if (this.failed?.has(message.key)) this.#enqueue(message);
  }

  #begin(message) {
    keep(message);
    this.log.addPending(message);
    this.#enqueue(message);
  }

  #enqueue(message) {
    this.failed ??= new Set();
    this.failed.delete(message.key);
    this.queue = this.queue.then(() => this.#send(message));
  }

  async #send(message) {
    if (!this.log.isPending(message.key)) return forget(message.key); // its line has come already
    try {
      const blob = this.photos.get(message.key);
      await (blob ? sendPhoto(message.key, blob) : sendMessage(message));
    } catch (error) {
      return this.#fail(message, error);
    }
    forget(message.key);
    this.photos.delete(message.key);
    this.log.sent(message.key);
    this.onSent();
  }

  #fail(message, error) {
    if (error instanceof Refused && !error.again) {
      forget(message.key);
      this.log.drop(message.key);
      return this.refuse(message, error.message);
    }
    this.failed.add(message.key);
    this.log.failed(message.key, error.message, () => this.#enqueue(message));
  }
}

function unsent() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? [];
  } catch {
    return [];
  }
}

const write = (messages) => localStorage.setItem(STORE, JSON.stringify(messages));
const keep = (message) => write([...unsent(), message].slice(-20));
const forget = (key) => write(unsent().filter((message) => message.key !== key));
