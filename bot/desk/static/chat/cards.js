// What stands inside a line that the service wrote: text, choices, cards, notices, rating.

import { button, make, phone, withPhones } from "./dom.js";

/** The parts of an outgoing line. `tap(payload, label)` sends a choice. */
export function contentOf(line, tap) {
  if (line.kind === "notice") return [notice(line, tap)];
  const draw = { confirm, ticket }[line.card?.type];
  if (draw) return [draw(line, tap)];
  return [
    line.text && make("div", "bubble", ...withPhones(line.text)),
    line.card && make("div", "card", head(line.card.title ?? ""), rows(line.card.rows ?? [])),
    line.image && thumbnail(line.image, "图片"),
    choices(line.buttons, tap),
  ].filter(Boolean);
}

export const isWide = (line) => line.kind === "notice" || Boolean(line.card);

/** Choices go once something is said after them, unless the line says that they last. */
function choices(buttons, tap, firstIsMain = false) {
  if (!buttons.length) return null;
  const list = buttons.map(({ title, payload }, index) => {
    const main = firstIsMain && index === 0 ? " choice_main" : "";
    return button(`choice${main}`, title, () => tap(payload, title));
  });
  return make("div", "choices while-open", ...list);
}

function head(title, tag, tagClass = "card__tag") {
  const mark = tag ? make("span", tagClass, tag) : null;
  return make("div", "card__head", make("h2", "card__title", title), mark);
}

function rows(pairs) {
  const list = make("dl", "card__rows");
  for (const [name, value] of pairs) {
    if (!value) continue;
    const shown = typeof value === "string" ? withPhones(value) : [value];
    list.append(make("dt", "", name), make("dd", "", ...shown));
  }
  return list;
}

function confirm(line, tap) {
  const { title, rows: pairs } = line.card;
  return make(
    "div", "card",
    head(title ?? "请核对", "待确认", "card__tag while-open"),
    rows(pairs ?? []),
    line.text && make("p", "card__text", ...withPhones(line.text)),
    choices(line.buttons, tap, true),
  );
}

function ticket(line, tap) {
  const { number, title, who, phone: call, due } = line.card;
  const status = `/ticket_status${JSON.stringify({ ticket_number: number })}`;
  return make(
    "div", "card",
    head("已受理", "办理中"),
    rows([
      ["编号", make("span", "card__number", number)],
      ["事项", title],
      ["负责人", who],
      ["电话", call ? phone(call) : ""],
      ["联系时限", due],
    ]),
    line.text && make("p", "card__text", ...withPhones(line.text)),
    choices(line.buttons, tap),
    make("div", "choices", button("choice", "查看进度", () => tap(status, "查看进度"))),
  );
}

function notice(line, tap) {
  const card = make(
    "div", "card",
    head(line.card?.title ?? "办理进度", line.number),
    make("p", "card__text card__text_main", ...withPhones(line.text)),
  );
  if (line.images.length) {
    const photos = line.images.map((address) => thumbnail(address, "办理照片"));
    card.append(make("div", "card__photos", ...photos));
  }
  if (line.rate) card.append(rating(line.number, tap));
  // A notice may be read days later: its choices stay.
  const list = line.buttons.map(({ title, payload }) =>
    button("choice", title, () => tap(payload, title)));
  if (list.length) card.append(make("div", "choices", ...list));
  return card;
}

export function thumbnail(address, words) {
  const image = make("img");
  image.src = address;
  image.alt = words;
  image.loading = "lazy";
  const open = button("thumb", image, () =>
    open.dispatchEvent(new CustomEvent("view-photo", { bubbles: true, detail: address })),
  );
  open.setAttribute("aria-label", `${words}，点开放大`);
  return open;
}

/** Stars and 已解决/未解决; sends one choice. A form, so that arrow keys and readers work. */
function rating(number, tap) {
  const form = make("form", "rating");
  const send = button("choice choice_main", "提交评价", () => {});
  send.type = "submit";
  send.disabled = true;
  form.append(starField(number), solvedField(number), make("div", "choices", send));
  form.dataset.number = number;
  form.addEventListener("change", () => {
    paint(form);
    const chosen = new FormData(form);
    send.disabled = !(chosen.get("stars") && chosen.get("solved"));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form);
    const stars = Number(chosen.get("stars"));
    const solved = chosen.get("solved") === "yes";
    const payload = JSON.stringify({ ticket_number: number, rating: stars, solved });
    tap(`/ticket_rate${payload}`, ratingLabel(number, stars, solved));
  });
  return form;
}

export const ratingLabel = (number, stars, solved) =>
  `${ratingStart(number)}${stars}星，${solved ? "已解决" : "未解决"}`;
export const ratingStart = (number) => `评价${number}：`;

function option(className, name, value, words, shown) {
  const input = make("input");
  Object.assign(input, { type: "radio", name, value });
  input.setAttribute("aria-label", words);
  return make("label", className, input, make("span", "", shown));
}

function starField() {
  const stars = [1, 2, 3, 4, 5].map((n) => option("star", "stars", n, `${n}星`, "★"));
  return make("fieldset", "", make("legend", "", "您满意吗？"), make("div", "stars", ...stars));
}

function solvedField() {
  return make(
    "fieldset", "",
    make("legend", "", "问题解决了吗？"),
    make(
      "div", "solved",
      option("", "solved", "yes", "已解决", "已解决"),
      option("", "solved", "no", "未解决", "未解决"),
    ),
  );
}

function paint(form) {
  const stars = Number(new FormData(form).get("stars") ?? 0);
  form.querySelectorAll(".star").forEach((star, index) => star.classList.toggle("star_on", index < stars));
  form.querySelectorAll(".solved label").forEach((label) =>
    label.classList.toggle("picked", label.firstChild.checked));
}
