// Keeps the box that selects all, and the number of those that are, true when a refresh has brought other rows: Django's
// script knows the first ones only.

const toggle = document.getElementById("action-toggle");
const counter = document.querySelector(".action-counter");

function boxes() {
  return [...document.querySelectorAll("#result_list input.action-select")];
}

function tell() {
  const all = boxes();
  const selected = all.filter((box) => box.checked).length;
  const text = ngettext("%(sel)s of %(cnt)s selected", "%(sel)s of %(cnt)s selected", selected);
  counter.textContent = interpolate(text, { sel: selected, cnt: all.length }, true);
  toggle.checked = selected === all.length;
}

document.addEventListener("change", (event) => {
  if (event.target === toggle) {
    for (const box of boxes()) {
      box.checked = toggle.checked;
      box.closest("tr").classList.toggle("selected", toggle.checked);
    }
  }
  if (event.target === toggle || event.target.matches(".action-select")) tell();
});
document.addEventListener("stream-events:refreshed", tell);
