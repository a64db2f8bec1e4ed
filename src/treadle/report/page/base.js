"use strict";
// What the other parts share: the data, elements made of text alone, words for times, and the selection.
const data = JSON.parse(document.getElementById("data").textContent);
const T = (window.treadle = { data });

T.statuses = ["failed", "interrupted", "blocked", "not started", "ran", "restored", "skipped itself", "not needed", "disabled", "skipped"];
T.word = (status) => (status === "skipped" ? "up to date" : status);
// How an action ended, with its kind of outcome where that says more than its status.
T.ended = (number) => {
  const said = T.word(data.status[number]), more = data.outcome[number];
  return more && more !== said ? `${said}: ${more}` : said;
};
T.slug = (status) => status.replace(" ", "-");

const fill = (made, props, children) => {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "class") made.setAttribute("class", value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  // strings become text nodes: nothing that data says is ever parsed
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};
const el = (T.el = (tag, props, ...children) => fill(document.createElement(tag), props, children));
T.svg = (tag, props, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

T.time = (seconds) => {
  if (seconds > 0 && seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))}ms`;
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.0995 ? 0 : 1)}s`;
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 1440
    ? `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`
    : `${Math.floor(minutes / 1440)}d ${two(Math.floor((minutes % 1440) / 60))}h`;
};
T.size = (bytes) => {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = bytes / 1024;
  while (size >= 1023.5 && units.length > 1) {
    size /= 1024;
    units.shift();
  }
  return `${size.toFixed(size < 9.95 ? 1 : 0)} ${units[0]}`;
};
T.count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many || one + "s"}`;

T.total = data.names.length;
T.critical = new Set(data.critical);
// all attempts of an action together
T.took = data.attempts.map((those) => those.reduce((sum, one) => sum + one[2], 0));
// seconds of CPU of all attempts, and the memory of the largest single process of any
T.cpu = data.usage.map((those) => those.reduce((sum, one) => sum + (one.user || 0) + (one.system || 0), 0));
T.peak = data.usage.map((those) => those.reduce((most, one) => Math.max(most, one.largest_process || 0), 0));
T.used = (one) => [
  "user" in one ? `CPU ${T.time(one.user)} user, ${T.time(one.system)} system` : "",
  one.largest_process ? `largest process ${T.size(one.largest_process)}` : "",
  one.tree_peak ? `all of it ${T.size(one.tree_peak)}` : "", one.sampled_peak ? `all of it ${T.size(one.sampled_peak)} (sampled)` : "",
  one.blocks_in ? `read ${T.size(one.blocks_in * 512)}` : "", one.blocks_out ? `wrote ${T.size(one.blocks_out * 512)}` : "",
].filter(Boolean).join(", ");
// The last runs of an action, this one among them: when, how long, how it ended.
const PAST = 20;
T.knows_past = Boolean(data.past.of);
T.past = (number) => {
  const { began, ends, of } = data.past;
  const rows = ((of || {})[number] || []).map(([at, took, end]) => ({ began: began[at], took, status: ends[end][0], said: ends[end][1] }));
  if (data.attempts[number].length)
    rows.push({ began: data.began, took: data.spent[number], status: data.status[number], said: data.outcome[number] });
  return rows.slice(-PAST);
};
T.date = (text) => {
  const when = new Date(text);
  return isNaN(when) ? text : when.toLocaleString();
};
T.end_of = (one) => (one.said && one.said !== T.word(one.status) ? `${T.word(one.status)}: ${one.said}` : T.word(one.status));
// A bar for each of the last runs: as high as it took long, in the colour of its end.
T.bars = (rows, width = 4, height = 18) => {
  const most = Math.max(...rows.map((one) => one.took), 0.001);
  const bad = rows.filter((one) => one.status === "failed").length;
  const said = `the last ${T.count(rows.length, "run")}, ${bad ? `${bad} failed, ` : ""}up to ${T.time(most)}`;
  return T.svg("svg", { class: "bars", role: "img", "aria-label": said, width: PAST * (width + 1), height },
    rows.map((one, at) => {
      const high = Math.max(2, (one.took / most) * height);
      const place = (PAST - rows.length + at) * (width + 1);
      return T.svg("rect", { class: `fill-${T.slug(one.status)}`, x: place, y: height - high, width, height: high },
        T.svg("title", {}, `${T.date(one.began)}: ${T.end_of(one)}, ${T.time(one.took)}`));
    }));
};
T.readers = data.names.map(() => []);
data.needs.forEach((those, reader) => those.forEach((one) => T.readers[one].push(reader)));
T.why = (number) => data.why[number].map((one) => data.reasons[one][0]).join("; ");

T.section = (id, note) => {
  const section = document.getElementById(id);
  section.hidden = false;
  if (note) section.querySelector("h2").append(T.el("small", {}, note));
  return section.querySelector(".body");
};
T.dot = (status) => T.el("i", { class: `dot status-${T.slug(status)}` });
T.link = (number) => T.el("button", { type: "button", class: "link mono", click: () => T.select(number) }, data.names[number]);
// A path, as a link to its file where that was there when the page was written.
T.file = ([path, address]) => (address
  ? el("a", { class: "mono", href: address, target: "_blank", rel: "noopener noreferrer" }, path)
  : el("span", { class: "mono" }, path));
T.colours = () => {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "shade", "card", "thread", "accent", ...T.statuses.map(T.slug)];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};

T.chosen = null;
const listeners = [];
T.onSelect = (listener) => listeners.push(listener);
T.select = (number) => {
  T.chosen = number;
  listeners.forEach((listener) => listener(number));
};

const tip = document.getElementById("tip");
T.tip = (event, ...children) => {
  tip.hidden = !children.length;
  tip.replaceChildren(...children);
  if (tip.hidden) return;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const below = event.clientY + 18;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below + box.height > innerHeight - 8 ? event.clientY - box.height - 12 : below}px`;
};
T.about = (number) => [
  T.el("b", {}, data.names[number]),
  T.el("div", {}, [T.ended(number), T.took[number] ? T.time(T.took[number]) : ""].filter(Boolean).join(", ")),
  T.why(number) ? T.el("div", {}, T.why(number)) : "",
  T.critical.has(number) ? T.el("div", {}, "on the critical path") : "",
].filter(Boolean);
