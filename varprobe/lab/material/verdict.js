// @ts-check
// From sums to statistics, and from draws to a verdict: the rule of varprobe/verdict/rule.py.

/** @typedef {{
 *  second: Float64Array, variance: Float64Array, sample: Float64Array,
 *  gradient: Float64Array, gradientVariance: Float64Array,
 *  bins: Uint32Array, gradientBins: Uint32Array, reach: [number, number], clouds: number[][][]
 * }} Statistics natural logs at the input and behind every layer, of one draw */

/** One draw out of its parts of a batch. @param {Pass[]} passes @param {Net} net @returns {Statistics} */
function gather(passes, net) {
  const ahead = combine(passes.map((pass) => pass.forward), passes, net);
  const back = combine(passes.map((pass) => pass.backward), passes, net), end = back.second[net.depth];
  return {
    ...ahead,
    gradient: back.second.map((log) => log - end),
    gradientVariance: back.variance.map((log) => log - end),
    gradientBins: back.bins,
    reach: [ahead.reach[0], back.reach[0]],
    clouds: passes.map((pass) => pass.clouds).find((clouds) => clouds.length) || [],
  };
}

/** @param {Tally[]} tallies @param {Pass[]} passes @param {Net} net */
function combine(tallies, passes, net) {
  const places = net.depth + 1, n = net.width, rows = passes.reduce((sum, pass) => sum + pass.rows, 0), count = rows * n;
  const second = new Float64Array(places), variance = new Float64Array(places), sample = new Float64Array(places);
  const bins = tallies[0].bins.slice();
  for (const other of tallies.slice(1)) other.bins.forEach((value, i) => (bins[i] += value));
  for (let place = 0; place < places; place++) {
    const top = Math.max(...tallies.map((one) => one.exponent[place]));
    const scales = tallies.map((one) => 2 ** (one.exponent[place] - top));
    let sum = 0, square = 0, within = 0;
    tallies.forEach((one, i) => {
      sum += one.sum[place] * scales[i];
      square += one.square[place] * scales[i] ** 2;
    });
    for (let unit = place * n; unit < (place + 1) * n; unit++) {
      let total = 0;
      for (let i = 0; i < tallies.length; i++) total += tallies[i].units[unit] * scales[i];
      within += total * total;
    }
    const size = 2 * top * Math.LN2;
    second[place] = Math.log(square / count) + size;
    variance[place] = Math.log(Math.max(0, square / count - (sum / count) ** 2)) + size;
    sample[place] = rows > 1 ? Math.log(Math.max(0, square - within / rows) / (n * (rows - 1))) + size : NaN;
  }
  return { second, variance, sample, bins, reach: [tallies[0].reach] };
}

/** @param {number[]} values */
function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Half the 95 % interval of a mean by Student's t; null with fewer than two. @param {number[]} values */
function reachOf(values) {
  if (values.length < 2) return null;
  const mean = meanOf(values), square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return LIMITS.student[Math.min(values.length - 1, LIMITS.student.length) - 1] * Math.sqrt(square / values.length);
}

/** The label of a change that is known. @param {number} total */
function regionOf(total) {
  if (Math.abs(total) <= LIMITS.stable) return "stable";
  if (Math.abs(total) <= LIMITS.broken) return "borderline";
  return total > 0 ? "exploding" : "vanishing";
}

/** @param {number} total @param {number | null} half */
function labelOf(total, half) {
  if (half === null) return "inconclusive";
  if (total - half > LIMITS.broken) return "exploding";
  if (total + half < -LIMITS.broken) return "vanishing";
  return half > Math.LN10 ? "inconclusive" : regionOf(total);
}

/**
 * A direction's verdict; `total` is D, in natural logs, `deep` what the deep half's slope makes of the whole depth.
 * @param {Float64Array[]} paths of every draw, the input first @param {boolean} backward @returns {Way}
 */
function judgeDirection(paths, backward) {
  const depth = paths[0].length - 1, start = depth < LIMITS.fewest ? 0 : 1, sign = backward ? -1 : 1;
  const cut = paths.map((path) => path.slice(start));
  const ended = cut.filter((path) => path.some((log) => Number.isNaN(log) || log === Infinity)).length;
  const living = cut.filter((path) => path.every(Number.isFinite)), dead = cut.length - living.length - ended;
  if (2 * living.length <= cut.length) {
    return { label: ended >= Math.max(dead, 1) ? "exploding" : "degenerate", total: null, half: null, deep: null };
  }
  const changes = living.map((path) => sign * (path[path.length - 1] - path[0]));
  const total = meanOf(changes), half = reachOf(changes);
  const deep = depth < 4 ? null : (depth - 1) * sign * meanOf(living.map((path) => slopeOf(path.slice(path.length - depth + (depth >> 1)))));
  return { label: labelOf(total, half), total, half, deep };
}

