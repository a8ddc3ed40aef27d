// @ts-check
// The engine: draws a network, pushes a batch forward and a gradient backward, and gathers what is judged.
//
// All layers have `width` units and so has the input. An array (rows, width) of Float32 stands with an exponent: its
// true values are 2^exponent times as large, so that nothing leaves the range of numbers over a hundred layers.

/** Streams of random numbers: each (seed, role, place) has its own, so that draws do not depend on who draws them. */
const WEIGHTS = 1, BIASES = 2, INPUTS = 3, COTANGENT = 4, PLANE = 5, READOUT = 6, BATCHES = 7;
const EPS = 1e-5;

/**
 * A generator of 32-bit words (sfc32), its state mixed out of three numbers.
 * @param {number} seed @param {number} role @param {number} place
 * @returns {() => number} signed 32-bit words
 */
function makeStream(seed, role, place) {
  let h = 0x9e3779b9;
  /** @param {number} word */
  const mix = (word) => {
    h = Math.imul(h ^ word, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h = h ^ (h >>> 16));
  };
  mix(seed | 0);
  mix(Math.floor(seed / 4294967296) | 0);
  mix(role);
  let a = mix(place), b = mix(0x243f6a88), c = mix(0x13198a2e), d = 1;
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

// The ziggurat of Marsaglia and Tsang (2000) with 128 layers.
const ZIGGURAT = (() => {
  const tail = 3.442619855899, area = 9.91256303526217e-3, scale = 2147483648;
  const limit = new Int32Array(128), width = new Float64Array(128), height = new Float64Array(128);
  const top = area / Math.exp(-tail * tail / 2);
  limit[0] = (tail / top) * scale;
  width[0] = top / scale;
  width[127] = tail / scale;
  height[0] = 1;
  height[127] = Math.exp(-tail * tail / 2);
  for (let i = 126, x = tail; i > 0; i--) {
    const before = x;
    x = Math.sqrt(-2 * Math.log(area / x + Math.exp(-x * x / 2)));
    limit[i + 1] = (x / before) * scale;
    width[i] = x / scale;
    height[i] = Math.exp(-x * x / 2);
  }
  return { tail, limit, width, height };
})();

/** @param {() => number} next @param {Float32Array} out @param {number} from @param {number} to */
function fillNormals(next, out, from, to) {
  const { tail, limit, width, height } = ZIGGURAT;
  /** @returns {number} in (0, 1) */
  const share = () => ((next() >>> 0) + 0.5) / 4294967296;
  for (let i = from; i < to; i++) {
    for (;;) {
      const word = next(), layer = word & 127;
      const x = word * width[layer];
      if (Math.abs(word) < limit[layer]) {
        out[i] = x;
        break;
      }
      if (layer === 0) {
        let far, drop;
        do {
          far = -Math.log(share()) / tail;
          drop = -Math.log(share());
        } while (drop + drop < far * far);
        out[i] = word > 0 ? tail + far : -tail - far;
        break;
      }
      if (height[layer] + share() * (height[layer - 1] - height[layer]) < Math.exp(-x * x / 2)) {
        out[i] = x;
        break;
      }
    }
  }
}

/** Of unit variance. @param {() => number} next @param {Float32Array} out */
function fillUniforms(next, out) {
  const scale = Math.sqrt(3) / 2147483648;
  for (let i = 0; i < out.length; i++) out[i] = (next() + 0.5) * scale;
}

/**
 * Rows made orthonormal, times sqrt(n): Haar-distributed where the rows were Gaussian. Gram and Schmidt, twice.
 * @param {Float32Array} out (n, n) @param {number} n
 */
function orthonormalise(out, n) {
  const q = new Float64Array(out);
  for (let row = 0; row < n; row++) {
    const here = row * n;
    for (let round = 0; round < 2; round++) {
      for (let other = 0; other < row; other++) {
        const there = other * n;
        let dot = 0;
        for (let i = 0; i < n; i++) dot += q[here + i] * q[there + i];
        for (let i = 0; i < n; i++) q[here + i] -= dot * q[there + i];
      }
    }
    let square = 0;
    for (let i = 0; i < n; i++) square += q[here + i] ** 2;
    const scale = 1 / Math.sqrt(square);
    for (let i = 0; i < n; i++) q[here + i] *= scale;
  }
  const up = Math.sqrt(n);
  for (let i = 0; i < out.length; i++) out[i] = q[i] * up;
}

/** Weights and biases of unit variance: the draw that is looked at, kept while scales change, and one of many. */
/** @typedef {{key: string, filled: number, weights: Float32Array[], biases: Float32Array[]}} Held */
/** @type {Held[]} */
const drawn = [0, 1].map(() => ({ key: "", filled: 0, weights: [], biases: [] }));

/** @param {Net} net @param {number} seed @param {number} slot */
function drawUpTo(net, seed, slot) {
  const n = net.width, scheme = SCHEMES[net.scheme], uniformBias = net.bias === null && scheme.biasShape === "uniform";
  const key = [seed, n, scheme.shape, uniformBias].join(), held = drawn[slot];
  if (held.weights.length && held.weights[0].length !== n * n) Object.assign(held, { weights: [], biases: [] });
  if (held.key !== key) Object.assign(held, { key, filled: 0 });
  for (let layer = held.filled; layer < net.depth; layer++) {
    const weights = (held.weights[layer] = held.weights[layer] || new Float32Array(n * n));
    const biases = (held.biases[layer] = held.biases[layer] || new Float32Array(n)), next = makeStream(seed, WEIGHTS, layer);
    if (scheme.shape === "uniform") fillUniforms(next, weights);
    else fillNormals(next, weights, 0, n * n);
    if (scheme.shape === "orthogonal") orthonormalise(weights, n);
    const other = makeStream(seed, BIASES, layer);
    if (uniformBias) fillUniforms(other, biases);
    else fillNormals(other, biases, 0, n);
  }
  held.filled = Math.max(held.filled, net.depth);
  return held;
}

/**
 * z = factor x W^T, two rows by four units at a time.
 * @param {Float32Array} x (rows, n) @param {Float32Array} w (n, n) @param {Float32Array} z (rows, n)
 * @param {number} rows even @param {number} n a multiple of four @param {number} factor
 */
function multiply(x, w, z, rows, n, factor) {
  for (let unit = 0; unit < n; unit += 4) {
    const w0 = unit * n, w1 = w0 + n, w2 = w1 + n, w3 = w2 + n;
    for (let row = 0; row < rows; row += 2) {
      const x0 = row * n, x1 = x0 + n;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let i = 0; i < n; i++) {
        const p = w[w0 + i], q = w[w1 + i], r = w[w2 + i], s = w[w3 + i], u = x[x0 + i], v = x[x1 + i];
        a0 += u * p; a1 += u * q; a2 += u * r; a3 += u * s;
        b0 += v * p; b1 += v * q; b2 += v * r; b3 += v * s;
      }
      const k = x0 + unit, l = x1 + unit;
      z[k] = a0 * factor; z[k + 1] = a1 * factor; z[k + 2] = a2 * factor; z[k + 3] = a3 * factor;
      z[l] = b0 * factor; z[l + 1] = b1 * factor; z[l + 2] = b2 * factor; z[l + 3] = b3 * factor;
    }
  }
}

