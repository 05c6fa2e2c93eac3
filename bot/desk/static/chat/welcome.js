// First use: what this is, how data is used, and where the reader lives (may be skipped).

import { button, byId, make } from "./dom.js";

const SKIPPED = "linli.home-skipped";
const HELLO =
  "您好，我是邻里。漏水停电、看病养老、邻里纠纷……有事直接说，我来建单，派给离您最近的工作人员，" +
  "办到哪一步都会告诉您。";
const CONSENT =
  "您的住址、电话和照片只用来办理您反映的事。发送“删除我的数据”可以随时删除。";

export function showWelcome(tap) {
  const place = byId("welcome");
  place.replaceChildren(
    line(make("div", "bubble", HELLO)),
    ...(localStorage.getItem(SKIPPED) ? [] : [line(picker(place, tap), true)]),
  );
  place.hidden = false;
}

export const hideWelcome = () => byId("welcome").replaceChildren();

function line(content, wide = false) {
  return make(
    "article", `line line_other${wide ? " line_wide" : ""}`,
    make("span", "avatar"), make("div", "content", content),
  );
}

function picker(place, tap) {
  const estates = JSON.parse(place.dataset.estates);
  const title = make("h2", "card__title", "您住在哪个小区？");
  title.tabIndex = -1;
  const chips = make("div", "chips");
  const back = button("", "‹ 重选小区", () => showEstates());
  const card = make(
    "div", "card",
    make("div", "card__head", title),
    make("p", "card__text", "选好后，报事就不用每次说地址；也可以直接打字告诉我。"),
    chips,
    make("p", "card__text", CONSENT),
    make("div", "card__links", button("", "隐私说明", () => tap("/privacy", "隐私说明")), back,
      button("", "先跳过", skip)),
  );

  function show(words, buttons, inner) {
    title.textContent = words;
    back.hidden = !inner;
    chips.replaceChildren(...buttons);
  }
  function showEstates() {
    show("您住在哪个小区？", estates.map((estate) =>
      button("chip", estate[0], () => { showBuildings(estate); title.focus(); })), false);
  }
  function showBuildings([estate, buildings]) {
    show(`${estate}几号楼？`, buildings.map(([id, name]) =>
      button("chip", name, () => choose(id, name.startsWith(estate) ? name : estate + name))), true);
  }
  function choose(id, name) {
    card.parentElement.parentElement.remove();
    tap(`/set_home${JSON.stringify({ building_id: id })}`, `我住在${name}`);
  }
  function skip() {
    localStorage.setItem(SKIPPED, "1");
    card.parentElement.parentElement.remove();
    byId("text").focus();
  }
  showEstates();
  return card;
}
