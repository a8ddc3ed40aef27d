// @ts-check
// Mean-field theory at infinite width, layer by layer: second moments, how alike two samples are, the gradient.
//
// q = E[z^2]; expectations over h ~ N(0, q) by Gauss-Legendre panels that are split at kinks. All sizes are natural logs.

const GAUSS = gaussLegendre(14);
const SPREAD = [-12, -8, -5, -2.5, 0, 2.5, 5, 8, 12];

/** Nodes and weights on (-1, 1), by Newton's method on Legendre polynomials. @param {number} count */
function gaussLegendre(count) {
  const nodes = [], weights = [];
  for (let k = 1; k <= count; k++) {
    let x = Math.cos(Math.PI * (k - 0.25) / (count + 0.5)), slope = 1;
    for (let round = 0; round < 50; round++) {
      let p = 1, before = 0;
      for (let j = 0; j < count; j++) [p, before] = [((2 * j + 1) * x * p - j * before) / (j + 1), p];
      slope = count * (x * p - before) / (x * x - 1);
      const step = p / slope;
      x -= step;
      if (Math.abs(step) < 1e-15) break;
    }
    nodes.push(x);
    weights.push(2 / ((1 - x * x) * slope * slope));
  }
  return { nodes, weights };
}

/**
 * Nodes u and weights for u ~ N(0, 1) and functions of mean + std u that bend where phi does.
 * @param {Activation} phi @param {number} mean @param {number} std @param {number[]} more edges, in u
 */
function splitPanels(phi, mean, std, more = []) {
  const edges = [...SPREAD, ...more], unit = phi.unit;
  for (const bend of phi.kinks.length ? phi.kinks : [0]) {
    const centre = (bend - mean) / std;
    edges.push(centre);
    if (!phi.straight) for (let step = unit / 2; step < 12 * std && step < 64 * unit; step *= 2) edges.push(centre - step / std, centre + step / std);
  }
  if (phi.period) {
    const width = phi.period / 2 / std;
    if (width > 0.05) for (let u = width; u < 12; u += width) edges.push(u, -u);
  }
  edges.sort((a, b) => a - b);
  const u = [], weight = [];
  for (let i = 1; i < edges.length; i++) {
    const low = Math.max(edges[i - 1], -12), half = (Math.min(edges[i], 12) - low) / 2;
    if (!(half > 1e-12)) continue;
    for (let k = 0; k < GAUSS.nodes.length; k++) {
      const node = low + half * (1 + GAUSS.nodes[k]);
      u.push(node);
      weight.push(half * GAUSS.weights[k] * Math.exp(-node * node / 2) / Math.sqrt(2 * Math.PI));
    }
  }
  return { u, weight };
}

/** @type {Map<string, any>} */
const known = new Map();
/** @template T @param {string} key @param {() => T} make @returns {T} */
function remember(key, make) {
  if (known.size > 20000) known.clear();
  if (!known.has(key)) known.set(key, make());
  return known.get(key);
}

/** Slopes left and right of 0 where phi is two lines to rounding, else null. @param {Activation} phi @param {number} p
 * @param {number} log @returns {[number, number] | null} */
function sideSlopes(phi, p, log) {
  if (phi.degree === 1) return [phi.slope(-1, p), phi.slope(1, p)];
  const units = log - 2 * Math.log(phi.unit);
  return units < Math.log(1e-32) ? phi.near : units > Math.log(1e32) ? phi.far : null;
}

/**
 * Of phi over N(0, q): ln E[phi^2], E[phi]^2 / E[phi^2], ln E[phi'^2].
 * @param {Activation} phi @param {number} p @param {number} log ln q @returns {Moments}
 */
function momentsOf(phi, p, log) {
  const sides = sideSlopes(phi, p, log);
  if (sides) {
    const [left, right] = sides, half = (left * left + right * right) / 2;
    return { second: Math.log(half) + log, mean: half ? (right - left) ** 2 / (2 * Math.PI) / half : 0, slope: Math.log(half) };
  }
  if (phi.degree === 2) {
    const [left, right] = [phi.value(-1, p), phi.value(1, p)], half = (left * left + right * right) / 2;
    const flat = (phi.slope(-1, p) ** 2 + phi.slope(1, p) ** 2) / 2;
    return { second: Math.log(3 * half) + 2 * log, mean: (left + right) ** 2 / 4 / (3 * half), slope: Math.log(flat) + log };
  }
  return remember([phi.name, p, log.toPrecision(14)].join(), () => {
    const std = Math.exp(log / 2), { u, weight } = splitPanels(phi, 0, std);
    let mean = 0, second = 0, slope = 0;
    for (let i = 0; i < u.length; i++) {
      const x = std * u[i], a = phi.value(x, p), d = phi.slope(x, p), w = weight[i];
      mean += w * a;
      second += w * a * a;
      slope += w * d * d;
    }
    return { second: Math.log(second), mean: second ? mean * mean / second : 0, slope: Math.log(slope) };
  });
}