/**
 * g = factor delta W, in the same blocks.
 * @param {Float32Array} delta (rows, n) @param {Float32Array} w (n, n) @param {Float32Array} g (rows, n)
 * @param {number} rows even @param {number} n a multiple of four @param {number} factor
 */
function multiplyBack(delta, w, g, rows, n, factor) {
  for (let unit = 0; unit < n; unit += 4) {
    for (let row = 0; row < rows; row += 2) {
      const d0 = row * n, d1 = d0 + n;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let o = 0, at = unit; o < n; o++, at += n) {
        const p = w[at], q = w[at + 1], r = w[at + 2], s = w[at + 3], u = delta[d0 + o], v = delta[d1 + o];
        a0 += u * p; a1 += u * q; a2 += u * r; a3 += u * s;
        b0 += v * p; b1 += v * q; b2 += v * r; b3 += v * s;
      }
      const k = d0 + unit, l = d1 + unit;
      g[k] = a0 * factor; g[k + 1] = a1 * factor; g[k + 2] = a2 * factor; g[k + 3] = a3 * factor;
      g[l] = b0 * factor; g[l + 1] = b1 * factor; g[l + 2] = b2 * factor; g[l + 3] = b3 * factor;
    }
  }
}

/** @param {Float32Array} v @param {number} count */
function meanSquare(v, count) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += v[i] * v[i];
  return sum / count;
}

