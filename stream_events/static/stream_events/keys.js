// Keys for a list: they move, select, open and refresh, and change nothing. They work while nothing has the focus.

const STORED = "stream-events.keys";
const CURRENT = "se-current";

const help = document.getElementById("se-keys");
const isOn = document.getElementById("se-keys-on");

function rows() {
  return [...document.querySelectorAll("#result_list > tbody > tr")];
}

function current() {
  return document.querySelector(`#result_list tr.${CURRENT}`);
}

function move(by) {
  const all = rows();
  const before = current();
  const at = before ? all.indexOf(before) + by : by > 0 ? 0 : all.length - 1;
  const row = all[Math.min(Math.max(at, 0), all.length - 1)];
  if (!row) return;
  before?.classList.remove(CURRENT);
  before?.removeAttribute("aria-current");
  row.classList.add(CURRENT);
  row.setAttribute("aria-current", "true");
  row.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "/": () => document.querySelector("[data-se-filter], #searchbar, #changelist-filter a")?.focus(),
  "r": () => document.dispatchEvent(new CustomEvent("stream-events:refresh")),
  "j": () => move(1),
  "k": () => move(-1),
  "x": () => current()?.querySelector("input.action-select")?.click(),
  "o": () => current()?.querySelector("th a[href], td a[href]")?.click(),
  "?": () => help.showModal(),
};

function press(event) {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
  const isFree = [document.body, document.documentElement, null].includes(document.activeElement);
  const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
  if (!isOn.checked || !isPlain || !isFree || !act || help.open) return;
  event.preventDefault();
  act();
}

isOn.checked = localStorage.getItem(STORED) !== "off";
isOn.addEventListener("change", () => localStorage.setItem(STORED, isOn.checked ? "on" : "off"));
document.querySelector(".se-live-keys")?.addEventListener("click", () => help.showModal());
document.addEventListener("keydown", press);
