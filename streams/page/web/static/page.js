// Keeps the page live, and lets keys press what the page shows. Everything works without it too,
// except that the figures stay as they were. There are no inline handlers and no eval.
"use strict";

const SAID_MS = 6000;
const keysOn = () => localStorage.getItem("keys") !== "off";
const formToken = () => document.querySelector('meta[name="form-token"]').content;

// Live parts: after an event, each is asked for again, and replaced where it differs.

// A form that a person has opened, filled in or sent is not replaced.
function inUse(part) {
  return part.querySelector("details[open] form, form[data-sent]") !== null
    || [...part.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue);
}

async function refresh(part) {
  const response = await fetch(part.dataset.live, { headers: { "X-Part": "1" } });
  if (!response.ok || response.redirected) return;
  const html = await response.text();
  if (part.lastHtml === html || inUse(part)) return;
  part.lastHtml = html;
  const fresh = part.cloneNode(false);
  fresh.append(document.createRange().createContextualFragment(html));
  if (fresh.isEqualNode(part)) return; // as the page was made
  // What a person has opened, chosen or scrolled in a part stays so.
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  const places = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const focused = focusables(part).indexOf(document.activeElement);
  part.replaceChildren(...fresh.childNodes);
  part.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? one.open; });
  part.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = places[at] ?? 0; });
  if (focused >= 0) focusables(part)[focused]?.focus({ preventScroll: true });
}

function focusables(part) {
  return [...part.querySelectorAll("a, button, summary, [tabindex]")];
}

// What takes a while to make is asked for once the page is there.
async function load(part) {
  part.setAttribute("aria-busy", "true");
  const response = await fetch(part.dataset.load, { headers: { "X-Part": "1" } }).catch(() => null);
  part.removeAttribute("aria-busy");
  if (!response?.ok || response.redirected) return; // the link is there still
  part.replaceChildren(document.createRange().createContextualFragment(await response.text()));
}

let refreshing = false;
let again = false;

async function refreshAll() {
  if (document.hidden || refreshing) { again = true; return; }
  refreshing = true;
  again = false;
  try {
    await Promise.all([...document.querySelectorAll("[data-live]")].map(refresh));
  } catch { /* the server is away: the stream of events comes back with it */ }
  refreshing = false;
  if (again && !document.hidden) refreshAll();
}

// The stream of events. A browser has six connections to a server, so only a tab that is shown
// holds one of them.

const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30000;
let events = null;
let retryMs = RETRY_MS;
let retrying;
let wasAway = false;

function listen() {
  clearTimeout(retrying);
  events?.close();
  events = null;
  // The server may be started again while nothing is heard of it.
  if (document.hidden) { wasAway = true; return; }
  events = new EventSource("/events");
  // The first event comes at once: the stream may have changed since the page was made.
  events.addEventListener("change", refreshAll);
  events.onopen = () => {
    retryMs = RETRY_MS;
    if (wasAway) renewFormToken().catch(() => {});
    wasAway = false;
  };
  events.onerror = () => away(events.readyState === EventSource.CLOSED);
}

