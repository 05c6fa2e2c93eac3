// The list of lines: put each where its id belongs, keep the reader's place, count what is new.

import { contentOf, isWide, ratingStart, thumbnail } from "./cards.js";
import { byId, clock, make } from "./dom.js";
import { setState } from "./state.js";

const PAUSE = 5 * 60 * 1000; // a time stands above a line after such a pause
const NEAR = 80; // pixels from the end that still count as being at the end
const TYPING_SECONDS = 60;

const log = byId("log");
const newest = byId("newest");

export class Log {
  /** `tap(payload, label)` sends a choice; `seen(id)` is told what the reader has before them. */
  constructor({ tap, seen }) {
    Object.assign(this, { tap, seen });
    this.rows = new Map(); // line id → element
    this.pending = new Map(); // message key → element of a line that has no id yet
    this.missed = 0;
    this.typing = null;
    newest.addEventListener("click", () => this.toEnd("smooth"));
    log.addEventListener("scroll", () => this.atEnd() && this.#seeAll());
    document.addEventListener("visibilitychange", () => this.atEnd() && this.#seeAll());
    new ResizeObserver(() => this.stuck && this.toEnd()).observe(log);
  }

  get firstId() { return Math.min(...this.rows.keys()); }
  get lastId() { return Math.max(0, ...this.rows.keys()); }
  get empty() { return this.rows.size === 0 && this.pending.size === 0; }

  atEnd() {
    this.stuck = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    return this.stuck;
  }

  toEnd(behavior = "instant") {
    this.stuck = true;
    log.scrollTo({ top: log.scrollHeight, behavior });
    this.#seeAll();
  }

  /** The first page: no announcement for each old line, and the reader starts where news begin. */
  showPage(lines, unread) {
    this.#quietly(() => lines.forEach((line) => this.#place(line)));
    const fresh = lines.filter((line) => !line.mine).slice(-unread);
    if (unread && fresh.length) this.#divide(this.rows.get(fresh[0].id));
    else this.toEnd();
    this.#afterChange();
  }

  /** An older page, above: what is before the reader's eyes stays there. */
  showOlder(lines) {
    const before = log.scrollHeight - log.scrollTop;
    this.#quietly(() => lines.forEach((line) => this.#place(line)));
    this.#afterChange();
    log.scrollTop = log.scrollHeight - before;
  }

  /** A line that has just come. */
  add(line) {
    if (this.rows.has(line.id)) return;
    const follow = this.atEnd();
    if (line.mine) this.#settle(line);
    else this.stopTyping();
    this.#place(line);
    if (line.mine) this.startTyping();
    this.#afterChange();
    if (follow || line.mine) this.toEnd();
    else this.#miss();
  }

  /** A line of mine that is on its way. */
  addPending(message, image) {
    const row = this.#row({ mine: true, kind: message.kind, text: message.label || message.text, image });
    row.classList.add("sending");
    this.pending.set(message.key, row);
    log.append(row);
    this.#afterChange();
    this.toEnd();
  }

  isPending(key) { return this.pending.has(key); }

  /** The desk has it. Its line will come with its id; until then it looks sent. */
  sent(key) {
    const row = this.pending.get(key);
    row?.classList.remove("sending");
    row?.querySelector(".failed")?.remove();
    if (row) this.startTyping();
  }

  failed(key, words, resend) {
    const row = this.pending.get(key);
    if (!row) return;
    row.classList.remove("sending");
    row.querySelector(".failed")?.remove();
    const again = make("button", "", "重新发送");
    again.type = "button";
    again.addEventListener("click", () => {
      row.querySelector(".failed").remove();
      row.classList.add("sending");
      resend();
    });
    row.querySelector(".content").append(make("div", "failed", words, again));
    this.stopTyping();
    this.toEnd();
  }

  drop(key) {
    this.pending.get(key)?.remove();
    this.pending.delete(key);
  }

  /** The reader had the history deleted. */
  clear() {
    this.stopTyping();
    log.querySelectorAll(":scope > .line, :scope > .time, :scope > .divider").forEach((row) => row.remove());
    this.rows.clear();
    this.pending.clear();
  }

  startTyping() {
    this.stopTyping();
    const dots = make("span", "dots", make("i"), make("i"), make("i"));
    this.typing = this.#frame(false, make("div", "bubble", dots));
    this.typing.setAttribute("aria-hidden", "true");
    log.append(this.typing);
    setState("typing", true);
    this.typingTimer = setTimeout(() => this.stopTyping(), TYPING_SECONDS * 1000);
    if (this.stuck) this.toEnd();
  }

  stopTyping() {
    clearTimeout(this.typingTimer);
    this.typing?.remove();
    this.typing = null;
    setState("typing", false);
  }

  #place(line) {
    if (this.rows.has(line.id)) return;
    const row = this.#row(line);
    row.dataset.id = line.id;
    row.dataset.at = line.at;
    const later = [...this.rows.keys()].filter((id) => id > line.id);
    const next = later.length ? this.rows.get(Math.min(...later)) : this.#firstLoose();
    log.insertBefore(row, next);
    this.rows.set(line.id, row);
  }

  /** Where lines without an id begin: they are the youngest, with the typing dots behind them. */
  #firstLoose() {
    return this.pending.values().next().value ?? this.typing;
  }

