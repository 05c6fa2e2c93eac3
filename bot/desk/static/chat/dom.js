// Small helpers to build elements. Text always goes in as text, never as HTML.

/** make("p", "note", "text" or child, …) */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function button(className, text, onTap) {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", onTap);
  return element;
}

export const byId = (id) => document.getElementById(id);

// A run of digits and hyphens; only a whole run can be a telephone number.
const NUMBER = /([A-Za-z0-9-]*\d[A-Za-z0-9-]*)/;
const PHONE = /^(1[3-9]\d{9}|0\d{2,3}-?\d{7,8}|12\d{3}|110|119|120)$/;

/** Text with telephone numbers that can be tapped. */
export function withPhones(text) {
  return text.split(NUMBER).map((part) => (PHONE.test(part) ? phone(part) : part));
}

export function phone(number) {
  const link = make("a", "", number);
  link.href = `tel:${number}`;
  return link;
}

const pad = (number) => String(number).padStart(2, "0");

/** A moment as WeChat writes it: 14:05 · 昨天 14:05 · 3月8日 14:05 · 2025年3月8日 14:05 */
export function clock(at, now = new Date()) {
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  if (at >= midnight) return time;
  if (at >= midnight - 24 * 3600 * 1000) return `昨天 ${time}`;
  const day = `${at.getMonth() + 1}月${at.getDate()}日 ${time}`;
  return at.getFullYear() === now.getFullYear() ? day : `${at.getFullYear()}年${day}`;
}