/** The power of two that brings a mean square back to ordinary size; 0 while it is. @param {number} square */
function excess(square) {
  if (!(square > 0) || !isFinite(square) || (square > 2 ** -60 && square < 2 ** 60)) return 0;
  return Math.round(Math.log2(square) / 2);
}

/** Brings values to ordinary size. @param {Float32Array} v @param {number} count @param {number} exponent */
function settle(v, count, exponent) {
  const off = excess(meanSquare(v, count));
  if (!off) return exponent;
  for (let i = 0; i < count; i++) v[i] *= 2 ** (-off);
  return exponent + off;
}

/**
 * The activation and its slope of values 2^exponent z, each with an exponent of its own.
 * @param {Activation} phi @param {number} p its free parameter @param {Float32Array} z @param {number} count
 * @param {number} exponent @param {Float32Array} a @param {Float32Array} d @returns {[number, number]} exponents of a, d
 */
function activate(phi, p, z, count, exponent, a, d) {
  if (exponent === 0) {
    phi.apply(z, count, 1, p, a, 1, d, 1);
    return [0, 0];
  }
  if (phi.degree !== null) {
    phi.apply(z, count, 1, p, a, 1, d, 1);
    return [phi.degree * exponent, (phi.degree - 1) * exponent];
  }
  const lines = exponent < -250 ? phi.near : exponent > 120 ? phi.far : null;
  if (lines) {
    for (let i = 0; i < count; i++) {
      d[i] = z[i] > 0 ? lines[1] : lines[0];
      a[i] = d[i] * z[i];
    }
    return [exponent, 0];
  }
  const scale = 2 ** Math.max(-500, Math.min(900, exponent));
  /** @param {(x: number, p: number) => number} f */
  const power = (f) => {
    const size = Math.max(Math.abs(f(scale, p)), Math.abs(f(-scale, p)));
    return size > 0 && isFinite(size) ? Math.round(Math.log2(size)) : 0;
  };
  const up = power(phi.value), steep = power(phi.slope);
  phi.apply(z, count, scale, p, a, 2 ** -up, d, 2 ** -steep);
  return [up, steep];
}

/**
 * Layer norm of rows: y in place, the inverse deviations to `inverse`. Returns the exponents of y and of `inverse`.
 * @param {Float32Array} v @param {number} rows @param {number} n @param {number} exponent @param {Float64Array} inverse
 * @returns {[number, number]}
 */
function normaliseRows(v, rows, n, exponent, inverse) {
  return normaliseLines(v, rows, n, n, 1, exponent, inverse);
}

/**
 * Norm along lines: line k has its entries at k * step + i * stride.
 * @param {Float32Array} v @param {number} lines @param {number} length @param {number} step @param {number} stride
 * @param {number} exponent @param {Float64Array} inverse @returns {[number, number]}
 */
function normaliseLines(v, lines, length, step, stride, exponent, inverse) {
  // eps in the units of the scaled values; where it is all that counts it sets the scale.
  const power = -2 * exponent, alone = power > 200, eps = alone ? EPS : EPS * 2 ** power;
  for (let line = 0; line < lines; line++) {
    let sum = 0, square = 0;
    const start = line * step;
    for (let i = 0, k = start; i < length; i++, k += stride) sum += v[k];
    const mean = sum / length;
    for (let i = 0, k = start; i < length; i++, k += stride) square += (v[k] - mean) ** 2;
    const scale = 1 / Math.sqrt((alone ? 0 : square / length) + eps);
    for (let i = 0, k = start; i < length; i++, k += stride) v[k] = (v[k] - mean) * scale;
    inverse[line] = scale;
  }
  return alone ? [exponent, 0] : [0, -exponent];
}

/**
 * Back through a norm, in place: g becomes (g - mean g - y mean(g y)) / deviation.
 * @param {Float32Array} g @param {Float32Array} y @param {number} lines @param {number} length @param {number} step
 * @param {number} stride @param {Float64Array} inverse @param {number} seen how far y is what it says, 0 where eps alone
 */
