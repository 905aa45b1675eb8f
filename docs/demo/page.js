"use strict";
/* The three parts of the page: controls in, a picture and a text out. */

const $ = (id) => document.getElementById(id);
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %` : "–");
const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

/* ---- pictures ---------------------------------------------------------------------------- */

/* A straight scale from numbers to pixels. */
function scale(low, high, from, to) {
  const factor = (to - from) / (high - low || 1);
  return (value) => from + (Math.min(Math.max(value, low), high) - low) * factor;
}

function path(values, x, y, first = 0, last = values.length) {
  let drawn = "", pen = "M";
  for (let i = first; i < last; i++) {
    if (Number.isNaN(values[i])) { pen = "M"; continue; }
    drawn += `${pen}${x(i).toFixed(1)} ${y(values[i]).toFixed(1)}`;
    pen = "L";
  }
  return drawn;
}

const line = (kind, drawn) => `<path class="line ${kind}" d="${drawn}"/>`;
const rule = (kind, x1, y1, x2, y2) => `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
const box = (kind, x, y, width, height) => `<rect class="${kind}" x="${x}" y="${y}" width="${Math.max(width, 2)}" height="${height}"/>`;
const label = (text, x, y, kind = "", anchor = "start") => `<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped(text)}</text>`;
/* Triangles that point down, so that a flag is known by its form too. */
const flags = (places, y) => `<path class="flag" d="${places.map((x) => `M${(x - 4).toFixed(1)} ${y - 7}h8l-4 7z`).join("")}"/>`;

function show(svg, height, content) {
  const width = svg.clientWidth;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  svg.innerHTML = content;
}

/* A logarithmic scale from numbers to pixels. */
function logScale(low, high, from, to) {
  const straight = scale(Math.log10(low), Math.log10(high), from, to);
  return (value) => straight(Math.log10(Math.max(value, low)));
}

function powersOfTen(low, high) {
  const found = [];
  for (let power = Math.ceil(Math.log10(low)); power <= Math.floor(Math.log10(high)); power++) found.push(10 ** power);
  return found;
}

/* Pictures are drawn once a frame; texts follow when the reader's hand rests. */
function part(...updates) {
  let frame = 0;
  return () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => updates.forEach((update) => update()));
  };
}

const waiting = new Map();
function say(id, text) {
  clearTimeout(waiting.get(id));
  waiting.set(id, setTimeout(() => { $(id).textContent = text; }, 200));
}

/* ---- 1 break a sensor -------------------------------------------------------------------- */

const detector = new Detector(DATA.detector);
const CONTEXT = detector.window - 1; // rows before the week, for the first score
const WEEK = DATA.week.sensors.map((sensor) => ({
  ...sensor,
  readings: Float64Array.from(sensor.hundredths, (value) => value / 100),
}));
const ROWS = WEEK[0].readings.length;
const STARTS = Date.parse(DATA.week.start) + CONTEXT * DATA.week.minutes * 60e3;
const NOISE = normalNumbers(ROWS, 1);

