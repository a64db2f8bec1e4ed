"use strict";
// The head, the lists, and the panel of the selected action.
const T = window.treadle;
const { data, el } = T;
const FIRST = 20;
const PAGE = 50;

head();
problems();
failures();
pictures();
slowest();
reasons();
actions();
notes();
contents();

function head() {
  const counts = data.counts;
  const words = {
    succeeded: T.total && counts.skipped + counts["not needed"] === T.total ? "Nothing to do" : "Succeeded",
    failed: `${T.count(counts.failed, "action")} failed`,
    interrupted: "Interrupted",
    error: "Stopped by an error",
    "not finished": "Not finished: the events end before the run",
  };
  const when = data.began ? new Date(data.began) : null;
  const about = [
    when && !isNaN(when) ? when.toLocaleString() : "", `Treadle ${data.treadle}`,
    data.host ? `on ${data.host}` : "", data.jobs ? `-j ${data.jobs}` : "", data.commit ? `commit ${data.commit.slice(0, 12)}` : "",
    data.asked.length ? `selected: ${data.asked.join(", ")}` : "",
  ];
  const call = data.argv || data.params.length ? el("details", { class: "call" },
    el("summary", {}, el("span", { class: "mono" }, data.argv || "parameters")),
    el("dl", {}, data.params.flatMap(([name, value]) => [el("dt", { class: "mono" }, name), el("dd", { class: "mono" }, value)]),
      data.commit ? [el("dt", {}, "commit"), el("dd", { class: "mono" }, data.commit)] : null)) : null;
  const shown = T.statuses.slice().reverse().filter((status) => counts[status]);
  const all = T.took.reduce((sum, one) => sum + one, 0);
  const path = data.critical.reduce((sum, one) => sum + T.took[one], 0);
  const figure = (name, value, more) => el("div", {}, el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, more) : null));
  document.getElementById("head").append(
    el("h1", {}, words[data.result] || data.result, el("span", { class: "plan" }, data.plan)),
    el("p", { class: "about" }, about.filter(Boolean).join(" \u00b7 ")), call || "",
    el("div", { class: "strip", "aria-hidden": "true" }, shown.map((status) => {
      const part = el("span", { class: `status-${T.slug(status)}` });
      part.style.flexGrow = counts[status];
      return part;
    })),
    el("ul", { class: "chips" }, shown.map((status) => el("li", {}, el("button", { type: "button", click: () => T.filter("", status) },
      T.dot(status), `${counts[status].toLocaleString("en")} ${T.word(status)}`)))),
    el("dl", { class: "figures" },
      figure("took", data.took),
      all ? figure("work", T.time(all), data.duration ? `${(all / data.duration).toFixed(1)} at a time` : "") : null,
      path ? figure("critical path", T.time(path), T.count(data.critical.length, "action")) : null,
      figure("actions", T.total.toLocaleString("en")),
      data.saved >= 0.05 ? figure("saved by skipping", T.time(data.saved)) : null));
}

function problems() {
  if (!data.problems.length) return;
  T.section("problems").append(...data.problems.map((one) => el("div", { class: "failure" },
    el("h3", {}, one.text), one.place ? el("p", { class: "mono" }, one.place) : null,
    one.facts.map((fact) => el("p", {}, fact)), one.hint ? el("p", { class: "soft" }, one.hint) : null)));
}

function failure(number) {
  const status = data.status[number];
  const output = data.output[number];
  const printed = output ? el("pre", {}, output.replace(/\n$/, "")) : null;
  const how = data.failure[number] || "no reason is known";
  const made = el("article", { class: `failure ${status}` },
    el("h3", {}, T.link(number)),
    el("p", { class: "what" }, how === status ? status : `${status}: ${how}`),
    el("p", { class: "soft" }, [T.why(number) && `it ran because of: ${T.why(number)}`, T.took[number] && T.time(T.took[number]),
      data.attempts[number].length > 1 && `${data.attempts[number].length} attempts`, data.place[number]].filter(Boolean).join(" \u00b7 ")),
    el("pre", { class: "command" }, data.command[number]),
    printed,
    data.log[number] ? el("p", { class: "soft" }, "the whole log: ", T.file(data.log[number])) : null);
  if (printed) requestAnimationFrame(() => { printed.scrollTop = printed.scrollHeight; });
  return made;
}

function failures() {
  const failed = [...data.names.keys()].filter((number) => ["failed", "interrupted"].includes(data.status[number]));
  const blocked = new Map();
  data.status.forEach((status, number) => {
    if (status === "blocked") blocked.set(T.why(number), [...(blocked.get(T.why(number)) || []), number]);
  });
  if (!failed.length && !blocked.size) return;
  const body = T.section("failures", String(failed.length || ""));
  const list = el("div");
  body.append(list);
  more(list, data.groups, ([text, those]) => (those.length === 1 ? failure(those[0]) : alike(text, those)), FIRST);
  blocked.forEach((those, why) => body.append(fold(those, why)));
}

