"use strict";
// The graph: families as nodes where there are many actions, or what is around one action; laid out in columns.
const T = window.treadle;
const { data, el, svg } = T;
const MOST_NODES = 400;
const MOST_EDGES = 3000;
const MOST_LETTERS = 48;
const WORST = T.statuses;
const hasEdges = data.needs.some((those) => those.length);
if (T.total > 1 && hasEdges) begin();

function begin() {
  const body = T.section("graph");
  const note = document.querySelector("#graph h2").appendChild(el("small"));
  const canvas = el("div", { class: "canvas", tabindex: "0" });
  const modes = [];
  if (data.families.length < T.total && data.families.length <= MOST_NODES) modes.push(["families", "families"]);
  if (T.total <= MOST_NODES) modes.push(["all", "all actions"]);
  const some = data.critical.length || data.status.some((status) => WORST.slice(0, 3).includes(status));
  if (T.total > MOST_NODES && some) modes.push(["notable", "critical path and failures"]);
  modes.push(["around", "around the selected action"]);
  let mode = modes.length > 1 && T.total <= 60 && T.total > 1 && modes.some(([key]) => key === "all") ? "all" : modes[0][0];
  const choice = el("select", { "aria-label": "What the graph shows", change: () => { mode = choice.value; paint(); } },
    modes.map(([key, said]) => el("option", { value: key, selected: key === mode }, said)));
  body.append(el("div", { class: "bar" }, choice,
    el("span", { class: "soft optional" }, "needed actions are on the left; click one for details")), canvas);

  function paint() {
    const drawn = { families, all, notable, around }[mode]();
    if (!drawn.nodes.length) {
      note.textContent = "";
      canvas.replaceChildren(el("p", { class: "soft" }, "\u00a0 Select an action: in the timeline, in a list, or here."));
      return;
    }
    const place = layout(drawn);
    const left = drawn.more ? `, ${T.count(drawn.more, "more is", "more are")} not shown` : "";
    note.textContent = `${T.count(drawn.nodes.length, "node")}${left}`;
    picture(drawn, place);
  }
  function picture(drawn, { boxes, width, height }) {
    const lines = svg("g"), nodes = svg("g");
    drawn.edges.slice(0, MOST_EDGES).forEach(([from, to]) => {
      const a = boxes[from], b = boxes[to];
      const [x1, y1, x2, y2] = [a.x + a.w, a.y + 12, b.x, b.y + 12];
      const bend = Math.max(18, (x2 - x1) / 2);
      const steps = drawn.critical.has(from) && drawn.critical.has(to) && drawn.follows(from, to);
      const near = mode !== "around" && (from === drawn.chosen || to === drawn.chosen);
      lines.append(svg("path", {
        class: `edge${steps ? " critical" : ""}${near ? " near" : ""}`,
        d: `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`,
      }));
    });
    drawn.nodes.forEach((node, at) => {
      const box = boxes[at];
      nodes.append(svg("g", {
        class: `node${at === drawn.chosen ? " chosen" : ""}${node.is_bad ? " bad" : ""}`, transform: `translate(${box.x},${box.y})`,
        click: () => node.pick(),
        pointermove: (event) => T.tip(event, ...node.about()), pointerleave: (event) => T.tip(event),
      },
      svg("rect", { class: "box", width: box.w, height: 24, rx: 4 }),
      stripe(node.numbers),
      svg("text", { x: 12, y: 16 }, box.label)));
    });
    canvas.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, lines, nodes));
    const box = boxes[drawn.chosen];
    if (box) canvas.scrollTo(box.x - canvas.clientWidth / 2 + box.w / 2, box.y - canvas.clientHeight / 2);
  }
  // The failures in a folded family, as a part of its label.
  function bad(those) {
    return ["failed", "interrupted"].map((status) => [status, those.filter((one) => data.status[one] === status).length])
      .filter(([, number]) => number).map(([status, number]) => `, ${number.toLocaleString("en")} ${status}`).join("");
  }
  // How its actions ended, as parts of a stripe; no part is too small to be seen.
  function stripe(numbers) {
    const parts = T.statuses.map((status) => [status, numbers.filter((one) => data.status[one] === status).length])
      .filter(([, number]) => number);
    const room = 24 - 3 * parts.length;
    let y = 0;
    return parts.map(([status, number]) => {
      const height = 3 + (room * number) / numbers.length;
      y += height;
      return svg("rect", { class: T.slug(status), width: 6, height, y: y - height });
    });
  }
  function action(number) {
    return {
      label: data.names[number], count: "", numbers: [number], is_bad: ["failed", "interrupted"].includes(data.status[number]),
      about: () => T.about(number), pick: () => T.select(number),
    };
  }
  function ofNumbers(numbers, more = 0) {
    const index = new Map(numbers.map((number, at) => [number, at]));
    const edges = [];
    numbers.forEach((number, at) => data.needs[number].forEach((one) => {
      if (index.has(one)) edges.push([index.get(one), at]);
    }));
    const path = data.critical.map((number) => index.get(number));
    const next = new Map(path.map((at, n) => [at, path[n + 1]]));
    return {
      nodes: numbers.map(action), edges, more, chosen: index.get(T.chosen),
      critical: new Set(path), follows: (from, to) => next.get(from) === to,
    };
  }
  const all = () => ofNumbers([...data.names.keys()]);
  function notable() {
    const wanted = new Set(data.critical);
    data.status.forEach((status, number) => WORST.slice(0, 2).includes(status) && wanted.add(number));
    [...wanted].forEach((number) => data.needs[number].forEach((one) => wanted.add(one)));
    data.status.forEach((status, number) => status === "blocked" && wanted.add(number));
    const numbers = [...wanted];
    return ofNumbers(numbers.slice(0, MOST_NODES), Math.max(0, numbers.length - MOST_NODES));
  }
  function around() {
    if (T.chosen === null) return { nodes: [] };
    const seen = new Set([T.chosen]);
    let more = 0;
    for (const edges of [data.needs, T.readers]) {
      let ring = [T.chosen];
      for (let depth = 0; depth < 3 && ring.length; depth++) {
        const next = [];
        ring.forEach((number) => edges[number].forEach((one) => {
          if (seen.has(one)) return;
          if (next.length >= 25) more += 1;
          else {
            seen.add(one);
            next.push(one);
          }
        }));
        ring = next;
      }
    }
    return ofNumbers([...seen], more);
  }
  function families() {
    const members = data.families.map(() => []);
    data.family.forEach((family, number) => members[family].push(number));
    const known = new Set(), edges = [];
    data.needs.forEach((those, number) => those.forEach((one) => {
      const [from, to] = [data.family[one], data.family[number]];
      const key = from * data.families.length + to;
      if (from !== to && !known.has(key)) {
        known.add(key);
        edges.push([from, to]);
      }
    }));
    const path = data.critical.map((number) => data.family[number]);
    const steps = new Set(path.slice(1).map((to, n) => `${path[n]} ${to}`));
    return {
      edges, more: 0, chosen: T.chosen === null ? undefined : data.family[T.chosen],
      critical: new Set(path), follows: (from, to) => steps.has(`${from} ${to}`),
      nodes: members.map((those, family) => those.length === 1 ? action(those[0]) : {
        label: data.families[family], count: ` \u00d7${those.length.toLocaleString("en")}${bad(those)}`, numbers: those,
        is_bad: Boolean(bad(those)),
        about: () => [el("b", {}, data.families[family]), el("div", {}, T.count(those.length, "action")),
          ...T.statuses.map((status) => [status, those.filter((one) => data.status[one] === status).length])
            .filter(([, number]) => number).map(([status, number]) => el("div", {}, `${number} ${T.word(status)}`))],
        pick: () => T.filter(data.families[family]),
      }),
    };
  }
  T.onSelect(paint);
  T.around = () => {
    choice.value = mode = "around";
    paint();
    document.getElementById("graph").scrollIntoView();
  };
  paint();
}

