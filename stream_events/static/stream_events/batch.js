// Goes on with a batch by itself, one slice after the other. Without it a button does the same.

const section = () => document.querySelector("section.se-order[data-batch]");
const key = () => `stream_events.${section().dataset.batch}`;
const sealed = () => section().querySelector(".se-continue input[name=batch]");
let wants = "";

// Where the batch is, for the page that a reload shows: that one comes from the first slice.
function remember() {
  if (section().hasAttribute("data-complete")) sessionStorage.removeItem(key());
  else if (sealed()) sessionStorage.setItem(key(), sealed().value);
}

function recall() {
  const known = sessionStorage.getItem(key());
  if (known && sealed()) sealed().value = known;
  else remember();
}

function body() {
  const data = new URLSearchParams(new FormData(section().querySelector(".se-continue")));
  data.append(wants || "continue", "yes");
  return data;
}

async function answer() {
  const url = section().querySelector(".se-continue").action.split("#")[0];
  const response = await fetch(url, { method: "POST", body: body(), redirect: "error", credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.querySelector("section.se-order[data-batch]");
}

// Shows what came back, and keeps the focus of who works with the keyboard.
function show(next) {
  const name = document.activeElement?.closest(".se-continue") ? document.activeElement.name : "";
  section().replaceWith(document.importNode(next, true));
  listen();
  remember();
  const same = name && section().querySelector(`.se-continue [name=${name}]`);
  if (same && section().hasAttribute("data-goes-on")) same.focus();
  else if (name || !section().hasAttribute("data-goes-on")) section().focus();
}

async function run() {
  while (section().hasAttribute("data-goes-on") || wants) {
    let next = null;
    try {
      next = await answer();
    } catch {
      next = null;
    }
    wants = "";
    if (!next) {
      section().removeAttribute("data-goes-on");
      section().querySelector(".se-lost").hidden = false;
      return;
    }
    show(next);
  }
}

function listen() {
  section().querySelector(".se-continue")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const goesOn = section().hasAttribute("data-goes-on");
    wants = event.submitter?.name ?? "continue";
    if (!goesOn) run();
  });
}

if (section()) {
  recall();
  listen();
  run();
}
