// What the page asks of the desk. Every failure becomes a Refused with words for the reader.

const OFFLINE = "网络不通，消息没有发出去。";

export class Refused extends Error {
  /** `again`: the same thing may work later, so keep it for resending. */
  constructor(text, again) {
    super(text);
    this.again = again;
  }
}

async function ask(address, options = {}) {
  const { seconds = 20, headers, ...rest } = options;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), seconds * 1000);
  let response;
  try {
    response = await fetch(address, {
      ...rest,
      headers: { Accept: "application/json", ...headers },
      signal: stop.signal,
    });
  } catch {
    throw new Refused(OFFLINE, true);
  } finally {
    clearTimeout(timer);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const again = response.status === 429 || response.status >= 500;
  throw new Refused(answer.error ?? "没有发送成功，请稍后再试。", again);
}

const json = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export const sendMessage = (message) => ask("/chat/messages", json(message));

export function sendPhoto(key, blob) {
  const body = new FormData();
  body.append("photo", blob, "photo.jpg");
  return ask(`/chat/photos?key=${encodeURIComponent(key)}`, { method: "POST", body, seconds: 90 });
}

export const history = (before) => ask(`/chat/history${before ? `?before=${before}` : ""}`);

/** `keepalive`: the request outlives the page that is being left. */
export const markRead = (upTo) =>
  ask("/chat/read", { ...json({ up_to: upTo }), keepalive: true }).catch(() => {});

/** A name for a message; sending it again under the same name is no second message. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Where the page came over plain HTTP, browsers keep randomUUID to themselves.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
