// The line under the title: what matters most of what is going on.

import { byId } from "./dom.js";

const WORDS = { offline: "网络不太好，正在重新连接…", typing: "对方正在输入…" };
const going = new Set();

/** Say that something is going on, or no more. */
export function setState(name, on) {
  if (on) going.add(name);
  else going.delete(name);
  const first = Object.keys(WORDS).find((key) => going.has(key));
  byId("state").textContent = WORDS[first] ?? "";
}
