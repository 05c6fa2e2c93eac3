// The chat page: wires the log, the composer, what goes out and what comes in.

import { history, markRead } from "./api.js";
import { setUpComposer } from "./composer.js";
import { byId } from "./dom.js";
import { Log } from "./log.js";
import { Outgoing } from "./outgoing.js";
import { setUpPhotos, setUpViewer } from "./photo.js";
import { setState } from "./state.js";
import { Stream } from "./stream.js";
import { hideWelcome, showWelcome } from "./welcome.js";

const TIP_SECONDS = 4;
const READ_PAUSE = 600;
const RECENT = 60_000; // a question this young may still be being answered
let tipTimer = 0;
let readTimer = 0;
let read = 0;
let more = false;
let loading = false;

function tip(words) {
  const box = byId("tip");
  box.textContent = words;
  box.hidden = false;
  clearTimeout(tipTimer);
  tipTimer = setTimeout(() => (box.hidden = true), TIP_SECONDS * 1000);
}

/** Tell the desk what was read, not more often than needed. */
function seen(id) {
  if (id <= read) return;
  read = id;
  clearTimeout(readTimer);
  readTimer = setTimeout(tellRead, READ_PAUSE);
}

function tellRead() {
  clearTimeout(readTimer);
  readTimer = 0;
  markRead(read);
}

const tap = (payload, label) => outgoing.tap(payload, label);
const log = new Log({ tap, seen });
const stream = new Stream({
  onLine: (line) => log.add(line),
  onReset: () => {
    log.clear();
    hideWelcome();
    read = 0;
    more = false;
  },
  onState: (good) => setState("offline", !good),
  lastId: () => log.lastId,
});
const outgoing = new Outgoing(
  log,
  (message, words) => {
    tip(words);
    if (message.kind === "text" && !byId("text").value) composer.giveBack(message.text);
  },
  () => stream.open(),
);
const composer = setUpComposer({ sendText: (words) => outgoing.text(words), tap });
setUpPhotos((blob) => outgoing.photo(blob), tip);
setUpViewer();
window.addEventListener("pagehide", () => readTimer && tellRead());
window.addEventListener("online", () => outgoing.retryAll());

async function loadFirst() {
  const page = await history();
  ({ more } = page);
  if (page.more || page.lines.length) hideWelcome();
  else showWelcome(tap);
  log.showPage(page.lines, page.unread);
  const last = page.lines.at(-1);
  if (last?.mine && Date.now() - new Date(last.at) < RECENT) log.startTyping();
  outgoing.restore(new Set(page.lines.map((line) => line.key)));
  if (page.lines.length) stream.open();
  watchTop();
}

async function loadOlder() {
  if (!more || loading) return;
  loading = true;
  byId("older").hidden = false;
  try {
    const page = await history(log.firstId);
    ({ more } = page);
    byId("older").hidden = true;
    log.showOlder(page.lines);
  } catch {
    byId("older").hidden = true;
  }
  loading = false;
}

function watchTop() {
  const box = byId("log");
  box.addEventListener("scroll", () => box.scrollTop < 120 && loadOlder());
}

async function start() {
  try {
    await loadFirst();
  } catch (error) {
    tip(error.message);
    setTimeout(start, 3000);
  }
}

start();