// Actions that fail with the same text, but for numbers and paths.
function alike(text, those) {
  const list = el("div", { class: "list" });
  more(list, those, failure, FIRST);
  return el("details", { class: "alike", open: data.groups.length === 1 },
    el("summary", {}, el("span", { class: "count" }, those.length.toLocaleString("en")), el("span", {}, "fail alike: ", el("span", { class: "mono" }, text))), list);
}

function shown(one) {
  const table = one.rows ? el("div", { class: "rows" }, el("table", {}, el("tbody", {}, one.rows.map((row, at) =>
    el("tr", {}, row.map((cell) => el(at ? "td" : "th", {}, cell))))))) : null;
  return el("figure", {}, el("figcaption", {}, T.file(one.path)),
    one.src ? el("img", { src: one.src, alt: one.path[0] }) : table,
    one.omitted ? el("p", { class: "soft" }, one.rows ? one.omitted : `not shown: ${one.omitted}`) : null);
}

function pictures() {
  const with_files = [...data.names.keys()].filter((number) => data.files[number]);
  if (!with_files.length) return;
  const list = el("div");
  T.section("outputs", T.count(with_files.length, "action")).append(list);
  more(list, with_files, (number) => el("article", { class: "outputs" }, el("h3", {}, T.link(number)), data.files[number].map(shown)), FIRST);
}

// Add a page of items to a list, and a button for the next one.
function more(list, items, make, size) {
  list.append(...items.slice(0, size).map(make));
  if (items.length <= size) return;
  const button = el("button", { type: "button", class: "more", click: () => {
    button.remove();
    more(list, items.slice(size), make, size);
  } }, `show ${items.length - size > size ? `${size} of ` : ""}${(items.length - size).toLocaleString("en")} more`);
  list.closest("table") ? list.closest("table").after(button) : list.append(button);
}

// How many of some actions did not end well, as words with their colour; nothing if all did.
function ends(those) {
  return ["failed", "interrupted"].map((status) => [status, those.filter((number) => data.status[number] === status).length])
    .filter(([, number]) => number)
    .map(([status, number]) => el("b", { class: `bad ${status}` }, `${number.toLocaleString("en")} ${status}`));
}

function fold(those, said) {
  const names = el("ul", { class: "names" });
  return el("details", { toggle: (event) => {
    if (event.target.open && !names.children.length) more(names, those, (number) => el("li", {}, T.link(number)), PAGE);
  } }, el("summary", {}, el("span", { class: "count" }, those.length.toLocaleString("en")), el("span", {}, said, ends(those))), names);
}

function slowest() {
  const ran = [...data.names.keys()].filter((number) => T.took[number] > 0).sort((a, b) => T.took[b] - T.took[a]);
  if (!ran.length) return;
  const most = T.took[ran[0]];
  const list = el("tbody");
  T.section("slowest").append(el("table", {}, list));
  more(list, ran, (number) => {
    const part = el("i", { class: `status-${T.slug(data.status[number])}` });
    part.style.width = `${(100 * T.took[number]) / most}%`;
    return el("tr", {}, el("td", {}, T.link(number), T.critical.has(number) ? el("span", { class: "tag" }, "critical path") : null),
      el("td", { class: "number" }, T.time(T.took[number])),
      el("td", { class: "optional" }, el("div", { class: "gauge" }, part)));
  }, 12);
}

function reasons() {
  const by = new Map();
  data.why.forEach((those, number) => {
    if (["skipped", "blocked", "not needed", "disabled"].includes(data.status[number])) return;
    new Set(those.map((one) => data.reasons[one][0])).forEach((text) => {
      if (!by.has(text)) by.set(text, []);
      by.get(text).push(number);
    });
  });
  if (!by.size) return;
  const list = el("div");
  T.section("reasons", T.count(by.size, "reason")).append(list);
  const sorted = [...by].sort((a, b) => b[1].length - a[1].length);
  more(list, sorted, ([text, those]) => fold(those, text), FIRST);
}

// An option for each way in which actions of a status ended, where there are several.
function kinds(status) {
  const known = new Set();
  data.status.forEach((one, number) => one === status && known.add(T.ended(number)));
  if (known.size < 2 && known.has(T.word(status))) return [];
  return [...known].filter((one) => one !== T.word(status)).sort().map((one) => el("option", { value: one }, `\u00a0\u00a0${one}`));
}

