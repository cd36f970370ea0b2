// Fetches the page again and again, and puts what changed into the one that is open.

const STORED = "stream-events.refresh";
const IDLE = 30 * 60_000; // milliseconds without a touch after which nobody is here
const SPOKEN = 15_000; // between two sentences of the screen reader
const PATIENCE = 10_000; // for an answer
const FIRST_PAUSE = 5_000; // after a failure; doubled up to the longest
const LONGEST_PAUSE = 60_000;
const CHANGED = "se-changed";
const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

const bar = document.getElementById("se-live");
const choice = bar.querySelector("select");
const problem = document.getElementById("se-live-problem");
const said = document.getElementById("se-live-said");
const floor = Number(bar.dataset.minRefresh) * 1000;
const time = clock();

let updatedAt = Date.now();
let triedAt = updatedAt;
let touchedAt = updatedAt;
let spokenAt = 0;
let pause = 0; // after a failure
let isAsking = false;
let isOver = false;

// Times as the server writes them, if the browser knows its zone.
function clock() {
  const language = document.documentElement.lang || undefined;
  const options = { timeStyle: "medium", hourCycle: "h23" };
  try {
    return new Intl.DateTimeFormat(language, { ...options, timeZone: bar.dataset.zone });
  } catch {
    return new Intl.DateTimeFormat(language, options);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function sentence(name, value) {
  return bar.dataset[name].replace("%s", value);
}

// What is kept up to date, by its key; the rows of a list are a region of their own.
function regions(root) {
  const found = new Map([...root.querySelectorAll("[data-se-live]")].map((each) => [each.dataset.seLive, each]));
  const rows = root.querySelector("#result_list > tbody");
  if (rows) found.set("#result_list", rows);
  return found;
}

function isDirty(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
  const usual = Math.max([...field.options].findIndex((option) => option.defaultSelected), field.multiple ? -1 : 0);
  return field.selectedIndex !== usual;
}

// The name of the sentence that says why this is no moment to change the page; empty if it is one.
function obstacle() {
  const ours = (field) => bar.contains(field) || field.closest("dialog, #header, #nav-sidebar, #toggle-nav-sidebar");
  const fields = [...document.querySelectorAll("input, textarea, select")].filter((field) => !ours(field));
  if (fields.some((field) => field.type !== "hidden" && isDirty(field))) return "paused";
  const open = (region) => region.closest("details[open]") || region.querySelector("details[open]");
  return [...regions(document).values()].some(open) ? "open" : "";
}

// A row is the one that it was if its key is, or else the box that selects it, the link that opens it, or its name.
function key(row) {
  const box = row.querySelector("input.action-select");
  const head = row.querySelector("th") ?? row.cells[0];
  const link = head?.querySelector("a[href]");
  return row.dataset.key ?? box?.value ?? link?.getAttribute("href") ?? (head?.firstElementChild ?? head)?.textContent;
}

// Puts `made` in the place of `old`; the focus stays where it was, by its place among what can have it.
function replace(old, made) {
  const at = [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  old.replaceWith(made);
  if (at >= 0) made.querySelectorAll(FOCUSABLE)[at]?.focus({ preventScroll: true });
}

function updateCells(row, made) {
  const others = [...made.cells]; // those that are put into the page leave `made`
  let changed = false;
  [...row.cells].forEach((cell, at) => {
    const other = others[at];
    if (cell.isEqualNode(other)) return;
    if (!other.querySelector("time")) {
      other.classList.add(CHANGED);
      changed = true;
    }
    replace(cell, other);
  });
  return changed;
}

function unmark(cell) {
  cell.classList.remove(CHANGED);
  if (!cell.classList.length) cell.removeAttribute("class");
}

// Calls `change`, after which the focus is in the same row and at the same place again: a row that moves loses it.
function keepFocus(body, change) {
  const row = document.activeElement.closest("tr");
  const at = row && body.contains(row) ? [...row.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement) : -1;
  const result = change();
  if (at >= 0 && !row.contains(document.activeElement)) {
    row.querySelectorAll(FOCUSABLE)[at]?.focus({ preventScroll: true });
  }
  return result;
}

// Makes the rows of `body` those of `fresh`, and leaves those alone that are the same; returns how many are not.
function updateRows(body, fresh) {
  body.querySelectorAll(`.${CHANGED}`).forEach(unmark);
  const known = new Map([...body.rows].map((row) => [key(row), row]));
  let changed = 0;
  let place = body.rows[0] ?? null;
  for (const made of [...fresh.rows]) {
    let row = known.get(key(made));
    known.delete(key(made));
    if (row && row.cells.length === made.cells.length) {
      changed += updateCells(row, made);
    } else {
      if (row && place === row) place = row.nextElementSibling;
      row?.remove();
      row = made;
      changed += 1;
    }
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  for (const row of known.values()) row.remove();
  return changed + known.size;
}

function update(fresh) {
  const shown = regions(document);
  const found = regions(fresh);
  if (bar.hasAttribute("data-unavailable") || [...shown.keys()].join() !== [...found.keys()].join()) {
    location.reload(); // other parts than before: only the server can put them together
    return;
  }
  let changed = 0;
  for (const [name, region] of shown) {
    const made = document.adoptNode(found.get(name));
    if (region.tagName === "TBODY") changed += keepFocus(region, () => updateRows(region, made));
    else if (!region.isEqualNode(made)) replace(region, made);
  }
  if (changed) say(sentence("rows", changed));
  document.dispatchEvent(new CustomEvent("stream-events:refreshed"));
}

function say(text) {
  if (Date.now() - spokenAt < SPOKEN) return;
  spokenAt = Date.now();
  said.textContent = text;
}

function fail() {
  pause = Math.min(Math.max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE);
  if (bar.hasAttribute("data-unavailable")) return; // the page says so itself
  setText(problem, sentence("failed", time.format(updatedAt)));
  problem.hidden = false;
  document.body.classList.add("is-stale");
}

function succeed() {
  pause = 0;
  updatedAt = Date.now();
  problem.hidden = true;
  document.body.classList.remove("is-stale");
  setText(bar.querySelector(".se-live-state"), sentence("updated", time.format(updatedAt)));
}

// The page as the server has it now; nothing if it is not to be had.
async function ask() {
  const headers = { "X-Stream-Events-Poll": "1" };
  try {
    const answer = await fetch(location.href, { headers, redirect: "manual", signal: AbortSignal.timeout(PATIENCE) });
    if (answer.type === "opaqueredirect") leave();
    return answer.ok ? await answer.text() : "";
  } catch {
    return "";
  }
}

function leave() {
  isOver = true;
  setText(problem, bar.dataset.signedOut);
  problem.hidden = false;
}

async function refresh() {
  if (isAsking || isOver) return;
  isAsking = true;
  triedAt = Date.now();
  const text = await ask();
  isAsking = false;
  if (isOver || (text && obstacle())) return; // which may have come since it was asked for
  if (!text) return fail();
  update(new DOMParser().parseFromString(text, "text/html"));
  succeed();
}

function interval() {
  const chosen = Number(choice.value) * 1000;
  return chosen && Math.max(pause || chosen, floor);
}

function look() {
  if (document.hidden || isOver || !interval()) return;
  const name = Date.now() - touchedAt > IDLE ? "idle" : obstacle();
  if (name) setText(bar.querySelector(".se-live-state"), bar.dataset[name]);
  else if (Date.now() - triedAt >= interval()) refresh();
}

function start() {
  const stored = localStorage.getItem(STORED);
  if ([...choice.options].some((option) => option.value === stored)) choice.value = stored;
  choice.addEventListener("change", () => localStorage.setItem(STORED, choice.value));
  bar.querySelector(".se-live-now").addEventListener("click", refresh);
  document.addEventListener("stream-events:refresh", refresh);
  document.addEventListener("visibilitychange", look);
  for (const touch of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
    document.addEventListener(touch, () => (touchedAt = Date.now()), { passive: true });
  }
  const first = bar.hasAttribute("data-unavailable") ? "waiting" : "updated";
  setText(bar.querySelector(".se-live-state"), sentence(first, time.format(updatedAt)));
  bar.hidden = false;
  setInterval(look, 1000);
}

start();