// Columns by the longest way from a beginning; order within a column by the mean place of the neighbours.
function layout({ nodes, edges }) {
  const forward = acyclic(nodes.length, edges);
  const before = nodes.map(() => []), after = nodes.map(() => []);
  forward.forEach(([from, to]) => { before[to].push(from); after[from].push(to); });
  const column = nodes.map(() => 0);
  const missing = before.map((those) => those.length);
  const queue = [...nodes.keys()].filter((at) => !missing[at]);
  for (const at of queue) after[at].forEach((to) => {
    column[to] = Math.max(column[to], column[at] + 1);
    if (!--missing[to]) queue.push(to);
  });
  // the begin of a path is next to its first consumer
  queue.slice().reverse().forEach((at) => {
    if (!before[at].length && after[at].length) column[at] = Math.min(...after[at].map((to) => column[to])) - 1;
  });
  const columns = [];
  queue.forEach((at) => (columns[column[at]] ||= []).push(at));
  const rank = nodes.map(() => 0);
  const number = (those) => those.forEach((at, n) => { rank[at] = n; });
  columns.forEach(number);
  const mean = (those) => those.reduce((sum, at) => sum + rank[at], 0) / those.length;
  for (let sweep = 0; sweep < 6; sweep++) {
    const near = sweep % 2 ? after : before;
    (sweep % 2 ? columns.slice().reverse() : columns).forEach((those) => {
      const key = new Map(those.map((at) => [at, near[at].length ? mean(near[at]) : rank[at]]));
      those.sort((a, b) => key.get(a) - key.get(b));
      number(those);
    });
  }
  return coordinates(nodes, columns, before);
}

