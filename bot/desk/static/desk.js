// The staff desk: live arrival, the sheet with a step's form, photo previews, toasts.
// Everything works without it too, by whole pages.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const title = document.title;

// --- toasts ---------------------------------------------------------------------------------

function toast(text, { head = "", href = "", bad = false } = {}) {
  const box = document.createElement(href ? "a" : "div");
  box.className = bad ? "toast toast--bad" : "toast";
  if (href) box.href = href;
  if (head) {
    const strong = document.createElement("strong");
    strong.textContent = head;
    box.append(strong);
  }
  const words = document.createElement("span");
  words.className = "toast__words";
  words.textContent = text;
  box.append(words);
  $("#toasts").append(box);
  setTimeout(() => box.remove(), head ? 8000 : 3500);
}

for (const shown of document.querySelectorAll("#toasts .toast")) setTimeout(() => shown.remove(), 3500);

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) return; // htmx goes to the log-in page
  const words = event.detail.xhr.responseText;
  toast(words.length < 200 ? words : "操作没有成功，请稍后再试。", { bad: true });
  htmx.trigger(document.body, "desk:change"); // what was shown is no longer so
});
document.addEventListener("htmx:sendError", () => toast("网络不通，请稍后再试。", { bad: true }));

// --- the sheet ------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const sheet = $("#sheet");
  if (event.target === sheet || event.target.closest("[data-close]")) sheet?.close();
  const menu = $("details.more[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
  const back = event.target.closest("[data-back]");
  const here = location.origin;
  if (back && document.referrer.startsWith(`${here}/desk`) && history.length > 1) {
    event.preventDefault();
    history.back();
  }
  const sample = event.target.closest("[data-fill-name]");
  if (sample) {
    $("#name").value = sample.dataset.fillName;
    $("#password").value = sample.dataset.fillPassword;
    $("form [type=submit]").focus();
  }
});

document.addEventListener("keydown", (event) => {
  const menu = $("details.more[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    $("summary", menu).focus();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  const put = event.detail.target;
  if (put.id === "sheet-body") {
    const menu = $("details.more[open]");
    if (menu) menu.open = false;
    if (!$("#sheet").open) $("#sheet").showModal();
    ($("[data-first]", put) || $(".btn--main", put))?.focus();
  }
});

document.addEventListener("desk:done", (event) => {
  if ($("#fresh")) $("#fresh").hidden = true;
  $("#sheet")?.close();
  toast(event.detail.text);
});

document.addEventListener("htmx:afterSettle", (event) => {
  badge();
  if (event.detail.requestConfig?.verb === "post") $("[data-focus]", event.detail.elt)?.focus();
});

// --- photos ---------------------------------------------------------------------------------

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-preview]")) return;
  const list = $(".photos--new", event.target.closest(".field"));
  list.replaceChildren(
    ...[...event.target.files].slice(0, 6).map((file) => {
      const item = document.createElement("li");
      const image = document.createElement("img");
      image.src = URL.createObjectURL(file);
      image.alt = `已选照片 ${file.name}`;
      image.onload = () => URL.revokeObjectURL(image.src);
      item.append(image);
      return item;
    }),
  );
});

// --- live arrival ---------------------------------------------------------------------------

function badge() {
  const waiting = Number($("#tasks")?.dataset.todo || 0);
  document.title = waiting ? `(${waiting}) ${title}` : title;
}

function busy() {
  const shown = $("#ticket");
  return $("#sheet")?.open || $("details.more[open]") || shown?.contains($("#phone .phone__call"));
}

// `events`: the newest event of each changed ticket. What is shown already is no news.
function changed(events) {
  const newest = Math.max(...Object.values(events));
  const list = $("#tasks, #queue");
  if (list && newest > Number(list.dataset.seen)) htmx.trigger(document.body, "desk:change");
  const ticket = $("#ticket");
  if (!ticket || !(events[ticket.dataset.number] > Number(ticket.dataset.seen))) return;
  if (busy()) $("#fresh").hidden = false;
  else htmx.trigger(ticket, "desk:refresh");
}

function listen(address) {
  const seen = $("[data-seen]")?.dataset.seen;
  const source = new EventSource(seen ? `${address}?since=${seen}` : address);
  const lamp = $("#live");
  source.addEventListener("hello", () => {
    lamp?.classList.add("is-on");
    lamp?.setAttribute("aria-label", "实时连接正常");
  });
  source.addEventListener("change", (event) => changed(JSON.parse(event.data)));
  source.addEventListener("alert", (event) => {
    const { kind, text, number } = JSON.parse(event.data);
    const head = kind === "task_card" ? "新任务" : "提醒";
    toast(text.replace("新任务 ", ""), { head, href: number ? `/desk/tickets/${number}` : "/desk/alerts" });
    navigator.vibrate?.(200);
  });
  source.onerror = () => {
    lamp?.classList.remove("is-on");
    lamp?.setAttribute("aria-label", "实时连接断开，正在重连");
    // Refused for good (logged out elsewhere, or the server restarts): look again later.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(address), 15000);
  };
}

document.addEventListener("DOMContentLoaded", () => {
  badge();
  const address = document.body.dataset.live;
  if (address) listen(address);
  $("#fresh")?.addEventListener("click", (event) => {
    event.currentTarget.hidden = true;
    htmx.trigger($("#ticket"), "desk:refresh");
  });
});
