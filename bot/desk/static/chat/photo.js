// Choosing a photo, looking at it before it goes, and looking at any photo in full size.

import { byId } from "./dom.js";

const MAX_BYTES = 10 * 1024 * 1024;
const SMALL = 1024 * 1024; // such a photo goes as it is
const SIDE = 2000;

export function setUpPhotos(send, complain) {
  const file = byId("file");
  const preview = byId("preview");
  let chosen = null;

  byId("photo").addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    const picked = file.files[0];
    file.value = "";
    if (!picked) return;
    chosen = await smaller(picked);
    if (chosen.size > MAX_BYTES) return complain("照片太大了，请发 10MB 以内的照片。");
    byId("preview-image").src = URL.createObjectURL(chosen);
    preview.showModal();
  });
  preview.addEventListener("click", ({ target }) => {
    const answer = target.dataset.preview;
    if (!answer) return;
    preview.close();
    if (answer === "send") send(chosen);
  });
  preview.addEventListener("close", () => {
    URL.revokeObjectURL(byId("preview-image").src);
    byId("text").focus({ preventScroll: true });
  });
}

/** A big photo is made smaller here: it goes faster, and the desk would do the same. */
async function smaller(file) {
  if (file.size <= SMALL) return file;
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width * scale);
    canvas.height = Math.round(image.height * scale);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    return blob ?? file;
  } catch {
    return file; // not something this browser can read; the desk will say what it thinks of it
  }
}

export function setUpViewer() {
  const viewer = byId("viewer");
  document.addEventListener("view-photo", ({ detail }) => {
    byId("viewer-image").src = detail;
    viewer.showModal();
  });
  viewer.addEventListener("click", () => viewer.close());
}
