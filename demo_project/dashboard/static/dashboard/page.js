// Keeps the page as the server's board is. All text comes from events, so it is only ever set as text.

const LATEST = 50;
const PAUSE = 1000; // milliseconds before a new attempt
const SILENCE = 45000; // milliseconds; the server says something three times as often

const live = document.querySelector("main").dataset.live;
const status = document.getElementById("status");
const counts = document.getElementById("counts");
const lines = document.getElementById("lines");

function say(text, isLive) {
  if (status.textContent !== text) status.textContent = text;
  document.body.classList.toggle("is-live", isLive);
}

function element(name, text = "", ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

// The number beside an action; one that is not there yet is put where the alphabet wants it.
function countOf(action) {
  const shown = [...counts.children];
  const known = shown.find((each) => each.firstChild.textContent === action);
  if (known) return known.lastChild;
  const made = element("div", "", element("dt", action), element("dd", "0"));
  counts.insertBefore(made, shown.find((each) => each.firstChild.textContent > action) ?? null);
  return made.lastChild;
}

function row(line) {
  const time = element("time", new Date(line.occurred_at).toLocaleString([], {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  }));
  time.dateTime = line.occurred_at;
  const texts = [line.order, line.action, line.status].map((text) => element("td", text));
  const made = element("tr", "", element("td", "", time), ...texts);
  made.id = line.entry_id;
  return made;
}

// A snapshot takes the place of everything: after a break nothing is missing, and nothing is there twice.
function replace(board) {
  const actions = new Set(board.counts.map(([action]) => action));
  for (const each of [...counts.children]) if (!actions.has(each.firstChild.textContent)) each.remove();
  for (const [action, count] of board.counts) countOf(action).textContent = count;
  lines.replaceChildren(...board.lines.map(row));
}

function add(line) {
  const count = countOf(line.action);
  count.textContent = Number(count.textContent) + 1;
  const made = row(line);
  made.className = "is-new";
  lines.prepend(made);
  while (lines.children.length > LATEST) lines.lastElementChild.remove();
}

function connect() {
  const source = new EventSource(live);
  const leave = () => {
    clearTimeout(alarm);
    source.close();
    say("Reconnecting…", false);
    setTimeout(reconnect, PAUSE);
  };
  let alarm = setTimeout(leave, SILENCE);
  const heard = () => {
    clearTimeout(alarm);
    alarm = setTimeout(leave, SILENCE);
    say("Live", true);
  };
  const hear = (name, take) => source.addEventListener(name, (message) => {
    take(JSON.parse(message.data));
    heard();
  });
  hear("snapshot", replace);
  hear("line", add);
  hear("alive", () => {});
  source.onerror = () => {
    // A browser tries again by itself when the connection broke, but not after an answer like “502 Bad Gateway”.
    if (source.readyState === EventSource.CLOSED) leave();
    else say("Reconnecting…", false);
  };
}

async function reconnect() {
  try {
    const answer = await fetch(location.href, { redirect: "manual" });
    if (answer.type === "opaqueredirect") return location.reload(); // to the login: the session has ended
  } catch {
    // The server is away; the next attempt will tell.
  }
  connect();
}

document.getElementById("note").remove();
connect();
