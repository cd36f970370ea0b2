// Draws the history of a stream with uPlot, in place of the lines that the server has drawn.

const HEIGHT = 160; // pixels of each panel
const COLOURS = 6; // of groups

const chart = document.querySelector(".se-chart");
const plots = chart.querySelector(".se-chart-plots");
const legend = chart.querySelector(".se-chart-legend[hidden]");
const off = new Set(); // names in the legend whose lines are not shown
let drawn = [];

const language = document.documentElement.lang || undefined;
const compact = new Intl.NumberFormat(language, { notation: "compact" });
const exact = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

function clock(data, options) {
  try {
    return new Intl.DateTimeFormat(language, { ...options, hourCycle: "h23", timeZone: data.zone });
  } catch {
    return new Intl.DateTimeFormat(language, { ...options, hourCycle: "h23" }); // a zone that browsers do not know
  }
}

function swatch(at) {
  return element("span", `se-swatch se-line-${at ? ((at - 1) % COLOURS) + 1 : 0}`);
}

// The colour of a name in the legend, as the stylesheet has it now.
function colour(at) {
  const shown = swatch(at);
  chart.append(shown);
  const found = getComputedStyle(shown).color;
  shown.remove();
  return found;
}

// Lines of uPlot. A step that still fills is the dashed end of its line, which is a line of its own.
function lines(data, panel) {
  const series = [];
  const values = [];
  for (const line of panel.lines) {
    const name = data.legend[line.legend];
    const common = { label: name, show: !off.has(name), stroke: colour(line.legend), points: { size: 4 } };
    const end = line.values.length - 1;
    series.push({ ...common, width: 1.5 });
    values.push(data.isFilling ? line.values.with(end, null) : line.values);
    if (!data.isFilling) continue;
    series.push({ ...common, width: 1.5, dash: [3, 3] });
    values.push(line.values.map((value, at) => (at < end - 1 ? null : value)));
  }
  return [series, values];
}

function axes(data) {
  const style = getComputedStyle(chart);
  const text = style.color;
  const grid = { stroke: style.getPropertyValue("--border-color").trim() || "#8886", width: 1 };
  const isLong = data.step * data.panels[0].lines[0].values.length > 2 * 86400;
  const times = clock(data, isLong ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" });
  const common = { stroke: text, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  return [
    { ...common, values: (_plot, splits) => splits.map((second) => times.format(second * 1000)), space: 70 },
    { ...common, values: (_plot, splits) => splits.map((value) => compact.format(value)), size: 55 },
  ];
}

function draw(data, panel, times) {
  const readings = element("span", "se-quiet");
  const figure = element("figure", "", element("figcaption", "", panel.title, " ", readings));
  const place = element("div", "se-chart-plot");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", panel.title);
  figure.append(place);
  plots.append(figure);
  const [series, values] = lines(data, panel);
  const moment = clock(data, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const read = (plot) => {
    const at = plot.cursor.idx;
    const shown = at == null ? [] : panel.lines.filter((line) => !off.has(data.legend[line.legend]));
    const texts = shown.map((line) => {
      const value = line.values[at];
      return `${data.legend[line.legend]} ${value == null ? "–" : exact.format(value)}`;
    });
    readings.textContent = at == null ? "" : [moment.format(times[at] * 1000), ...texts].join(" · ");
  };
  const plot = new uPlot({
    width: Math.max(place.clientWidth, 200),
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: "stream-events" }, y: false, drag: { setScale: false } },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high ?? 0, 1) * 1.05] } },
    axes: axes(data),
    series: [{}, ...series],
    tzDate: (second) => {
      try {
        return uPlot.tzDate(new Date(second * 1000), data.zone);
      } catch {
        return new Date(second * 1000);
      }
    },
    hooks: { setCursor: [read] },
  }, [times, ...values], place);
  return { plot, place };
}

// A button for each name that shows or hides its lines in all panels.
function name(label, at, redraw) {
  const button = element("button", "se-chart-name", swatch(at), label);
  button.type = "button";
  button.setAttribute("aria-pressed", String(!off.has(label)));
  button.addEventListener("click", () => {
    if (!off.delete(label)) off.add(label);
    button.setAttribute("aria-pressed", String(!off.has(label)));
    redraw();
  });
  return button;
}

function redraw() {
  const data = JSON.parse(document.getElementById("se-chart-data").textContent);
  if (!data.panels[0].lines.length) return;
  for (const { plot } of drawn) plot.destroy();
  plots.replaceChildren();
  const times = data.panels[0].lines[0].values.map((_value, at) => data.start + at * data.step);
  drawn = data.panels.filter((panel) => panel.lines.length).map((panel) => draw(data, panel, times));
  const known = [...legend.children].map((button) => button.textContent);
  if (known.join("\n") !== data.legend.join("\n")) {
    legend.replaceChildren(...data.legend.map((label, at) => name(label, at, redraw)));
  }
}

function start() {
  chart.classList.add("is-live");
  legend.hidden = plots.hidden = false;
  redraw();
  let width = plots.clientWidth;
  new ResizeObserver(() => {
    if (plots.clientWidth === width) return;
    width = plots.clientWidth;
    for (const { plot, place } of drawn) plot.setSize({ width: Math.max(place.clientWidth, 200), height: HEIGHT });
  }).observe(plots);
  const options = { attributes: true, attributeFilter: ["data-theme", "class"] };
  new MutationObserver(redraw).observe(document.documentElement, options);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("stream-events:refreshed", redraw);
}

if (plots) start();