function actions() {
  if (!T.total) return;
  const body = T.section("actions", T.total.toLocaleString("en"));
  const search = el("input", { type: "search", placeholder: "part of a name", "aria-label": "Part of a name", input: () => fillTable() });
  const status = el("select", { "aria-label": "Status", change: () => fillTable() }, el("option", { value: "" }, "any status"),
    T.statuses.filter((one) => data.counts[one]).flatMap((one) => [el("option", { value: one }, T.word(one)), ...kinds(one)]));
  const said = el("span", { class: "soft" });
  const list = el("tbody");
  const begins = (number) => (data.attempts[number].length ? data.attempts[number][0][1] : Infinity);
  const place = new Map(T.statuses.map((one, at) => [one, at]));
  const keys = {
    plan: (number) => number, status: (number) => place.get(data.status[number]), name: (number) => data.names[number],
    took: (number) => -T.took[number], began: begins, cpu: (number) => -T.cpu[number], memory: (number) => -T.peak[number],
  };
  let sort = "plan";
  const by = (key, text, kind) => el("th", { class: kind }, el("button", { type: "button", title: `sort by ${text}`,
    click: () => { sort = sort === key ? "plan" : key; fillTable(); } }, text));
  const measured = data.usage.some((those) => those.length);
  const used = (number) => (measured ? [
    el("td", { class: "number optional" }, T.cpu[number] ? T.time(T.cpu[number]) : ""),
    el("td", { class: "number optional", title: "the largest single process" }, T.peak[number] ? T.size(T.peak[number]) : "")] : []);
  const table = el("table", {}, el("thead", {}, el("tr", {}, by("status", "status"), by("name", "name"), by("took", "took", "number"),
    measured ? [by("cpu", "CPU", "number optional"), by("memory", "memory", "number optional")] : [],
    by("began", "began at", "number optional"), T.knows_past ? el("th", { class: "optional" }, "last 20 runs") : [],
    el("th", { class: "optional" }, "why"))), list);
  body.append(el("div", { class: "bar" }, search, status, said), table);

  function row(number) {
    const began = begins(number);
    return el("tr", {}, el("td", { class: "state" }, T.dot(data.status[number]), T.ended(number)), el("td", {}, T.link(number)),
      el("td", { class: "number" }, T.took[number] ? T.time(T.took[number]) : ""), used(number),
      el("td", { class: "number optional" }, began === Infinity ? "" : `${began.toFixed(began < 100 ? 2 : 0)}s`),
      T.knows_past ? el("td", { class: "optional" }, T.past(number).length ? T.bars(T.past(number)) : "") : [],
      el("td", { class: "optional soft" }, T.why(number)));
  }
  function fillTable() {
    const part = search.value.toLowerCase();
    const found = [...data.names.keys()].filter((number) =>
      (!status.value || data.status[number] === status.value || T.ended(number) === status.value) && (!part || data.names[number].toLowerCase().includes(part)));
    const key = keys[sort];
    found.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a - b));
    body.querySelectorAll(".more").forEach((one) => one.remove());
    list.replaceChildren();
    said.textContent = found.length === T.total ? "" : `${found.length.toLocaleString("en")} of them`;
    more(list, found, row, PAGE);
  }
  T.filter = (text, wanted = "") => {
    search.value = text;
    status.value = wanted;
    fillTable();
    document.getElementById("actions").scrollIntoView();
  };
  fillTable();
}

function notes() {
  const lines = [...data.notes, ...data.left_out.map(([name, why]) => `left out ${name}${why ? `: ${why}` : ""}`)];
  if (!lines.length) return;
  const list = el("div");
  T.section("notes").append(list);
  more(list, lines, (text) => el("p", {}, text), FIRST);
}

function contents() {
  const list = el("div");
  document.querySelectorAll("main section:not([hidden])").forEach((section) =>
    list.append(el("a", { href: `#${section.id}` }, section.querySelector("h2").firstChild.textContent)));
  document.getElementById("contents").append(list);
}

const panel = document.getElementById("detail");

function names(title, numbers) {
  if (!numbers.length) return [];
  const list = el("ul");
  more(list, numbers, (number) => el("li", {}, T.dot(data.status[number]), T.link(number)), FIRST);
  return [el("h3", {}, `${title} (${numbers.length.toLocaleString("en")})`), list];
}

function paths(files) {
  const list = el("ul");
  more(list, files, (file) => el("li", {}, T.file(file)), FIRST);
  return list;
}

