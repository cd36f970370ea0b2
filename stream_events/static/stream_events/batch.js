// Goes on with a batch by itself, one slice after the other. Without it a button does the same.

const section = () => document.querySelector("section.se-order[data-batch]");
let wants = "";

function body() {
  const data = new URLSearchParams(new FormData(section().querySelector(".se-continue")));
  data.append(wants || "continue", "yes");
  return data;
}

async function answer() {
  const url = section().querySelector(".se-continue").action.split("#")[0];
  const response = await fetch(url, { method: "POST", body: body() });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const next = page.querySelector("section.se-order[data-batch]");
  if (next && response.redirected) history.replaceState(null, "", response.url); // what a reload shows
  return next;
}

// Shows what came back, and keeps the focus of who works with the keyboard.
function show(next) {
  const name = document.activeElement?.closest(".se-continue") ? document.activeElement.name : "";
  section().replaceWith(document.importNode(next, true));
  listen();
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
  listen();
  run();
}