  #settle(line) {
    const row = this.pending.get(line.key);
    if (!row) return;
    row.remove();
    this.pending.delete(line.key);
  }

  #row(line) {
    if (!line.mine) return this.#frame(false, ...contentOf(line, this.tap), isWide(line));
    const shown = line.image
      ? thumbnail(line.image, "我发的照片")
      : make("div", "bubble", line.text);
    const row = this.#frame(true, shown);
    row.dataset.text = line.text;
    return row;
  }

  #frame(mine, ...content) {
    const wide = content.at(-1) === true;
    const parts = content.filter((part) => typeof part !== "boolean");
    const side = mine ? "line_mine" : "line_other";
    const who = make("span", "visually-hidden", mine ? "我：" : "邻里：");
    return make(
      "article", `line ${side}${wide ? " line_wide" : ""}`,
      make("span", "avatar"), make("div", "content", who, ...parts),
    );
  }

  #divide(row) {
    const divider = make("p", "divider", "以下是新消息");
    row.before(divider);
    divider.scrollIntoView({ block: "start" });
    if (this.atEnd()) this.#seeAll();
    else this.#miss(0);
  }

  #quietly(change) {
    log.setAttribute("aria-live", "off");
    change();
    requestAnimationFrame(() => log.setAttribute("aria-live", "polite"));
  }

  #miss(more = 1) {
    this.missed += more;
    newest.textContent = this.missed ? `${this.missed} 条新消息 ↓` : "回到最新 ↓";
    newest.hidden = false;
    document.title = this.missed && document.hidden ? `(${this.missed}) 邻里` : "邻里";
  }

  #seeAll() {
    if (document.hidden) return;
    this.missed = 0;
    newest.hidden = true;
    document.title = "邻里";
    if (this.lastId) this.seen(this.lastId);
  }

  /** Times between lines, and choices that are past. */
  #afterChange() {
    log.querySelectorAll(".time").forEach((time) => time.remove());
    let last = 0;
    const lines = [...log.querySelectorAll(".line[data-at]")];
    for (const row of lines) {
      const at = new Date(row.dataset.at);
      if (at - last > PAUSE) row.before(make("p", "time", clock(at)));
      last = at;
    }
    this.#closePast();
  }

  /** A choice can be tapped until something is said after it; a rating until it is given. */
  #closePast() {
    const mine = [...log.querySelectorAll(".line_mine")];
    const lastMine = mine.at(-1);
    for (const row of log.querySelectorAll(".line_other")) {
      const rating = row.querySelector(".rating");
      const past = rating
        ? mine.some((said) => said.dataset.text?.startsWith(ratingStart(rating.dataset.number)))
        : Boolean(lastMine && row.compareDocumentPosition(lastMine) & Node.DOCUMENT_POSITION_FOLLOWING);
      if (rating && past) rating.replaceWith(make("p", "card__text", "已评价，谢谢您。"));
      else row.classList.toggle("past", past);
    }
  }
}
