"use strict";
// The timeline: a row for each token, a bar for each attempt, drawn on a canvas since there may be many thousands.
const { data, el } = window.treadle;
const T = window.treadle;
const bars = [];
data.attempts.forEach((those, number) => {
  those.forEach(([slot, start, took], at) => {
    const last = at === those.length - 1;
    bars.push({ number, slot, start, end: start + took, status: last ? data.status[number] : "failed" });
  });
});
if (bars.length) draw();

function draw() {
  const rows = bars.reduce((most, bar) => Math.max(most, bar.slot + 1), 1);
  const end = Math.max(data.duration, bars.reduce((most, bar) => Math.max(most, bar.end), 0)) || 1e-6;
  const bySlot = Array.from({ length: rows }, () => []);
  bars.forEach((bar) => bySlot[bar.slot].push(bar));
  bySlot.forEach((those) => those.sort((a, b) => a.start - b.start));
  const height = Math.max(4, Math.min(24, Math.floor(440 / rows)));
  const top = 24;
  const body = T.section("timeline", `${T.count(rows, "token")}, ${T.count(bars.length, "start")}`);
  const canvas = el("canvas", { role: "img", "aria-label": "Bars for each start of an action, by token and time" });
  const out = el("button", { type: "button", click: () => zoom(2) }, "zoom out");
  const whole = el("button", { type: "button", click: () => show(0, end) }, "whole run");
  const dim = el("input", { type: "checkbox", change: () => paint() });
  body.append(
    el("div", { class: "bar" },
      el("button", { type: "button", click: () => zoom(0.5) }, "zoom in"), out, whole,
      el("span", { class: "soft optional" }, "drag over a time to zoom into it"),
      el("label", { class: "push" }, dim, "only the critical path")),
    canvas,
    el("div", { class: "legend" },
      T.statuses.filter((status) => bars.some((bar) => bar.status === status)).map((status) =>
        el("span", {}, el("i", { class: `status-${T.slug(status)}` }), T.word(status))),
      el("span", {}, el("i", { class: "critical" }), "critical path")));
  let from = 0, to = end, width = 0, colours = T.colours(), drag = null;
  let left = 0;

  function show(a, b) {
    const least = end / 1e6;
    if (b - a < least) b = a + least;
    from = Math.max(0, Math.min(a, end - (b - a)));
    to = Math.min(end, from + (b - a));
    if (from < 0) from = 0;
    paint();
  }
  function zoom(factor, at = (from + to) / 2) {
    show(at - (at - from) * factor, at + (to - at) * factor);
  }
  const x = (time) => left + ((time - from) / (to - from)) * (width - left);
  const timeAt = (px) => from + ((px - left) / (width - left)) * (to - from);

  function step() {
    const rough = (to - from) / Math.max(2, (width - left) / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  }
  function tick(time, by) {
    if (time >= 60) {
      const seconds = time % 60;
      const rest = by >= 60 ? "" : ` ${by < 1 ? seconds.toFixed(Math.ceil(-Math.log10(by))) : Math.round(seconds)}s`;
      const minutes = Math.floor(time / 60 + 1e-9);
      const said = minutes >= 60 ? `${Math.floor(minutes / 60)}h ${minutes % 60}m` : `${minutes}m`;
      return said + rest;
    }
    if (by < 0.001) return `${(time * 1000).toFixed(Math.ceil(-Math.log10(by * 1000)))}ms`;
    return by < 1 ? `${time.toFixed(Math.min(3, Math.ceil(-Math.log10(by) - 1e-9)))}s` : `${Math.round(time)}s`;
  }
  function paint() {
    const scale = window.devicePixelRatio || 1;
    width = canvas.clientWidth;
    if (!width) return;
    left = height >= 12 && width > 480 ? 62 : 4;
    const tall = top + rows * height + 4;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(tall * scale);
    canvas.style.height = `${tall}px`;
    const c = canvas.getContext("2d");
    c.scale(scale, scale);
    c.clearRect(0, 0, width, tall);
    c.font = "11px system-ui, sans-serif";
    c.textBaseline = "middle";
    axis(c, tall);
    for (let slot = 0; slot < rows; slot++) {
      const y = top + slot * height;
      if (left > 4) {
        c.fillStyle = colours.soft;
        c.fillText(`token ${slot + 1}`, 0, y + height / 2);
      }
      row(c, bySlot[slot], y);
    }
    if (drag && Math.abs(drag.to - drag.from) > 3) {
      c.globalAlpha = 0.2;
      c.fillStyle = colours.accent;
      c.fillRect(Math.min(drag.from, drag.to), top, Math.abs(drag.to - drag.from), tall);
      c.globalAlpha = 1;
    }
    out.disabled = whole.disabled = from <= 0 && to >= end;
  }
  function axis(c, tall) {
    const by = step();
    c.lineWidth = 1;
    for (let n = Math.ceil(from / by - 1e-9); n * by <= to; n++) {
      const at = Math.round(x(n * by)) + 0.5;
      c.strokeStyle = colours.line;
      c.beginPath();
      c.moveTo(at, top - 6);
      c.lineTo(at, tall);
      c.stroke();
      const said = tick(n * by, by);
      c.fillStyle = colours.soft;
      const room = c.measureText(said).width;
      c.fillText(said, Math.max(left, Math.min(at - room / 2, width - room)), 9);
    }
  }
  function row(c, those, y) {
    const inner = height > 7 ? height - 3 : height - 1;
    const faint = dim.checked;
    for (const bar of those) {
      if (bar.end < from || bar.start > to) continue;
      const a = Math.max(left, x(bar.start)), b = Math.min(width, x(bar.end));
      const wide = Math.max(b - a - (b - a > 4 ? 1 : 0), 1);
      const critical = T.critical.has(bar.number);
      c.globalAlpha = faint && !critical ? 0.15 : 1;
      c.fillStyle = colours[T.slug(bar.status)];
      c.fillRect(a, y, wide, inner);
      if (critical) {
        c.fillStyle = colours.thread;
        c.fillRect(a, y + inner - (height > 7 ? 3 : 1), wide, height > 7 ? 3 : 1);
      }
      if (bar.number === T.chosen) {
        c.strokeStyle = colours.thread;
        c.lineWidth = 2;
        c.strokeRect(a + 1, y + 1, Math.max(wide - 2, 1), inner - 2);
      }
      if (wide > 34 && height >= 14) label(c, bar, a, y, wide, inner);
    }
    c.globalAlpha = 1;
  }
  function label(c, bar, a, y, wide, inner) {
    c.save();
    c.beginPath();
    c.rect(a, y, wide - 3, inner);
    c.clip();
    c.fillStyle = colours.card;
    c.fillText(data.names[bar.number], a + 5, y + inner / 2 - (T.critical.has(bar.number) ? 1 : 0));
    c.restore();
  }
  function at(event) {
    const box = canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const slot = Math.floor((event.clientY - box.top - top) / height);
    const near = (2 * (to - from)) / (width - left);
    const time = timeAt(px);
    let found = null, best = Infinity;
    for (const bar of bySlot[slot] || []) {
      const away = time < bar.start ? bar.start - time : time > bar.end ? time - bar.end : 0;
      if (away <= near && away < best) [found, best] = [bar, away];
    }
    return { px, found };
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button) return;
    const { px } = at(event);
    drag = { from: px, to: px };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const { px, found } = at(event);
    if (drag) {
      drag.to = Math.max(left, Math.min(width, px));
      paint();
    }
    canvas.style.cursor = found ? "pointer" : "crosshair";
    if (found && !drag) T.tip(event, ...T.about(found.number));
    else T.tip(event);
  });
  canvas.addEventListener("pointerleave", (event) => T.tip(event));
  canvas.addEventListener("pointerup", () => {
    const done = drag;
    drag = null;
    if (done && Math.abs(done.to - done.from) > 3) {
      const [a, b] = [timeAt(Math.min(done.from, done.to)), timeAt(Math.max(done.from, done.to))];
      swallow = true;
      show(a, b);
    }
  });
  let swallow = false;
  canvas.addEventListener("click", (event) => {
    const { found } = at(event);
    if (found && !swallow) T.select(found.number);
    swallow = false;
  });
  canvas.addEventListener("dblclick", () => show(0, end));
  canvas.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!event.ctrlKey && !(sideways && to - from < end)) return;
    event.preventDefault();
    if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(at(event).px));
    else {
      const by = (event.deltaX / width) * (to - from);
      show(from + by, to + by);
    }
  }, { passive: false });
  T.onSelect(paint);
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours = T.colours();
    paint();
  });
}