// More than one attempt, or what the only one got of the pool.
function attempts(number) {
  const held = data.resources[number] || [];
  if (data.attempts[number].length < 2) return held[0] ? [el("h3", {}, "resources"), el("p", {}, held[0])] : [];
  const earlier = data.earlier[number];
  return [el("h3", {}, "attempts"), el("ul", {}, data.attempts[number].map(([slot, start, took], at) => {
    const one = earlier[at];
    return el("li", {}, `at ${start.toFixed(2)}s on token ${slot + 1}: ${T.time(took)}`, held[at] ? `, with ${held[at]}` : "",
      one ? el("div", { class: "soft" }, one.told, one.log ? [" \u00b7 ", T.file(one.log)] : "") : null,
      one && one.output ? el("pre", {}, one.output.replace(/\n$/, "")) : null);
  }))];
}

// What an action said of its own work.
function values(said) {
  if (!said) return [];
  const rows = el("tbody");
  const table = el("table", { class: "values" }, rows);
  const body = el("div", {}, table);
  more(rows, said.rows || [], ([name, value]) => el("tr", {}, el("td", {}, name), el("td", { class: "number mono" }, value)), FIRST);
  return [
    ...(said.rows ? [el("h3", {}, "measured"), body] : []),
    ...(said.omitted ? [el("p", { class: "soft" }, `and ${said.omitted.toLocaleString("en")} more`)] : []),
    ...(said.artifacts ? [el("h3", {}, "artifacts"), paths(said.artifacts)] : []),
  ];
}

// How it went before this run, and in it.
function past(number) {
  const rows = T.past(number);
  if (!T.knows_past || !rows.length) return [];
  const tried = rows.filter((one) => one.status === "failed").length;
  const times = rows.filter((one) => one.status === "ran").map((one) => one.took).sort((a, b) => a - b);
  const middle = times.length ? `, median ${T.time(times[Math.ceil(times.length / 2) - 1])}` : "";
  return [
    el("h3", {}, `last ${T.count(rows.length, "run")}`), T.bars(rows, 12, 40),
    el("p", { class: "soft" }, `${tried ? `${tried} failed` : "none failed"}${middle}`),
    el("details", { class: "past" }, el("summary", {}, "each of them"), el("table", {}, el("tbody", {}, rows.slice().reverse().map((one) =>
      el("tr", {}, el("td", {}, T.date(one.began)), el("td", { class: "number" }, T.time(one.took)),
        el("td", { class: "state" }, T.dot(one.status), T.end_of(one))))))),
  ];
}

function reason(one) {
  const [text, , before, now] = data.reasons[one];
  const side = (said, value) => (value ? el("div", { class: "soft mono" }, `${said} ${value}`) : null);
  return el("li", {}, text, before || now ? el("div", { class: "change" }, side("was", before), side("is", now)) : null);
}

T.onSelect((number) => {
  panel.hidden = number === null;
  document.body.classList.toggle("open", number !== null);
  if (number === null) return;
  const output = data.output[number];
  panel.replaceChildren(...[
    el("button", { type: "button", class: "close", "aria-label": "Close", click: () => T.select(null) }, "\u00d7"),
    el("h2", {}, data.names[number]),
    el("div", {}, T.dot(data.status[number]), [T.ended(number), T.took[number] ? T.time(T.took[number]) : "",
      data.waited[number] >= 0.05 ? `waited ${T.time(data.waited[number])} for its turn` : "", data.place[number]].filter(Boolean).join(" \u00b7 "),
      T.critical.has(number) ? el("span", { class: "tag" }, "critical path") : null),
    data.failure[number] ? el("p", {}, data.failure[number]) : null,
    T.around && (data.needs[number].length || T.readers[number].length)
      ? el("p", {}, el("button", { type: "button", class: "more", click: () => T.around() }, "show it in the graph")) : null,
    data.when[number] ? el("p", {}, `it runs ${data.when[number].join("; ")}`) : null,
    data.why[number].length ? el("h3", {}, "reasons") : null,
    data.why[number].length ? el("ul", {}, data.why[number].map(reason)) : null,
    el("h3", {}, "command"), el("pre", { class: "command" }, data.command[number]),
    ...attempts(number),
    ...past(number),
    ...values(data.values[number]),
    ...(data.usage[number].some(T.used) ? [el("h3", {}, "used"), el("ul", {}, data.usage[number].map((one) => el("li", {}, T.used(one) || "not known")))] : []),
    ...names("needs", data.needs[number]), ...names("needed by", T.readers[number]),
    ...(data.outputs[number] ? [el("h3", {}, "outputs"), paths(data.outputs[number])] : []),
    ...(data.files[number] || []).map(shown),
    ...(output ? [el("h3", {}, "what it printed"), el("pre", {}, output.replace(/\n$/, ""))] : []),
    ...(data.log[number] ? [el("h3", {}, "log"), el("p", {}, T.file(data.log[number]))] : []),
  ].filter(Boolean));
  panel.scrollTop = 0;
});
addEventListener("keydown", (event) => event.key === "Escape" && T.chosen !== null && T.select(null));