function denormaliseLines(g, y, lines, length, step, stride, inverse, seen) {
  for (let line = 0; line < lines; line++) {
    let sum = 0, along = 0;
    const start = line * step;
    for (let i = 0, k = start; i < length; i++, k += stride) {
      sum += g[k];
      along += g[k] * y[k];
    }
    const mean = sum / length, tied = seen * along / length;
    for (let i = 0, k = start; i < length; i++, k += stride) g[k] = (g[k] - mean - y[k] * tied) * inverse[line];
  }
}

/** Sums of a layer's values: everything the statistics are made of, so that parts of a batch can be put together. */
class Tally {
  /** @param {number} places @param {number} width */
  constructor(places, width) {
    this.exponent = new Float64Array(places);
    this.sum = new Float64Array(places);
    this.square = new Float64Array(places);
    this.units = new Float64Array(places * width);
    this.bins = new Uint32Array(places * BINS);
    this.width = width;
    this.reach = 0;
  }

  /** @param {number} place @param {Float32Array} v @param {number} rows @param {number} exponent */
  see(place, v, rows, exponent) {
    const n = this.width, units = this.units, start = place * n, bins = this.bins, first = place * BINS;
    let square = 0;
    for (let row = 0, k = 0; row < rows; row++) {
      for (let unit = 0; unit < n; unit++, k++) {
        units[start + unit] += v[k];
        square += v[k] * v[k];
      }
    }
    let sum = 0;
    for (let unit = 0; unit < n; unit++) sum += units[start + unit];
    this.exponent[place] = exponent;
    this.sum[place] = sum;
    this.square[place] = square;
    if (!this.reach) this.reach = 3 * Math.sqrt(square / (rows * n)) * 2 ** Math.max(-900, Math.min(900, exponent)) || 1;
    const scale = (BINS / 2 / this.reach) * 2 ** Math.max(-1000, Math.min(1000, exponent));
    for (let k = 0; k < rows * n; k++) {
      const bin = (v[k] * scale + BINS / 2) | 0, value = v[k] * scale + BINS / 2;
      bins[first + (value >= BINS ? BINS - 1 : value > 0 ? bin : 0)]++;
    }
  }
}

/** Rows of numbers, each from its own stream. @param {number} seed @param {number} role @param {number} from
 * @param {number} to @param {number} n @param {Float32Array} out */
function fillRows(seed, role, from, to, n, out) {
  for (let row = from; row < to; row++) fillNormals(makeStream(seed, role, row), out, (row - from) * n, (row - from + 1) * n);
}

/** Two directions in the input's space, for points of a plane: each has n entries of about 1. @param {number} seed
 * @param {number} n */
function drawPlane(seed, n) {
  const plane = new Float32Array(2 * n);
  fillNormals(makeStream(seed, PLANE, 0), plane, 0, 2 * n);
  return plane;
}

/** Ten inputs on a circle, second moment 1. @param {number} seed @param {number} n @param {Float32Array} out
 * @param {number} start */
function fillCircle(seed, n, out, start) {
  const plane = drawPlane(seed, n);
  for (let point = 0; point < CIRCLE; point++) {
    const angle = 2 * Math.PI * point / CIRCLE, c = Math.cos(angle), s = Math.sin(angle);
    for (let i = 0; i < n; i++) out[start + point * n + i] = c * plane[i] + s * plane[n + i];
  }
}

/** @type {Map<string, Float32Array>} */
const buffers = new Map();
/** An array that is used again. @param {string} name @param {number} size */
function buffer(name, size) {
  let found = buffers.get(name);
  if (!found || found.length < size) buffers.set(name, (found = new Float32Array(size)));
  return found;
}

/**
 * The way forward of rows that are in buffer "x0"; layer l's output is in buffer `x${l + 1}`.
 * @param {Net} net @param {Draw} weights @param {number} rows even
 * @param {(place: number, v: Float32Array, exponent: number) => void} see
 */