/**
 * E[f(u1) f(u2)] of Gaussians of variance q and correlation rho, and E[f^2] less that.
 * With u = sqrt(r) g + sqrt(1 - r) e, r = abs(rho), the inner mean over e is a smooth function of g.
 * @param {"value" | "slope"} which @param {Activation} phi @param {number} p @param {number} log ln q @param {number} rho
 */
function pairOf(which, phi, p, log, rho) {
  return remember([which, phi.name, p, log.toPrecision(12), rho.toPrecision(12)].join(), () => {
    const std = Math.exp(log / 2), r = Math.sqrt(Math.abs(rho)), t = Math.sqrt(1 - r * r), f = phi[which];
    /** @param {number} g */
    const inner = (g) => {
      const { u, weight } = splitPanels(phi, r * g * std, t * std);
      let mean = 0, square = 0;
      for (let i = 0; i < u.length; i++) {
        const value = f(r * g * std + t * std * u[i], p);
        mean += weight[i] * value;
        square += weight[i] * value * value;
      }
      return [mean, square - mean * mean];
    };
    const more = [];
    for (const bend of phi.kinks) for (const step of [-6, -3, -1, 1, 3, 6]) more.push((bend / std + step * t) / r);
    const { u, weight } = splitPanels(phi, 0, r * std || 1e-300, more.filter(isFinite));
    let pair = 0, apart = 0;
    for (let i = 0; i < u.length; i++) {
      const [mean, left] = inner(u[i]), other = rho < 0 ? inner(-u[i])[0] : mean;
      pair += weight[i] * mean * other;
      apart += weight[i] * (left + mean * (mean - other));
    }
    return { pair, apart };
  });
}

/**
 * The share of the second moment behind phi by which two samples differ: E[(phi(u1) - phi(u2))^2] / 2 / E[phi^2].
 * @param {Activation} phi @param {number} p @param {number} log @param {number} share the same before phi
 * @param {Moments} moments
 */
function shareBehind(phi, p, log, share, moments) {
  if (!(share > 0)) return 0;
  const rho = Math.max(-1, 1 - share), sides = sideSlopes(phi, p, log);
  if (sides) {
    const [left, right] = sides, b = right - left, angle = Math.acos(rho);
    // The arc-cosine kernel of Cho and Saul (2009).
    const rest = angle < 0.02 ? angle ** 3 / 3 - angle ** 5 / 30 : Math.sin(angle) - angle * Math.cos(angle);
    return (left * right * share + b * b * (share / 2 - rest / (2 * Math.PI))) / ((left * left + right * right) / 2);
  }
  if (share < 1e-9) return share * Math.exp(moments.slope + log - moments.second);
  return pairOf("value", phi, p, log, rho).apart / Math.exp(moments.second);
}

/** ln(exp a + exp b). @param {number} a @param {number} b */
function logAdd(a, b) {
  const top = Math.max(a, b);
  return top === -Infinity ? top : top + Math.log1p(Math.exp(Math.min(a, b) - top));
}

/** ln Gamma, by Stirling's series above 8. @param {number} x */
function logGamma(x) {
  let shift = 0;
  for (; x < 8; x++) shift -= Math.log(x);
  const y = 1 / (x * x);
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y / 1680))) / x;
}

/**
 * Batch norm with eps over a Gaussian batch: E[w/(w + eps)], and what the gradient's own part is multiplied by, where
 * the biased variance w has the law of chi^2 with batch - 1 degrees of freedom.
 * @param {number} eps in units of the sample variance @param {number} batch
 */
function batchFactors(eps, batch) {
  return remember(["batch", eps.toPrecision(12), batch].join(), () => {
    const step = 1 / 48, half = (batch - 1) / 2;
    let kept = 0, back = 0;
    for (let x = Math.log(Math.min(eps, 1)) - 60; x < Math.log(1 + 80 / (batch - 1)) + 4; x += step) {
      const w = Math.exp(x), passed = eps / (w + eps);
      const density = Math.exp(half * (x + Math.log(batch / 2)) - w * batch / 2 - logGamma(half)) * step;
      kept += density * (1 - passed);
      back += density * (batch - 2 + passed * passed) / (w + eps) / batch;
    }
    return { kept, back };
  });
}

