// Goes on with a batch by itself, one slice after the other. Without it a button does the same.

const section = () => document.querySelector("section.se-order[data-batch]");
const form = () => section().querySelector(".se-continue");
const goesOn = () => form() && section().hasAttribute("data-goes-on");
let wanted = ""; // the name of the button that was pressed

async function answer(name) {
  const body = new URLSearchParams(new FormData(form()));
  body.append(name, "yes");
  const response = await fetch(form().action.split("#")[0], { method: "POST", body });
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
  const same = name && goesOn() && form().querySelector(`[name=${name}]`);
  if (same) same.focus();
  else if (name || !goesOn()) section().focus();
}

async function run() {
  while (form() && (goesOn() || wanted)) {
    const name = wanted || "continue";
    wanted = "";
    const next = await answer(name).catch(() => null);
    if (!next) {
      section().removeAttribute("data-goes-on");
      section().querySelector(".se-lost").hidden = false;
      return;
    }
    show(next);
  }
}

function listen() {
  form()?.addEventListener("submit", (event) => {
    event.preventDefault();
    const isRunning = goesOn();
    wanted = event.submitter?.name ?? "continue";
    if (!isRunning) run();
  });
}

if (section()) {
  listen();
  run();
}