/** Least squares. @param {Float64Array} path */
function slopeOf(path) {
  const middle = (path.length - 1) / 2;
  let up = 0, square = 0;
  path.forEach((log, i) => {
    up += (i - middle) * log;
    square += (i - middle) ** 2;
  });
  return up / square;
}

/** Whether samples stay distinct, from the input to the last layer. @param {Statistics[]} draws @returns {Way} */
function judgeSignal(draws) {
  const paths = draws.map((draw) => draw.sample.map((log, i) => log - draw.second[i])).filter((path) => !path.some(Number.isNaN));
  if (2 * paths.length <= draws.length) return { label: "undefined", total: null, half: null, deep: null };
  const floor = Math.log(100 * (2 ** -23) ** 2), depth = paths[0].length - 1;
  for (let place = 1; place <= depth; place++) {
    const top = Math.max(...paths.map((path) => path[place]));
    const mean = top + Math.log(meanOf(paths.map((path) => Math.exp(path[place] - top))));
    if (!(mean >= floor)) return { label: "collapsing", total: null, half: null, deep: null };
  }
  const changes = paths.map((path) => path[depth] - path[0]).filter(Number.isFinite), total = meanOf(changes), half = reachOf(changes);
  let label = total >= -LIMITS.preserved ? "preserved" : total < -LIMITS.fading ? "collapsing" : "fading";
  if (half === null) label = "inconclusive";
  else if (total + half < -LIMITS.fading) label = "collapsing";
  else if (half > Math.LN10 && total - half < -LIMITS.preserved) label = "inconclusive";
  return { label, total, half, deep: null };
}

/** @param {Statistics[]} draws @returns {Verdict} */
function judge(draws) {
  return {
    forward: judgeDirection(draws.map((draw) => draw.second), false),
    backward: judgeDirection(draws.map((draw) => draw.gradient), true),
    signal: judgeSignal(draws),
  };
}

/** By theory alone: the mean over draws at infinite width, which has no interval. @param {Theory} theory */
function judgeTheory(theory) {
  const start = theory.outputs.length - 1 < LIMITS.fewest ? 0 : 1, last = theory.outputs.length - 1;
  const forward = theory.outputs[last].log - theory.outputs[start].log, backward = theory.gradients[start] - theory.gradients[last];
  /** @param {number} total */
  const label = (total) => (Number.isFinite(total) ? regionOf(total) : "unknown");
  return { forward: { label: label(forward), total: forward }, backward: { label: label(backward), total: backward } };
}

/** The worse of both directions. @param {Verdict} verdict */
function overallOf(verdict) {
  return LIMITS.order.find((label) => label === verdict.forward.label || label === verdict.backward.label) || "stable";
}

/** 10^x in three digits, as `varprobe.formatting.power` writes it. @param {number} log10 */
function power(log10) {
  if (!Number.isFinite(log10)) return log10 === -Infinity ? "0" : String(log10);
  const value = log10 >= -3 && log10 < 4 ? Number((10 ** log10).toPrecision(3)) : Infinity;
  if (value < 10000) return String(value);
  let exponent = Math.floor(log10), mantissa = Number((10 ** (log10 - exponent)).toFixed(2));
  if (mantissa >= 10) [mantissa, exponent] = [1, exponent + 1];
  return `${mantissa.toFixed(2)}e${exponent < 0 ? "-" : "+"}${Math.abs(exponent)}`;
}

/** The verdict in the tool's words. @param {Verdict} verdict */
function verdictWords(verdict) {
  const nouns = ["the activations", "the gradient"];
  const said = [verdict.forward, verdict.backward].map((way, which) => {
    const total = way.total === null ? null : way.total / Math.LN10;
    const levels = total !== null && way.deep !== null && way.label === "stable" && Math.abs(total) > 1 && Math.abs(way.deep / Math.LN10) < 1;
    const words = levels ? (which ? "levels off" : "level off") : WORDS.size[way.label][which];
    return `${nouns[which]} ${words}${total === null ? "" : ` (x ${power(total)} over the depth)`}`;
  });
  return `${said.join("; ")}; ${WORDS.samples[verdict.signal.label]} (signal ${verdict.signal.label}).`;
}
