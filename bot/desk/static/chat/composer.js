// The input: grows with its text, sends on Enter, offers the menu and examples.

import { button, byId } from "./dom.js";

const EXAMPLES = [
  "3号楼2单元501厨房漏水", "电梯坏了", "路灯不亮", "楼上半夜太吵", "家里老人要人照顾", "医保怎么报销",
];
const LINES = 5;

export function setUpComposer({ sendText, tap }) {
  const text = byId("text");
  const examples = byId("examples");
  const report = document.querySelector("[data-menu=report]");

  const fit = () => {
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight, LINES * 22 + 18)}px`;
    byId("send").hidden = !text.value.trim();
    byId("photo").hidden = Boolean(text.value.trim());
  };
  const showExamples = (yes) => {
    examples.hidden = !yes;
    report.setAttribute("aria-expanded", String(yes));
  };
  const fill = (words) => {
    text.value = words;
    fit();
    showExamples(false);
    text.focus();
  };

  examples.querySelector(".examples__list").append(
    ...EXAMPLES.map((words) => button("", words, () => fill(words))));
  text.addEventListener("input", fit);
  text.addEventListener("keydown", (event) => {
    // While a Chinese input method composes, Enter picks a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("form").requestSubmit();
  });
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const words = text.value.trim();
    if (!words) return;
    fill("");
    sendText(words);
  });
  document.querySelector(".menu").addEventListener("click", ({ target }) => {
    const choice = target.dataset.menu;
    if (choice === "report") {
      showExamples(examples.hidden);
      if (!examples.hidden) text.focus();
    }
    if (choice === "status") tap("/ticket_status", "查进度");
    if (choice === "menu") tap("/menu", "菜单");
  });
  return { giveBack: fill };
}