function goForward(net, weights, rows, see) {
  const n = net.width, count = rows * n, phi = ACTIVATIONS[net.activation];
  const std = weightStd(net), bias = biasStd(net), z = buffer("z", count);
  /** @type {Trace} */
  const trace = { slopes: [], inverses: [], seen: [], sources: [], exponents: [] };
  let exponent = 0;
  see(0, buffer("x0", count), 0);
  for (let layer = 0; layer < net.depth; layer++) {
    const x = buffer(`x${layer}`, count), out = buffer(`x${layer + 1}`, count), d = buffer(`d${layer}`, count);
    const inverse = new Float64Array(Math.max(rows, n));
    /** @param {Float32Array} v @param {number} e @returns {number} */
    const normalise = (v, e) => {
      if (net.norm === "none") return e;
      const [to, back] = net.norm === "layer" ? normaliseRows(v, rows, n, e, inverse)
        : normaliseLines(v, n, rows, 1, n, e, inverse);
      buffer(`y${layer}`, count).set(v.subarray(0, count));
      trace.inverses[layer] = { inverse, exponent: back };
      trace.seen[layer] = to === 0 ? 1 : 0;
      return to;
    };
    /** @param {Float32Array} from @param {number} e @returns {number} */
    const mix = (from, e) => {
      multiply(from, weights.weights[layer], z, rows, n, std);
      if (bias > 0) e = addBias(z, rows, n, e, weights.biases[layer], bias);
      return settle(z, count, e);
    };
    if (net.residual === null) {
      trace.sources[layer] = x;
      trace.exponents[layer] = exponent;
      const [up, steep] = activate(phi, net.slope, z, count, normalise(z, mix(x, exponent)), out, d);
      exponent = settle(out, count, up);
      trace.slopes[layer] = steep;
    } else {
      const y = buffer("y", count), a = buffer(`a${layer}`, count);
      y.set(x.subarray(0, count));
      const [up, steep] = activate(phi, net.slope, y, count, normalise(y, exponent), a, d);
      trace.slopes[layer] = steep;
      trace.sources[layer] = a;
      trace.exponents[layer] = settle(a, count, up);
      const branch = mix(a, trace.exponents[layer]) - exponent, scale = net.residual * 2 ** Math.max(-300, Math.min(120, branch));
      for (let i = 0; i < count; i++) out[i] = x[i] + scale * z[i];
      exponent = settle(out, count, exponent);
    }
    see(layer + 1, out, exponent);
  }
  return trace;
}

/** @param {Float32Array} z @param {number} rows @param {number} n @param {number} exponent @param {Float32Array} biases
 * @param {number} std @returns {number} the exponent of the sum */
function addBias(z, rows, n, exponent, biases, std) {
  if (exponent < -100) { // nothing is left of z beside the bias
    for (let i = 0; i < rows * n; i++) z[i] *= 2 ** Math.max(-300, exponent);
    exponent = 0;
  }
  const scale = std * 2 ** Math.max(-300, -exponent);
  for (let row = 0, k = 0; row < rows; row++) for (let unit = 0; unit < n; unit++, k++) z[k] += scale * biases[unit];
  return exponent;
}

/**
 * The way back of the gradient at the output, in place; `see` is told of the gradient at every layer's output.
 * @param {Net} net @param {Draw} weights @param {Trace} trace @param {Float32Array} g @param {number} rows even
 * @param {number} exponent @param {(place: number, v: Float32Array, exponent: number) => void} see
 * @param {((layer: number, delta: Float32Array, exponent: number) => void) | null} learn told of the gradient at z
 */
function goBackward(net, weights, trace, g, rows, exponent, see, learn) {
  const n = net.width, count = rows * n, std = weightStd(net);
  const delta = buffer("delta", count), next = buffer("next", count);
  see(net.depth, g, exponent);
  for (let layer = net.depth - 1; layer >= 0; layer--) {
    const d = buffer(`d${layer}`, count);
    const w = weights.weights[layer];
    /** @param {Float32Array} v @param {number} e @returns {number} */
    const bend = (v, e) => {
      for (let i = 0; i < count; i++) v[i] *= d[i];
      e = settle(v, count, e + trace.slopes[layer]);
      if (net.norm === "none") return e;
      const { inverse, exponent: more } = trace.inverses[layer], y = buffer(`y${layer}`, count), seen = trace.seen[layer];
      if (net.norm === "layer") denormaliseLines(v, y, rows, n, n, 1, inverse, seen);
      else denormaliseLines(v, y, n, rows, 1, n, inverse, seen);
      return settle(v, count, e + more);
    };
    if (net.residual === null) {
      exponent = bend(g, exponent);
      if (learn) learn(layer, g, exponent);
      multiplyBack(g, w, next, rows, n, std);
      g.set(next.subarray(0, count));
    } else {
      for (let i = 0; i < count; i++) delta[i] = net.residual * g[i];
      if (learn) learn(layer, delta, exponent);
      multiplyBack(delta, w, next, rows, n, std);
      const branch = bend(next, settle(next, count, exponent)) - exponent, scale = 2 ** Math.max(-300, Math.min(120, branch));
      for (let i = 0; i < count; i++) g[i] += scale * next[i];
    }
    exponent = settle(g, count, exponent);
    see(layer, g, exponent);
  }
}