/**
 * What theory says of every layer's output, the input first; null from where it ends.
 * @param {Net} net @param {boolean} pairs whether to follow how alike samples are where nothing else needs it
 * @returns {Theory}
 */
function predict(net, pairs) {
  const phi = ACTIVATIONS[net.activation], p = net.slope, B = net.batch;
  const gain = 2 * Math.log(weightStd(net)) + Math.log(net.width), bias = 2 * Math.log(biasStd(net));
  const needed = pairs || net.norm === "batch";
  /** @type {Signal} */
  let x = { log: 0, mean: 0, share: B > 1 ? 1 : 0 };
  const outputs = [x], steps = [];
  let isPlain = true;
  for (let layer = 0; layer < net.depth; layer++) {
    /** @param {Signal} s @returns {Signal} */
    const mix = (s) => {
      const log = logAdd(gain + s.log, bias);
      return { log, mean: 0, share: s.share * Math.exp(gain + s.log - log) };
    };
    /** @type {Step} */
    const step = { moments: { second: 0, mean: 0, slope: 0 }, z: x, size: 0, isBatch: false };
    /** @param {Signal} s @returns {Signal} */
    const normalise = (s) => {
      if (net.norm === "none") return s;
      if (net.norm === "layer") {
        step.size = logAdd(s.log + Math.log(1 - s.mean), Math.log(EPS));
        return { log: s.log + Math.log(1 - s.mean) - step.size, mean: 0, share: s.share / (1 - s.mean) };
      }
      const apart = s.log + Math.log(s.share), factors = batchFactors(EPS / Math.exp(apart), B);
      step.isBatch = true;
      step.size = apart - Math.log(factors.back);
      return { log: Math.log(factors.kept), mean: 0, share: B / (B - 1) };
    };
    /** @param {Signal} s @returns {Signal} */
    const bend = (s) => {
      step.z = s;
      step.moments = momentsOf(phi, p, s.log);
      const share = needed ? shareBehind(phi, p, s.log, s.share, step.moments) : NaN;
      return { log: step.moments.second, mean: step.moments.mean, share };
    };
    if (net.residual === null) x = bend(normalise(mix(x)));
    else {
      const branch = mix(bend(normalise(x))), log = branch.log + 2 * Math.log(net.residual), sum = logAdd(x.log, log);
      x = { log: sum, mean: 0, share: x.share * Math.exp(x.log - sum) + branch.share * Math.exp(log - sum) };
    }
    isPlain = isPlain && Number.isFinite(x.log);
    outputs.push(isPlain ? x : { log: NaN, mean: NaN, share: NaN });
    steps.push(step);
  }
  return { outputs, gradients: isPlain ? goBackByTheory(net, steps, gain) : outputs.map(() => NaN), chi: steps.map((s) => gain + s.moments.slope), steps };
}

/**
 * ln of the gradient's second moment at every layer's output, that at the last being 1.
 * @param {Net} net @param {Step[]} steps @param {number} gain
 */
function goBackByTheory(net, steps, gain) {
  const phi = ACTIVATIONS[net.activation], found = [0];
  // Batch norm makes the gradients of two samples add up to zero; `shared` is E[g g'] over E[g^2].
  let log = 0, shared = 0;
  for (let layer = net.depth - 1; layer >= 0; layer--) {
    const step = steps[layer];
    /** @param {number} g @param {number} s @returns {[number, number]} */
    const bend = (g, s) => {
      const flat = Math.exp(step.moments.slope);
      if (s) s *= pairOf("slope", phi, net.slope, step.z.log, Math.max(-1, 1 - step.z.share)).pair / flat;
      g += step.moments.slope;
      if (net.norm === "none") return [g, s];
      if (!step.isBatch) return [g - step.size, s];
      return [g + Math.log(1 - s) - step.size, -1 / (net.batch - 1)];
    };
    if (net.residual === null) {
      const [g, s] = bend(log, shared);
      [log, shared] = [g + gain, s];
    } else {
      const [g, s] = bend(log + 2 * Math.log(net.residual) + gain, shared), sum = logAdd(log, g);
      [log, shared] = [sum, shared * Math.exp(log - sum) + s * Math.exp(g - sum)];
    }
    found.push(log);
  }
  return found.reverse();
}
