// The corpus centre: labels by keyboard, marked words, progress of training.
"use strict";

(() => {
  const next = () => document.querySelector("#cards [data-card]");

  function show() {
    document.querySelectorAll(".is-next").forEach((card) => card.classList.remove("is-next"));
    next()?.classList.add("is-next");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    const undos = document.querySelectorAll("[data-done] [data-key=u]");
    const button = key === "u" ? undos[undos.length - 1] : next()?.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
  });

  document.addEventListener("htmx:afterSettle", () => {
    show();
    const card = next();
    if (card) card.scrollIntoView({ block: "nearest" });
  });
  show();

  // --- marked words: a field start:end:name for each ---------------------------------------

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-mark]");
    if (!button) return;
    const card = button.closest("[data-card]");
    const said = card.querySelector("[data-said]");
    const range = getSelection().rangeCount ? getSelection().getRangeAt(0) : null;
    if (!range || range.collapsed || !said.contains(range.commonAncestorContainer)) return;
    const before = range.cloneRange();
    before.selectNodeContents(said);
    before.setEnd(range.startContainer, range.startOffset);
    const start = [...before.toString()].length; // code points, as the server counts
    const end = start + [...range.toString()].length;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "entity";
    field.value = `${start}:${end}:${button.dataset.mark}`;
    card.querySelector("[data-marks]").append(field);
    button.textContent += `「${range.toString()}」`;
  });

  // --- progress ----------------------------------------------------------------------------

  const job = document.querySelector("[data-job]");
  if (job) {
    const source = new EventSource(job.dataset.job);
    source.addEventListener("progress", (event) => {
      const { stage, progress, log } = JSON.parse(event.data);
      job.querySelector("[data-stage]").textContent = `${stage}（${progress}%）`;
      job.querySelector("progress").value = progress;
      job.querySelector("[data-log]").textContent = log;
    });
    source.addEventListener("end", (event) => {
      source.close();
      const { model } = JSON.parse(event.data);
      location.href = model ? `/desk/corpus/models/${model}` : "/desk/corpus/models";
    });
  }
})();