// After another answer than the stream, the browser does not ask for it again by itself.
async function away(closed) {
  wasAway = true;
  showAway(document.createTextNode("not live: the page's server does not answer"));
  if (!closed) return;
  retrying = setTimeout(listen, retryMs);
  retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
  const asked = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
  if (asked?.type !== "opaqueredirect") return;
  const link = document.createElement("a");
  link.href = `/login?back=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "not live: sign in again";
  showAway(link);
}

function showAway(content) {
  const state = document.querySelector(".state");
  if (state) { state.replaceChildren(content); state.lastHtml = null; }
}

// A server that was started again takes no form of before. Any page has the token: the one that is
// shown may be the answer to a form, and has no address.
async function renewFormToken() {
  const response = await fetch("/keys");
  if (!response.ok || response.redirected) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const token = page.querySelector('meta[name="form-token"]')?.content;
  if (!token) return;
  document.querySelector('meta[name="form-token"]').content = token;
  document.querySelectorAll('input[name="form_token"]').forEach((one) => { one.value = token; });
}

function follow() {
  listen();
  // What was not replaced while it was open is replaced when it is closed.
  document.addEventListener("toggle", (event) => {
    if (!event.target.open && event.target.matches("[data-live] details:has(form)")) refreshAll();
  }, true);
  document.addEventListener("visibilitychange", listen);
}

// Keys.

function typing(target) {
  return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

function rows() {
  return [...document.querySelectorAll("[data-rows] .row")];
}

function move(by) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement);
  const to = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[to].focus();
}

function say(text, bad) {
  const said = document.querySelector("[data-said]");
  said.textContent = text;
  said.classList.toggle("bad", Boolean(bad));
  clearTimeout(say.timer);
  if (!bad) say.timer = setTimeout(() => { said.textContent = ""; }, SAID_MS);
}

const ACTIONS = { a: ["accept"], d: ["drop"], u: ["undo"] };
for (const grade of "12345") ACTIONS[grade] = ["rate", { score: grade }];

const PENDING = "… · ";

// One after the other, in the order of the keys: the last one decides.
let acting = Promise.resolve();
let waiting = 0; // for answers

function actOn(row, key) {
  const item = row.closest("[data-item]");
  item.done ??= item.querySelector(".now")?.textContent ?? "";
  item.waiting = (item.waiting ?? 0) + 1;
  waiting += 1;
  note(item, PENDING);
  acting = acting.then(() => act(item, key))
    .catch(() => say("the page's server does not answer", true))
    .finally(() => {
      waiting -= 1;
      item.waiting -= 1;
      note(item, item.waiting > 0 ? PENDING : item.done);
    });
}

async function act(item, key) {
  const [action, fields = {}] = ACTIONS[key];
  let response = await send(item, action, fields);
  if (response.status === 403) {
    await renewFormToken();
    response = await send(item, action, fields);
  }
  const answer = answerOf(await response.text());
  say(answer.done ?? answer.error, !response.ok);
  if (answer.changed) item.done = `${action === "rate" ? `rated ${key}` : action} · `;
}

function send(item, action, fields) {
  return fetch(`/item/${action}?${item.dataset.item}`, {
    method: "POST",
    headers: { "Accept": "application/json", "X-Form-Token": formToken() },
    body: new URLSearchParams(fields),
  });
}

// What refuses a request before it is read answers with a line of text.
function answerOf(text) {
  try { return JSON.parse(text); } catch { return { error: text.slice(0, 300) }; }
}

// What keys asked for is sent before another page is opened.
function holdBack(event) {
  const link = event.target.closest("a[href]");
  if (!link || waiting === 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  say("The page is left when your last keys are written.");
  acting.then(() => link.click());
}

function note(item, text) {
  let now = item.querySelector(".now");
  if (!text) { now?.remove(); return; }
  if (!now) {
    now = document.createElement("span");
    now.className = "now human";
    item.querySelector(".notes").prepend(now);
  }
  now.textContent = text;
}

function onKey(event) {
  if (!keysOn() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
  if (typing(event.target)) return;
  const key = event.key;
  const row = document.activeElement?.closest("[data-rows] .row");
  const steps = { j: 1, k: -1, ...(row ? { ArrowDown: 1, ArrowUp: -1 } : {}) };
  if (key in steps && rows().length > 0) {
    event.preventDefault();
    move(steps[key]);
    return;
  }
  if (row && row.closest("[data-item]") && key in ACTIONS) {
    event.preventDefault();
    actOn(row, key);
    return;
  }
  const pressed = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  if (!pressed) return;
  event.preventDefault();
  if (pressed.matches("input")) { pressed.focus(); pressed.select(); return; }
  pressed.click();
  if (pressed.matches("summary") && pressed.parentElement.open) {
    pressed.parentElement.querySelector("textarea")?.focus();
  }
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", holdBack);
window.addEventListener("beforeunload", (event) => { if (waiting > 0) event.preventDefault(); });
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-keys-on]")) localStorage.setItem("keys", event.target.checked ? "on" : "off");
});
// A key that is pressed twice must not decide twice.
document.addEventListener("submit", (event) => {
  if (event.target.method === "post") {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  }
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
});
const box = document.querySelector("[data-keys-on]");
if (box) box.checked = keysOn();
// An empty field of a filter need not stand in the address.
document.querySelectorAll("form[method=get]").forEach((form) => form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
}));
document.querySelectorAll("[data-load]").forEach(load);
if (document.querySelector("[data-live]")) follow();