/* Random numbers that are the same at each visit. */
function normalNumbers(n, seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float64Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

function features(columns) {
  const parts = detector.features.map((name) => toFeature(name, columns));
  const values = new Float64Array(ROWS * parts.length);
  parts.forEach((values_, k) => values_.forEach((value, row) => { values[row * parts.length + k] = value; }));
  return values;
}

const columnsOf = (sensors) => Object.fromEntries(sensors.map(({ id, readings }) => [id, readings]));
const began = performance.now();
const WHOLE = features(columnsOf(WEEK));
const WHOLE_ERRORS = detector.errors(WHOLE, 0, ROWS, new Float64Array(WHOLE.length).fill(NaN));
const WHOLE_TOOK = performance.now() - began;

function timeOf(row) {
  const time = new Date(STARTS + row * DATA.week.minutes * 60e3);
  return `${DAYS[time.getUTCDay()]} ${time.toISOString().slice(11, 16)}`;
}

const hours = (rows) => (rows < 6 ? `${rows * 10} minutes` : `${(rows / 6).toFixed(rows % 6 ? 1 : 0)}\u00a0h`);

/* Everything that follows from the controls. Rows are counted from the week's first. */
function broken() {
  const kind = $("fault").value, place = WEEK.findIndex(({ id }) => id === $("sensor").value);
  const sensor = WEEK[place], size = Number($("size").value);
  const start = Number($("begin").value);
  const rows = kind === "spike" ? 1 : Number($("lasts").value);
  const end = kind === "none" ? start : Math.min(start + rows, ROWS - CONTEXT);
  const readings = kind === "none" ? sensor.readings : injectFault(
    kind, sensor.readings, start + CONTEXT, rows, size * sensor.deviation, NOISE, sensor.limits, sensor.turns);
  const values = features({ ...columnsOf(WEEK), [sensor.id]: readings });
  // Only windows that hold a changed row have other errors.
  const errors = detector.errors(values, start + CONTEXT, Math.min(end + 2 * CONTEXT, ROWS), WHOLE_ERRORS.slice());
  const n = detector.features.length;
  const scores = means(errors, n).subarray(CONTEXT);
  const flagged = [];
  scores.forEach((score, row) => { if (score > detector.threshold) flagged.push(row); });
  const hit = flagged.filter((row) => row >= start && row < end);
  const shares = WEEK.map(({ id }) => {
    const own = detector.features.flatMap((name, k) => (name.split(" ")[0] === id ? [k] : []));
    const shareOf = (row) => own.reduce((sum, k) => sum + errors[(row + CONTEXT) * n + k], 0) / (n * scores[row]);
    return hit.reduce((sum, row) => sum + shareOf(row), 0) / hit.length;
  });
  return { kind, place, sensor, size, start, end, readings, scores, flagged, hit, shares };
}

function drawWeek({ kind, place, start, end, readings, scores, flagged }) {
  const svg = $("break-picture"), width = svg.clientWidth, left = 4, right = width - 4;
  const x = scale(0, ROWS - CONTEXT - 1, left, right);
  const drawn = [];
  let top = 4;
  const axisTop = top;
  WEEK.forEach((sensor, index) => {
    const chosen = index === place && kind !== "none";
    const height = index === place ? 84 : 34;
    const shown = chosen ? [sensor.readings, readings] : [sensor.readings];
    let low = Infinity, high = -Infinity;
    for (const values of shown) for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    const y = scale(low, high, top + 18 + height, top + 18);
    const at = (i) => x(i - CONTEXT);
    drawn.push(label(`${sensor.name} (${sensor.unit})`, left, top + 12, index === place ? "strong" : ""));
    drawn.push(label(`${low.toFixed(0)} to ${high.toFixed(0)}`, right, top + 12, "", "end"));
    drawn.push(line(chosen ? "" : index === place ? "main" : "", path(sensor.readings, at, y, CONTEXT)));
    if (chosen) {
      drawn.push(box("shade", x(start), top + 16, x(end - 1) - x(start), height + 4));
      drawn.push(line("broken", path(readings, at, y, start + CONTEXT, end + CONTEXT)));
    }
    top += height + 33;
  });
  const height = 130, above = top + 34, base = above + height;
  const y = logScale(0.1, 100, base, above);
  drawn.push(label("anomaly score", left, top + 12, "strong"), label("▼ flagged row", right, top + 12, "ink-alarm", "end"));
  for (const tick of powersOfTen(0.1, 100)) drawn.push(rule("grid", left, y(tick), right, y(tick)), label(String(tick), left, y(tick) - 3));
  if (kind !== "none") drawn.push(box("shade", x(start), above, x(end - 1) - x(start), height));
  drawn.push(line("main", path(scores, x, y)));
  drawn.push(rule("threshold", left, y(detector.threshold), right, y(detector.threshold)));
  drawn.push(label(`threshold ${detector.threshold.toFixed(1)}`, right, y(detector.threshold) - 5, "strong", "end"));
  drawn.push(flags(flagged.map(x), above - 4));
  for (let row = 0; row < ROWS - CONTEXT; row += 144) {
    drawn.push(rule("grid", x(row), axisTop, x(row), base), label(timeOf(row).slice(0, 3), x(row) + 3, base + 16));
  }
  show(svg, base + 22, drawn.join(""));
}

function tellWeek({ kind, sensor, size, start, end, hit, flagged }) {
  const elsewhere = flagged.length - hit.length;
  if (kind === "none") {
    return `No fault. ${count(flagged.length, "row")} of the week's ${(ROWS - CONTEXT).toLocaleString("en")} flagged${flagged.length ? `, the first on ${timeOf(flagged[0])}` : ""}.`;
  }
  const off = kind === "noise" ? size : 2 * size; // as in the Python package, so that no kind is a whisper
  const what = kind === "stuck" ? "is stuck" : `${{ drift: "drifts, in the end by", spike: "has a spike of", noise: "is noisy, by" }[kind]} ${off.toFixed(1)} standard deviations (${(off * sensor.deviation).toFixed(1)} ${sensor.unit}${sensor.limits ? ", or as far as it can show" : ""}),`;
  const outcome = hit.length
    ? `${hit.length} of its ${count(end - start, "row")} flagged, the first ${hit[0] === start ? "at once" : `after ${hours(hit[0] - start)}`}.`
    : `None of its ${count(end - start, "row")} flagged: missed.`;
  return `The sensor “${sensor.name}” ${what} from ${timeOf(start)}, for ${hours(end - start)}. ${outcome} Outside the fault: ${count(elsewhere, "row")} flagged.`;
}

function drawBlame({ kind, sensor, hit, shares }) {
  const first = shares.indexOf(Math.max(...shares));
  $("blame").innerHTML = hit.length ? `<dl class="blame">${WEEK.map(({ name }, i) => `<dt>${name}</dt><dd><div class="bar ${i === first ? "first" : ""}" style="width:${(100 * shares[i]).toFixed(1)}%"></div></dd><dd class="percent">${(100 * shares[i]).toFixed(0)} %</dd>`).join("")}</dl>` : "";
  if (kind === "none") return "Nothing is broken, so nobody is to blame.";
  if (!hit.length) return "No row of the fault is flagged, so no sensor is blamed.";
  return WEEK[first] === sensor
    ? `Most to blame: ${WEEK[first].name}, with ${percent(shares[first])} of the score. That is the broken one.`
    : `Most to blame: ${WEEK[first].name}, with ${percent(shares[first])} of the score. That is wrong: broken is ${sensor.name}.`;
}

const updateWeek = part(() => {
  const start = performance.now();
  const state = broken();
  const took = performance.now() - start;
  $("size").disabled = ["none", "stuck"].includes(state.kind);
  $("begin").disabled = state.kind === "none";
  $("lasts").disabled = ["none", "spike"].includes(state.kind);
  $("size-text").textContent = state.kind === "stuck" ? "(the last value is repeated)" : `${state.size.toFixed(2)} standard deviations${state.kind === "noise" ? "" : ""}`;
  $("begin-text").textContent = timeOf(state.start);
  $("lasts-text").textContent = state.kind === "spike" ? "one row" : hours(Number($("lasts").value));
  drawWeek(state);
  say("break-text", tellWeek(state));
  say("blame-text", drawBlame(state));
  $("speed").textContent = `On your machine: ${(ROWS - CONTEXT).toLocaleString("en")} windows of ${detector.window} rows in ${WHOLE_TOOK.toFixed(0)} ms when the page was loaded; the last change, which touches fewer windows, in ${took.toFixed(0)} ms.`;
});

/* ---- 2 move the threshold ---------------------------------------------------------------- */

const LABELLED = DATA.labelled.map((found) => {
  const scores = Float64Array.from(found.scores, (value) => value * found.unit);
  const labels = new Uint8Array(scores.length);
  for (const [start, end] of found.events) labels.fill(1, start, end);
  // The axis begins where a tenth of the scores lies below: what is lower is never in question.
  const sorted = scores.toSorted();
  return { ...found, scores, labels, low: sorted[Math.floor(sorted.length / 10)], high: 1.1 * sorted.at(-1) };
});
const chosenSeries = () => LABELLED[Number($("series").value)];
const STEPS = 1000;
const thresholdAt = (series, step) => series.low * (series.high / series.low) ** (step / STEPS);
const stepOf = (series, threshold) => (STEPS * Math.log(threshold / series.low)) / Math.log(series.high / series.low);

function evaluate({ scores, labels, events, validation }, threshold) {
  const cells = { tp: 0, fp: 0, fn: 0, tn: 0 };
  scores.forEach((score, row) => {
    cells[score > threshold ? (labels[row] ? "tp" : "fp") : labels[row] ? "fn" : "tn"] += 1;
  });
  const { tp, fp, fn, tn } = cells;
  const found = events.filter(([start, end]) => scores.subarray(start, end).some((score) => score > threshold)).length;
  return {
    ...cells, found,
    precision: tp / (tp + fp), recall: tp / (tp + fn), f1: (2 * tp) / (2 * tp + fp + fn),
    accuracy: (tp + tn) / scores.length, silent: (tn + fp) / scores.length,
    target: shareAbove(validation, threshold), observed: fp / (fp + tn),
  };
}

/* Share of the validation scores above a threshold, between the stored ones on a straight line. */
function shareAbove({ shares, scores }, threshold) {
  if (threshold <= scores[0]) return NaN; // more than half: not stored
  const next = scores.findIndex((score) => score >= threshold);
  if (next < 0) return 0;
  const part = (threshold - scores[next - 1]) / (scores[next] - scores[next - 1] || 1);
  return shares[next - 1] + part * (shares[next] - shares[next - 1]);
}

function oracle(series) {
  let best = 0, highest = -1;
  for (let step = 0; step <= STEPS; step++) {
    const { f1 } = evaluate(series, thresholdAt(series, step));
    if (f1 > highest) [best, highest] = [step, f1];
  }
  return best;
}

const RULES = {
  q99: (series) => {
    const { shares, scores } = series.validation;
    const next = shares.findIndex((share) => share <= 0.01);
    return stepOf(series, scores[next]);
  },
  maximum: (series) => Math.ceil(stepOf(series, series.validation.scores.at(-1))),
  oracle,
};

function drawScores(series, threshold) {
  const svg = $("move-picture"), width = svg.clientWidth, left = 4, right = width - 4, top = 26, base = 226;
  const { scores, events, labels } = series;
  const x = scale(0, scores.length - 1, left, right), y = logScale(series.low, series.high, base, top);
  const drawn = events.map(([start, end]) => box("shade", x(start), top, x(end) - x(start), base - top));
  for (const tick of powersOfTen(series.low, series.high)) drawn.push(rule("grid", left, y(tick), right, y(tick)), label(String(tick), left, y(tick) - 3));
  // Of all rows that share a pixel the highest and the lowest.
  let bars = "";
  for (let pixel = left; pixel < right; pixel++) {
    const first = Math.floor(((pixel - left) / (right - left)) * scores.length);
    const last = Math.max(first + 1, Math.floor(((pixel + 1 - left) / (right - left)) * scores.length));
    let low = Infinity, high = -Infinity;
    for (let row = Math.max(first - 1, 0); row < last; row++) { low = Math.min(low, scores[row]); high = Math.max(high, scores[row]); }
    bars += `M${pixel} ${y(low).toFixed(1)}V${(y(high) - 0.6).toFixed(1)}`;
  }
  drawn.push(line("main", bars), rule("threshold", left, y(threshold), right, y(threshold)));
  drawn.push(label("anomaly score", left, 14, "strong"), label("shaded: anomalous   ▼ false alarm", right, 14, "", "end"));
  const alarms = [];
  scores.forEach((score, row) => { if (score > threshold && !labels[row]) alarms.push(Math.round(x(row))); });
  drawn.push(flags([...new Set(alarms)], base + 10));
  drawn.push(label(`${scores.length.toLocaleString("en")} test rows (1 row = ${series.step === "row" ? "1 measurement" : series.step})`, (left + right) / 2, base + 28, "", "middle"));
  show(svg, base + 34, drawn.join(""));
}

function drawCurve(series, step) {
  const svg = $("curve-picture"), width = svg.clientWidth, left = 40, right = width - 74, top = 24, base = 160;
  if (series.curve === undefined) series.curve = Array.from({ length: STEPS / 10 + 1 }, (_, i) => evaluate(series, thresholdAt(series, 10 * i)));
  const x = scale(0, STEPS, left, right), y = scale(0, 1, base, top), at = (i) => x(10 * i);
  const drawn = [label("share", 4, 14)];
  for (const tick of [0, 0.5, 1]) drawn.push(rule("grid", left, y(tick), right, y(tick)), label(tick.toFixed(1), left - 6, y(tick) + 4, "", "end"));
  const ends = {};
  for (const [name, kind] of [["precision", "other"], ["recall", "good"]]) {
    const values = series.curve.map((one) => one[name]);
    drawn.push(line(kind, path(values, at, y)));
    ends[name] = values.filter(Number.isFinite).at(-1);
  }
  // Direct labels, kept apart.
  const apart = Math.abs(y(ends.precision) - y(ends.recall)) < 14;
  drawn.push(label("precision", right + 6, y(ends.precision) + (apart ? -4 : 4), "ink-other"), label("recall", right + 6, y(ends.recall) + (apart ? 10 : 4), "ink-good"));
  drawn.push(rule("threshold", x(step), top, x(step), base));
  for (const tick of powersOfTen(series.low, series.high)) drawn.push(label(String(tick), x(stepOf(series, tick)), base + 16, "", "middle"));
  drawn.push(label("threshold", (left + right) / 2, base + 32, "", "middle"));
  show(svg, base + 38, drawn.join(""));
}

const updateThreshold = part(() => {
  const series = chosenSeries(), step = Number($("threshold").value), threshold = thresholdAt(series, step);
  const result = evaluate(series, threshold);
  $("threshold-text").textContent = threshold.toPrecision(3);
  for (const name of ["tp", "fp", "fn", "tn"]) $(name).textContent = result[name].toLocaleString("en");
  for (const name of ["precision", "recall", "accuracy", "silent"]) $(name).textContent = percent(result[name]);
  $("f1").textContent = result.f1.toFixed(2);
  $("events").textContent = `${result.found} of ${series.events.length}`;
  $("target").textContent = Number.isFinite(result.target) ? `${(100 * result.target).toFixed(2)} %` : "above 50 %";
  $("observed").textContent = `${(100 * result.observed).toFixed(2)} %`;
  drawScores(series, threshold);
  drawCurve(series, step);
  const compared = !Number.isFinite(result.target) ? "" : result.observed > 1.2 * result.target + 1e-4 ? " More false alarms came than were aimed at."
    : result.observed < result.target / 1.2 - 1e-4 ? " Fewer false alarms came than were aimed at." : " Target and observed rate agree.";
  say("move-text", `Threshold ${threshold.toPrecision(3)}: ${count(result.tp + result.fp, "row")} flagged, ${result.tp.toLocaleString("en")} of them anomalous. ${result.found} of ${count(series.events.length, "labelled anomal").replace(/anomals$/, "anomalies").replace(/anomal$/, "anomaly")} found. Observed false-alarm rate ${$("observed").textContent}, target ${$("target").textContent}.${compared}`);
  say("curve-text", `At this threshold precision is ${percent(result.precision)} and recall ${percent(result.recall)}. A higher threshold never raises recall; precision usually rises, but not at every step.`);
});

/* ---- 3 inside the cell ------------------------------------------------------------------- */

const LENGTH = 48;
const GATES = { i: "input gate i", f: "forget gate f", g: "candidate g", o: "output gate o" };
const PRESETS = {
  latch: { i: [12, 0, -6], f: [12, 0, 6], g: [2, 0, 0], o: [0, 0, 4] },
  leaky: { i: [0, 0, 4], f: [0, 0, 1], g: [1, 0, 0], o: [0, 0, 4] },
  forgetful: { i: [0, 0, 4], f: [0, 0, -6], g: [1, 0, 0], o: [0, 0, 4] },
  closed: { i: [0, 0, -6], f: [0, 0, 4], g: [1, 0, 0], o: [0, 0, 4] },
};
const DRAWINGS = {
  pulses: (t) => (t === 7 || t === 30 ? 1 : t === 20 ? -1 : t === 38 ? 0.6 : 0),
  step: (t) => (t >= 12 && t < 30 ? 0.8 : 0),
  wave: (t) => 0.9 * Math.sin((2 * Math.PI * t) / 16),
  flat: () => 0,
};
let weights = structuredClone(PRESETS.latch);
let drawnSeries = Array.from({ length: LENGTH }, (_, t) => DRAWINGS.pulses(t));
let drawingArea = null; // where a point of the picture belongs, set when it is drawn

function drawCell(steps, at) {
  const svg = $("cell-picture"), width = svg.clientWidth, left = 34, right = width - 62;
  const x = scale(0, LENGTH - 1, left + 4, right - 4);
  const drawn = [];
  const panel = (title, top, height, low, high, ticks) => {
    const y = scale(low, high, top + height, top);
    drawn.push(label(title, left, top - 10, "strong"));
    for (const tick of ticks) drawn.push(rule("grid", left, y(tick), right, y(tick)), label(String(tick), left - 5, y(tick) + 4, "", "end"));
    return y;
  };
  let y = panel("input x: draw here", 26, 106, -1, 1, [-1, 0, 1]);
  drawingArea = { left: left + 4, right: right - 4, top: 26, bottom: 132 };
  steps.forEach((step, t) => drawn.push(rule("stem", x(t), y(0), x(t), y(step.x)), `<circle class="knob" cx="${x(t)}" cy="${y(step.x)}" r="3"/>`));
  y = panel("gates: 0 closed, 1 open", 168, 110, 0, 1, [0, 0.5, 1]);
  const named = [];
  for (const [gate, kind, dash] of [["i", "main", ""], ["f", "good", "6 3"], ["o", "other", "2 3"]]) {
    drawn.push(`<path class="line ${kind}" stroke-dasharray="${dash}" d="${path(steps.map((step) => step[gate]), x, y)}"/>`);
    named.push([{ i: "input", f: "forget", o: "output" }[gate], y(steps.at(-1)[gate]), `ink-${kind}`]);
  }
  placeLabels(named, 168, 278, right + 8, drawn);
  const reach = Math.max(1, ...steps.map((step) => Math.abs(step.c)));
  const shown = Math.ceil(reach);
  y = panel("what is stored and shown", 314, 110, -shown, shown, [-shown, 0, shown]);
  drawn.push(line("broken", path(steps.map((step) => step.c), x, y)), `<path class="line main" stroke-dasharray="5 3" d="${path(steps.map((step) => step.h), x, y)}"/>`);
  placeLabels([["cell c", y(steps.at(-1).c), "ink-alarm"], ["output h", y(steps.at(-1).h), "ink-main"]], 314, 424, right + 8, drawn);
  drawn.push(rule("cursor", x(at), 16, x(at), 424), label(`step ${at + 1}`, x(at), 442, "strong", at > LENGTH - 6 ? "end" : at < 5 ? "start" : "middle"));
  show(svg, 448, drawn.join(""));
}

/* Labels at the ends of lines, pushed apart where they would overlap. */
function placeLabels(named, top, bottom, x, drawn) {
  const sorted = named.toSorted((a, b) => a[1] - b[1]);
  let last = -Infinity;
  const places = sorted.map(([, y]) => (last = Math.max(y + 4, last + 14)));
  const surplus = Math.max(0, places.at(-1) - bottom - 6);
  sorted.forEach(([text, , kind], i) => drawn.push(label(text, x, places[i] - surplus, kind)));
}

const gateWord = (value) => (value > 0.9 ? "open" : value < 0.1 ? "closed" : "partly open");

const updateCell = part(() => {
  const at = Number($("at").value) - 1, steps = runUnit(weights, drawnSeries), now = steps[at];
  $("value").value = now.x;
  $("at-text").textContent = `${at + 1} of ${LENGTH}`;
  $("value-text").textContent = now.x.toFixed(2);
  $("at").setAttribute("aria-valuetext", `step ${at + 1}, input ${now.x.toFixed(2)}, cell ${now.c.toFixed(2)}`);
  drawCell(steps, at);
  say("cell-text", `Step ${at + 1}: the input is ${now.x.toFixed(2)}. Input gate ${now.i.toFixed(2)} (${gateWord(now.i)}), forget gate ${now.f.toFixed(2)} (${now.f > 0.9 ? "keeps" : now.f < 0.1 ? "erases" : "keeps a part"}), output gate ${now.o.toFixed(2)} (${gateWord(now.o)}). Stored: c = ${now.c.toFixed(2)}. Shown: h = ${now.h.toFixed(2)}. With this forget gate at each step, half of the store is left after ${halfLife(now.f)}.`);
});

function halfLife(gate) {
  const steps = Math.log(0.5) / Math.log(gate);
  if (steps < 1) return "less than one step";
  return steps > 1000 ? "more than 1,000 steps" : `${steps.toFixed(steps < 10 ? 1 : 0)} steps`;
}

function fillWeights() {
  for (const gate of Object.keys(GATES)) weights[gate].forEach((value, k) => { $(`weight-${gate}${k}`).value = value; });
}

function drawAt(event) {
  const frame = $("cell-picture").getBoundingClientRect();
  const { left, right, top, bottom } = drawingArea;
  const px = event.clientX - frame.left, py = event.clientY - frame.top;
  const t = Math.round(((px - left) / (right - left)) * (LENGTH - 1));
  if (t < 0 || t >= LENGTH) return;
  const value = Math.min(Math.max(1 - (2 * (py - top)) / (bottom - top), -1), 1);
  drawnSeries[t] = Math.abs(value) < 0.06 ? 0 : Math.round(value * 20) / 20;
  $("at").value = t + 1;
  updateCell();
}

/* ---- start ------------------------------------------------------------------------------- */

function start() {
  $("home").hidden = !location.protocol.startsWith("http");
  $("sensor").innerHTML = WEEK.map(({ id, name }) => `<option value="${id}">${name}</option>`).join("");
  $("sensor").value = "Ot_avg";
  $("series").innerHTML = LABELLED.map(({ title }, i) => `<option value="${i}">${escaped(title)}</option>`).join("");
  $("weights").tBodies[0].innerHTML = Object.entries(GATES).map(([gate, name]) => `<tr><th scope="row">${name}</th>${["input weight", "state weight", "bias"].map((what, k) => `<td><input type="number" step="0.5" id="weight-${gate}${k}" aria-label="${name}, ${what}"></td>`).join("")}</tr>`).join("");
  fillWeights();

  for (const id of ["sensor", "fault", "size", "begin", "lasts"]) $(id).addEventListener("input", updateWeek);
  const applyRule = (rule) => {
    $("threshold").value = Math.round(RULES[rule](chosenSeries()));
    updateThreshold();
  };
  $("threshold").addEventListener("input", updateThreshold);
  $("series").addEventListener("input", () => applyRule("q99"));
  for (const button of document.querySelectorAll("[data-rule]")) button.addEventListener("click", () => applyRule(button.dataset.rule));
  $("preset").addEventListener("input", () => {
    weights = structuredClone(PRESETS[$("preset").value]);
    fillWeights();
    updateCell();
  });
  $("drawing").addEventListener("input", () => {
    drawnSeries = drawnSeries.map((_, t) => DRAWINGS[$("drawing").value](t));
    updateCell();
  });
  $("at").addEventListener("input", updateCell);
  $("value").addEventListener("input", () => {
    drawnSeries[Number($("at").value) - 1] = Number($("value").value);
    updateCell();
  });
  for (const gate of Object.keys(GATES)) {
    weights[gate].forEach((_, k) => $(`weight-${gate}${k}`).addEventListener("input", (event) => {
      if (Number.isFinite(event.target.valueAsNumber)) weights[gate][k] = event.target.valueAsNumber;
      updateCell();
    }));
  }
  const picture = $("cell-picture");
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    drawAt(event);
  });
  picture.addEventListener("pointermove", (event) => { if (event.buttons) drawAt(event); });

  const drawAll = () => { updateWeek(); updateThreshold(); updateCell(); };
  applyRule("q99");
  drawAll();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });
}

start();