/**
 * One draw, or some rows of its batch.
 * @param {Net} net @param {number} seed @param {number} from @param {number} to rows of the batch
 * @param {boolean} circle whether ten inputs on a circle go along @param {number} slot where the weights are kept
 * @returns {Pass}
 */
function propagate(net, seed, from, to, circle, slot) {
  const n = net.width, own = to - from, weights = drawUpTo(net, seed, slot), forward = new Tally(net.depth + 1, n);
  const backward = new Tally(net.depth + 1, n);
  /** @type {number[][][]} */
  const clouds = [];
  const places = new Set(pickPlaces(net.depth, CLOUDS));
  /** @param {number} place @param {Float32Array} v @param {number} start */
  const look = (place, v, start) => {
    if (places.has(place)) clouds.push(flatten(v, start, n));
  };
  const apart = net.norm === "batch"; // they are a batch of their own there
  const rows = own + (circle && !apart ? CIRCLE : 0), padded = rows + (rows & 1), x = buffer("x0", padded * n);
  x.fill(0);
  fillRows(seed, INPUTS, from, to, n, x);
  if (circle && !apart) fillCircle(seed, n, x, own * n);
  const trace = goForward(net, weights, apart ? own : padded, (place, v, exponent) => {
    forward.see(place, v, own, exponent);
    if (circle && !apart) look(place, v, own * n);
  });
  const g = buffer("g", padded * n);
  g.fill(0);
  fillRows(seed, COTANGENT, from, to, n, g);
  goBackward(net, weights, trace, g, apart ? own : padded, 0, (place, v, exponent) => backward.see(place, v, own, exponent), null);
  if (circle && apart) {
    fillCircle(seed, n, buffer("x0", CIRCLE * n), 0);
    goForward(net, weights, CIRCLE, (place, v) => look(place, v, 0));
  }
  return { rows: own, forward, backward, clouds };
}

/**
 * The circle after a layer: its first two principal components, in units of the points' mean length.
 * @param {Float32Array} v @param {number} start @param {number} n
 */
function flatten(v, start, n) {
  const gram = Array.from({ length: CIRCLE }, () => new Float64Array(CIRCLE));
  for (let i = 0; i < CIRCLE; i++) {
    for (let j = 0; j <= i; j++) {
      let dot = 0;
      for (let k = 0, a = start + i * n, b = start + j * n; k < n; k++) dot += v[a + k] * v[b + k];
      gram[i][j] = gram[j][i] = dot;
    }
  }
  const size = gram.reduce((sum, row, i) => sum + row[i], 0) / CIRCLE || 1;
  const means = gram.map((row) => row.reduce((sum, value) => sum + value, 0) / CIRCLE);
  const whole = means.reduce((sum, value) => sum + value, 0) / CIRCLE;
  const centred = gram.map((row, i) => Array.from(row, (value, j) => (value - means[i] - means[j] + whole) / size));
  const points = Array.from({ length: CIRCLE }, () => [0, 0]);
  for (let axis = 0; axis < 2; axis++) {
    // Power iteration from the circle's own coordinates, so that the pictures of two layers resemble each other.
    let vector = points.map((_, i) => (axis ? Math.sin : Math.cos)(2 * Math.PI * i / CIRCLE) + 0.01 * i * i);
    let root = 0;
    for (let round = 0; round < 60; round++) {
      const moved = centred.map((row) => row.reduce((sum, value, j) => sum + value * vector[j], 0));
      root = Math.sqrt(moved.reduce((sum, value) => sum + value * value, 0));
      if (!(root > 1e-14)) break;
      vector = moved.map((value) => value / root);
    }
    if (!(root > 1e-14)) break;
    points.forEach((point, i) => (point[axis] = vector[i] * Math.sqrt(root)));
    centred.forEach((row, i) => row.forEach((_, j) => (row[j] -= root * vector[i] * vector[j])));
  }
  return points;
}