function coordinates(nodes, columns, before) {
  const boxes = [];
  let x = 16, height = 0;
  for (const those of columns) {
    const labels = those.map((at) => shortened(nodes[at].label) + nodes[at].count);
    const w = Math.max(...labels.map((label) => label.length)) * 7.3 + 22;
    let y = 16;
    those.forEach((at, n) => {
      const ys = before[at].map((one) => boxes[one]?.y).filter((one) => one !== undefined);
      const wanted = ys.length ? ys.reduce((sum, one) => sum + one, 0) / ys.length : y;
      // a column may sink towards its neighbours, but not tear apart
      y = Math.max(y, Math.min(wanted, those.length > 40 ? y : y + 240));
      boxes[at] = { x, y, w, label: labels[n] };
      y += 32;
    });
    height = Math.max(height, y);
    x += w + 54;
  }
  return { boxes, width: x - 54 + 16, height: height + 8 };
}

function shortened(label) {
  return label.length <= MOST_LETTERS ? label : `${label.slice(0, MOST_LETTERS / 2 - 1)}\u2026${label.slice(-MOST_LETTERS / 2)}`;
}

// Families can need each other though their actions do not: an edge that closes a circle is not laid out.
function acyclic(size, edges) {
  const after = Array.from({ length: size }, () => []);
  edges.forEach(([from, to]) => after[from].push(to));
  const state = new Uint8Array(size), kept = [];
  for (let root = 0; root < size; root++) {
    if (state[root]) continue;
    const stack = [[root, 0]];
    state[root] = 1;
    while (stack.length) {
      const top = stack[stack.length - 1];
      const to = after[top[0]][top[1]++];
      if (to === undefined) {
        state[top[0]] = 2;
        stack.pop();
      } else if (state[to] !== 1) {
        kept.push([top[0], to]);
        if (!state[to]) {
          state[to] = 1;
          stack.push([to, 0]);
        }
      }
    }
  }
  return kept;
}
