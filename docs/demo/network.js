"use strict";
/* The network and the detector in plain JavaScript: the same scores as the Python package.

   Three windows go through the network side by side, so that a weight, once read, serves three.
   The states of a layer are laid out as [step][unit][window]. */

const SIDE = 3;

/* tanh from a table and two terms of its Taylor series; the error is below 2e-8. */
const STEPS_PER_ONE = 128;
const TABLE_END = 10;
const TANH = Float64Array.from({ length: 2 * TABLE_END * STEPS_PER_ONE + 1 }, (_, place) =>
  Math.tanh(place / STEPS_PER_ONE - TABLE_END));

function tanh(x) {
  if (x >= TABLE_END) return 1;
  if (x <= -TABLE_END) return -1;
  const scaled = (x + TABLE_END) * STEPS_PER_ONE;
  const place = (scaled + 0.5) | 0;
  const rest = (scaled - place) / STEPS_PER_ONE;
  const near = TANH[place];
  return near + (1 - near * near) * (rest - near * rest * rest);
}

function sigmoid(x) {
  return 0.5 + 0.5 * tanh(0.5 * x);
}

/* Numbers of 32 bits, little-endian, written in base 64. */
function decode(text) {
  const raw = atob(text);
  const bytes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/* One LSTM layer for three windows; gates in the order of Keras: input, forget, candidate, output. */
class LSTM {
  constructor({ units, kernel, recurrent, bias }, steps) {
    this.units = units;
    this.bias = decode(bias);
    this.kernel = this.byUnit(decode(kernel));
    this.recurrent = this.byUnit(decode(recurrent));
    this.width = this.kernel.length / (4 * units);
    this.cell = new Float64Array(units * SIDE);
    this.states = new Float64Array((steps + 1) * units * SIDE); // the first is the state before, 0
    this.sums = new Float64Array(4 * units * SIDE); // what does not depend on the state
    this.gates = new Float64Array(4 * units * SIDE); // before the activation
  }

  /* Keras has [column][gate][unit]; here it is [unit][column][gate]. */
  byUnit(weights) {
    const { units } = this;
    const columns = weights.length / (4 * units);
    return Float64Array.from({ length: weights.length }, (_, place) => {
      const gate = place % 4, column = (place >> 2) % columns, unit = Math.floor(place / (4 * columns));
      return weights[(column * 4 + gate) * units + unit];
    });
  }

  /* sums[unit][gate][window]: what the inputs, [unit][window] from `from` on, and the bias add up to. */
  addInputs(inputs, from) {
    const { units, kernel, bias, width, sums } = this;
    for (let unit = 0; unit < units; unit++) {
      for (let gate = 0; gate < 4; gate++) {
        for (let side = 0; side < SIDE; side++) {
          let sum = bias[gate * units + unit];
          for (let column = 0; column < width; column++) {
            sum += kernel[(unit * width + column) * 4 + gate] * inputs[from + column * SIDE + side];
          }
          sums[(unit * 4 + gate) * SIDE + side] = sum;
        }
      }
    }
  }

  /* One step. `sums` holds what does not depend on the state, [unit][gate][window];
     with `inputs`, their share is still to be added. The inner loops are where all time goes. Activations
     have a loop of their own: there a browser compiles `tanh` in place. */
  step(step, inputs, from) {
    const { units, width, kernel, recurrent, bias, sums, gates, cell, states } = this;
    const before = step * units * SIDE, after = before + units * SIDE;
    let atKernel = 0, atRecurrent = 0;
    for (let unit = 0; unit < units; unit++) {
      let i0, i1, i2, f0, f1, f2, g0, g1, g2, o0, o1, o2;
      if (inputs) {
        i0 = i1 = i2 = bias[unit];
        f0 = f1 = f2 = bias[units + unit];
        g0 = g1 = g2 = bias[2 * units + unit];
        o0 = o1 = o2 = bias[3 * units + unit];
        for (let seen = from, end = from + width * SIDE; seen < end; seen += SIDE, atKernel += 4) {
          const x0 = inputs[seen], x1 = inputs[seen + 1], x2 = inputs[seen + 2];
          let weight = kernel[atKernel];
          i0 += weight * x0; i1 += weight * x1; i2 += weight * x2;
          weight = kernel[atKernel + 1];
          f0 += weight * x0; f1 += weight * x1; f2 += weight * x2;
          weight = kernel[atKernel + 2];
          g0 += weight * x0; g1 += weight * x1; g2 += weight * x2;
          weight = kernel[atKernel + 3];
          o0 += weight * x0; o1 += weight * x1; o2 += weight * x2;
        }
      } else {
        const at = unit * 4 * SIDE;
        i0 = sums[at]; i1 = sums[at + 1]; i2 = sums[at + 2];
        f0 = sums[at + 3]; f1 = sums[at + 4]; f2 = sums[at + 5];
        g0 = sums[at + 6]; g1 = sums[at + 7]; g2 = sums[at + 8];
        o0 = sums[at + 9]; o1 = sums[at + 10]; o2 = sums[at + 11];
      }
      if (step) {
        for (let seen = before; seen < after; seen += SIDE, atRecurrent += 4) {
          const h0 = states[seen], h1 = states[seen + 1], h2 = states[seen + 2];
          let weight = recurrent[atRecurrent];
          i0 += weight * h0; i1 += weight * h1; i2 += weight * h2;
          weight = recurrent[atRecurrent + 1];
          f0 += weight * h0; f1 += weight * h1; f2 += weight * h2;
          weight = recurrent[atRecurrent + 2];
          g0 += weight * h0; g1 += weight * h1; g2 += weight * h2;
          weight = recurrent[atRecurrent + 3];
          o0 += weight * h0; o1 += weight * h1; o2 += weight * h2;
        }
      }
      const at = unit * 4 * SIDE;
      gates[at] = i0; gates[at + 1] = i1; gates[at + 2] = i2;
      gates[at + 3] = f0; gates[at + 4] = f1; gates[at + 5] = f2;
      gates[at + 6] = g0; gates[at + 7] = g1; gates[at + 8] = g2;
      gates[at + 9] = o0; gates[at + 10] = o1; gates[at + 11] = o2;
    }
    for (let unit = 0, place = 0; unit < units; unit++) {
      for (let at = unit * 4 * SIDE, end = at + SIDE; at < end; at++, place++) {
        const kept = step ? sigmoid(gates[at + SIDE]) * cell[place] : 0;
        const stored = kept + sigmoid(gates[at]) * tanh(gates[at + 2 * SIDE]);
        cell[place] = stored;
        states[after + place] = sigmoid(gates[at + 3 * SIDE]) * tanh(stored);
      }
    }
  }
}

/* The stored detector: rows of features in, errors, scores and shares out. */
class Detector {
  constructor({ window, features, scaler, threshold, layers }) {
    Object.assign(this, { window, features, scaler, threshold });
    this.lstms = [];
    for (const layer of layers) {
      if (layer.kind === "lstm") this.lstms.push(new LSTM(layer, window));
      else if (layer.kind === "repeat") this.repeatAfter = this.lstms.length;
      else {
        this.dense = { kernel: decode(layer.kernel), bias: decode(layer.bias) };
      }
    }
  }

  /* Balanced errors of rows `first` to `last` (the end is not included), [row * n_features + feature],
     from the one window that ends with the row. Rows before the first full window are left as they are. */
  errors(values, first, last, errors) {
    const { window, lstms } = this;
    const n = this.features.length;
    const { mean, scale, balance } = this.scaler;
    const start = Math.max(first, window - 1);
    if (start >= last) return errors;
    const base = start - window + 1;
    const scaled = new Float64Array((last - base) * n);
    for (let i = 0; i < scaled.length; i++) scaled[i] = (values[base * n + i] - mean[i % n]) / scale[i % n];

    // The first layer's products of inputs, [row][unit][gate]: once a row instead of once a window.
    const layer = lstms[0];
    const gates = 4 * layer.units;
    const products = new Float64Array((last - base) * gates);
    for (let row = 0; row < last - base; row++) {
      for (let place = 0; place < gates; place++) {
        const unit = place >> 2, gate = place & 3;
        let sum = layer.bias[gate * layer.units + unit];
        for (let k = 0; k < n; k++) sum += layer.kernel[(unit * n + k) * 4 + gate] * scaled[row * n + k];
        products[row * gates + place] = sum;
      }
    }

    for (let row = start; row < last; row += SIDE) {
      for (let step = 0; step < window; step++) {
        for (let side = 0; side < SIDE; side++) {
          const place = Math.min(row + side, last - 1) - start + step;
          for (let gate = 0; gate < gates; gate++) {
            layer.sums[gate * SIDE + side] = products[place * gates + gate];
          }
        }
        layer.step(step, null);
      }
      for (let place = 1; place < lstms.length; place++) {
        const before = lstms[place - 1], lstm = lstms[place];
        const size = before.units * SIDE;
        if (place === this.repeatAfter) lstm.addInputs(before.states, window * size);
        for (let step = 0; step < window; step++) {
          if (place === this.repeatAfter) lstm.step(step, null);
          else lstm.step(step, before.states, (step + 1) * size);
        }
      }
      const { units, states } = lstms[lstms.length - 1];
      const from = window * units * SIDE;
      for (let side = 0; side < SIDE && row + side < last; side++) {
        for (let k = 0; k < n; k++) {
          let output = this.dense.bias[k];
          for (let unit = 0; unit < units; unit++) {
            output += states[from + unit * SIDE + side] * this.dense.kernel[unit * n + k];
          }
          const target = scaled[(row + side - base) * n + k];
          errors[(row + side) * n + k] = Math.abs(output - target) / balance[k];
        }
      }
    }
    return errors;
  }

  /* Scores of all rows: the mean over the features; NaN before the first full window. */
  scores(values) {
    const n = this.features.length;
    const errors = this.errors(values, 0, values.length / n, new Float64Array(values.length).fill(NaN));
    return means(errors, n);
  }
}

function means(errors, n) {
  return Float64Array.from({ length: errors.length / n }, (_, row) => {
    let total = 0;
    for (let k = 0; k < n; k++) total += errors[row * n + k];
    return total / n;
  });
}

/* Readings of sensors -> features of the network; an angle becomes its sine and cosine. */
function toFeature(name, columns) {
  const [sensor, part] = name.split(" ");
  const values = columns[sensor];
  if (!part) return values;
  return values.map((degrees) => Math[part]((degrees * Math.PI) / 180));
}

/* One LSTM unit, step by step; weights: {i: [input, state, bias], f: …, g: …, o: …}. */
function runUnit(weights, series) {
  const steps = [];
  let h = 0, c = 0;
  for (const x of series) {
    const sum = ([input, state, bias]) => input * x + state * h + bias;
    const i = sigmoid(sum(weights.i)), f = sigmoid(sum(weights.f));
    const g = tanh(sum(weights.g)), o = sigmoid(sum(weights.o));
    c = f * c + i * g;
    h = o * tanh(c);
    steps.push({ x, i, f, g, o, c, h });
  }
  return steps;
}

/* Put a fault into a copy of a sensor's readings, as `inject` of the Python package does. */
function injectFault(kind, readings, start, rows, step, noise, limits, turn) {
  const spoiled = readings.slice();
  const end = Math.min(start + (kind === "spike" ? 1 : rows), readings.length);
  let total = 0;
  for (let row = start; row < end; row++) total += readings[row];
  // Towards the side with more room, where the sensor has limits.
  const upwards = !limits || total / (end - start) <= (limits[0] + limits[1]) / 2;
  const signed = upwards ? step : -step;
  for (let row = start; row < end; row++) {
    let value = readings[row];
    if (kind === "stuck") value = readings[Math.max(start - 1, 0)];
    if (kind === "spike") value += 2 * signed;
    if (kind === "drift") value += (2 * signed * (row - start + 1)) / (end - start);
    if (kind === "noise") value += step * noise[(row - start) % noise.length];
    if (limits) value = Math.min(Math.max(value, limits[0]), limits[1]);
    if (turn) {
      const round = turn[1] - turn[0];
      value = turn[0] + ((((value - turn[0]) % round) + round) % round);
    }
    spoiled[row] = value;
  }
  return spoiled;
}
