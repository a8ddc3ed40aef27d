// @ts-check
// The page: its state, which its address holds; the controls; the loop that draws what they ask for.

/** @type {State} */
const DEFAULTS = {
  activation: "tanh", slope: 0.01, scheme: "xavier", gain: 1, bias: null, depth: 20, width: 128, batch: 32,
  norm: "none", residual: null, seed: 1, axes: 10, keep: 0, guess: 0, ask: "", answer: "", presenter: 0,
};
const NORMS = ["none", "layer", "batch"];
// The tool's own number of trials, and how many a page gathers at most.
const TRIALS = 20, MOST = 400;
const WEIGHT_RANGE = [0.01, 40], BIAS_RANGE = [0.01, 3], RESIDUAL_RANGE = [0.02, 2];

/** @param {string} id */
const get = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const picture = (id) => /** @type {HTMLCanvasElement} */ (get(id));
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (get(id));

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The state that an address asks for; what it does not say, or says wrongly, is as usual. @param {string} address */
function readAddress(address) {
  const state = { ...DEFAULTS }, given = new URLSearchParams(address.replace(/^#/, ""));
  /** @param {string} name @param {number} low @param {number} high @param {number} [grain] */
  const numberOf = (name, low, high, grain) => {
    const text = given.get(name), value = Number(text);
    if (text === null || text.trim() === "" || !Number.isFinite(value)) return null;
    return clamp(grain ? Math.round(value / grain) * grain : value, low, high);
  };
  const activation = given.get("activation"), scheme = given.get("scheme"), norm = given.get("norm");
  if (activation && Object.hasOwn(ACTIVATIONS, activation)) state.activation = activation;
  state.slope = numberOf("slope", -2, 2) ?? ACTIVATIONS[state.activation].standard;
  if (scheme && Object.hasOwn(SCHEMES, scheme)) state.scheme = scheme;
  if (norm && NORMS.includes(norm)) state.norm = norm;
  state.gain = numberOf("gain", 1e-6, 1e6) || 1;
  state.bias = numberOf("bias", 0, 100);
  state.residual = numberOf("residual", 1e-6, 100);
  /** @typedef {"depth" | "width" | "batch" | "seed" | "axes" | "keep" | "guess" | "presenter"} Whole */
  for (const [name, low, high, grain] of /** @type {[Whole, number, number, number][]} */ ([
    ["depth", 1, 100, 1], ["width", 8, 512, 4], ["batch", 2, 512, 2], ["seed", 0, 2 ** 31 - 1, 1], ["axes", 4, 40, 1],
    ["keep", 0, 1, 1], ["guess", 0, 1, 1], ["presenter", 0, 1, 1]])) {
    state[name] = numberOf(name, low, high, grain) ?? state[name];
  }
  state.ask = (given.get("ask") || "").slice(0, 500);
  state.answer = (given.get("answer") || "").slice(0, 2000);
  return state;
}

/** What of the state is not as usual. @param {State} state */
function writeAddress(state) {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const usual = name === "slope" ? ACTIVATIONS[state.activation].standard : DEFAULTS[/** @type {keyof State} */ (name)];
    if (value !== null && value !== usual) said.set(name, String(value));
  }
  return said.toString();
}

/** @param {State} state @returns {Net} */
function netOf(state) {
  const { activation, slope, scheme, gain, bias, depth, width, batch, norm, residual } = state;
  return { activation, slope, scheme, gain, bias, depth, width, batch, norm, residual };
}

/** The weights' standard deviation in units of 1/sqrt(fan_in). @param {Net} net */
const relativeStd = (net) => weightStd(net) * Math.sqrt(net.width);

/** The state as a config of the tool. @param {State} state @param {number} trials */
function writeYaml(state, trials) {
  const net = netOf(state), scheme = state.scheme;
  const gain = scheme === "he" ? relativeStd(net) : state.gain;
  const init = state.gain === 1 ? scheme : `{name: ${scheme}, gain: ${tidy(gain)}}`;
  const phi = ACTIVATIONS[state.activation].free ? `{name: ${state.activation}, slope: ${tidy(state.slope)}}` : state.activation;
  const isPlain = state.norm === "none" && state.residual === null;
  const bias = state.bias === null ? "" : `, bias: ${state.bias ? `{std: ${tidy(state.bias)}}` : "0.0"}`;
  const dense = `dense: ${state.width}`, norm = state.norm === "none" ? [] : [`norm: ${state.norm}`], bend = `activation: ${phi}`;
  let layers;
  if (isPlain) layers = [`  - ${dense}`, `    repeat: ${state.depth}`];
  else if (state.residual === null) {
    layers = ["  - block:", ...[dense, ...norm, bend].map((one) => `      - ${one}`), `    repeat: ${state.depth}`];
  } else {
    const branch = [...norm, bend, dense].map((one) => `        - ${one}`);
    layers = ["  - residual:", `      scale: ${tidy(state.residual)}`, "      layers:", ...branch, `    repeat: ${state.depth}`];
  }
  return [
    "name: lab", `input: {features: ${state.width}}`, `defaults: {activation: ${isPlain ? phi : "linear"}, init: ${init}${bias}}`,
    "layers:", ...layers, `probe: {batch: ${state.batch}, trials: ${trials}, seed: ${state.seed}}`, "",
  ].join("\n");
}

/** A number that reads back as it is. @param {number} value */
const tidy = (value) => String(Number(value.toPrecision(9))).replace(/e([+-]?\d+)$/, (_, power) => `e${power}`).replace(/^(-?\d+)e/, "$1.0e");

/** Workers that answer every request once. @param {number} count */
function hireWorkers(count) {
  const text = get("worker").textContent || "", place = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return Array.from({ length: count }, () => {
    const worker = new Worker(place), waiting = new Map();
    let last = 0;
    worker.onmessage = ({ data }) => {
      waiting.get(data.id)(data);
      waiting.delete(data.id);
    };
    worker.onerror = (event) => say(`The worker failed: ${event.message}`);
    return (/** @type {object} */ request) => new Promise((resolve) => {
      waiting.set(++last, resolve);
      worker.postMessage({ ...request, id: last });
    });
  });
}

// One for each half of a batch.
const workers = hireWorkers(2);
/** @type {State} */
let state = readAddress(location.hash || START);
/** @type {{net: Net | null, draws: Statistics[], theory: Theory | null, theoryTime: number, stepTime: number, settled: boolean}} */
let found = { net: null, draws: [], theory: null, theoryTime: 0, stepTime: 0, settled: false };
// What is under way was asked for at this turn; a change begins another.
let turn = 0, isBusy = false, isStale = false, changedAt = 0;

/** Rows of the batch that each worker takes; batch norm needs them together. @param {Net} net */
function shareRows(net) {
  if (net.norm === "batch" || net.batch < 16) return [[0, net.batch], [0, 0]];
  const cut = 2 * Math.round((net.batch + 0.8 * CIRCLE) / 4);
  return [[0, cut], [cut, net.batch]];
}

/** One draw by both workers together. @param {Net} net @param {number} seed */
async function drawTogether(net, seed) {
  const [one, two] = shareRows(net), isShared = two[1] > 0;
  /** @param {number[]} rows @param {boolean} circle @param {boolean} theory */
  const ask = ([from, to], circle, theory) => ({ kind: "draw", net, seed, from, to, circle, theory, slot: 0 });
  const answers = await Promise.all([workers[0](ask(one, !isShared, true)), ...(isShared ? [workers[1](ask(two, true, false))] : [])]);
  return { draw: gather(answers.map((answer) => answer.pass), net), theory: answers[0].theory, milliseconds: answers[0].milliseconds };
}

/** Draws what the state asks for; of changes that come meanwhile the last. */
async function step() {
  isStale = true;
  if (isBusy) return;
  isBusy = true;
  while (isStale) {
    isStale = false;
    const mine = ++turn, began = changedAt, net = netOf(state), { draw, theory, milliseconds } = await drawTogether(net, state.seed);
    if (mine !== turn || !sameNet(net, netOf(state))) continue;
    found = { net, draws: [draw], theory, theoryTime: milliseconds, stepTime: 0, settled: false };
    showAll();
    found.stepTime = performance.now() - began;
  }
  isBusy = false;
  rest(turn);
}

/** @param {Net} one @param {Net} other */
const sameNet = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** When the controls rest: as many draws as the tool makes, or on and on. @param {number} mine */
async function rest(mine) {
  await new Promise((resolve) => setTimeout(resolve, 160));
  const net = netOf(state), seed = state.seed;
  let next = found.draws.length;
  const take = async (/** @type {number} */ which) => {
    while (mine === turn && !isStale && next < (state.keep ? MOST : TRIALS)) {
      const draw = next++;
      const { pass } = await workers[which]({ kind: "draw", net, seed: seed + draw, from: 0, to: net.batch, circle: false, theory: false, slot: 1 });
      if (mine !== turn) return;
      found.draws.push(gather([pass], net));
      showSoon();
    }
  };
  await Promise.all([take(0), take(1)]);
  if (mine !== turn || isStale || found.draws.length < TRIALS) return;
  found.settled = true;
  showAll();
  speak();
}

let isAwaited = false;
/** Shows what there is at the next frame. */
function showSoon() {
  if (isAwaited) return;
  isAwaited = true;
  requestAnimationFrame(() => {
    isAwaited = false;
    showAll();
  });
}

/** A change of the state. @param {Partial<State>} patch */
function change(patch) {
  changedAt = performance.now();
  const before = netOf(state), seed = state.seed, keep = state.keep;
  state = readAddress(writeAddress({ ...state, ...patch }));
  history.replaceState(null, "", `#${writeAddress(state)}`);
  showControls();
  if (!sameNet(before, netOf(state)) || seed !== state.seed) {
    found.settled = false;
    listeners.changed.forEach((tell) => tell());
    step();
  } else if (state.keep && !keep && !isBusy) rest(++turn); // a step that is under way will see it when it ends
  else showAll();
}

/** @type {{changed: (() => void)[], shown: (() => void)[]}} told when the network is another one, when it is shown */
const listeners = { changed: [], shown: [] };

/** Says something to those who cannot see it. @param {string} words */
function say(words) {
  get("spoken").textContent = words;
}

/** The verdict, when the draws that it needs are there. */
function speak() {
  if (!isHidden()) say(`${overallOf(judge(found.draws))}. ${verdictWords(judge(found.draws))}`);
}

/** Whether the verdict is to be guessed or explained first. */
const isHidden = () => document.body.classList.contains("hiding");

/** Shows what was found; of a network that was left meanwhile nothing, since the next is under way. */
function showAll() {
  const net = netOf(state);
  if (!found.net || !sameNet(found.net, net)) return;
  const verdict = judge(found.draws), words = verdictWords(verdict), count = found.draws.length;
  const overall = overallOf(verdict);
  get("headline").textContent = overall;
  get("headline").className = overall;
  get("sentence").textContent = words[0].toUpperCase() + words.slice(1);
  get("beside").textContent = besideWords(verdict, count);
  get("network").textContent = describe(state);
  /** @type {View} */
  const view = { depth: net.depth, reach: state.axes, draws: found.draws, theory: found.theory, shown: state.keep ? count - 1 : 0 };
  drawProfile(picture("profile"), view);
  if (get("details").offsetParent) {
    drawHistograms(picture("activations"), view, false);
    drawHistograms(picture("gradients"), view, true);
    drawClouds(picture("clouds"), view);
  }
  label("profile", isHidden() ? "Variances by layer, to be guessed about." : `Variances by layer. ${words}`);
  showBookkeeping(net);
  get("yaml").textContent = writeYaml(state, Math.max(TRIALS, count));
  listeners.shown.forEach((tell) => tell());
}

/** What stands below the sentence. @param {Verdict} verdict @param {number} count */
function besideWords(verdict, count) {
  const theory = found.theory && judgeTheory(found.theory), ways = [verdict.forward, verdict.backward];
  const known = ways.map((way) => (way.half === null ? null : power(way.half / Math.LN10)));
  const factors = known.map((one) => one || "-").join(" and ");
  const draws = count === 1 ? "One draw: the tool judges none by it, and wants about 20."
    : `${count} draws; the changes are known to factors of ${factors}.`;
  return theory ? `${draws} Theory of infinite width: activations ${theory.forward.label}, gradient ${theory.backward.label}.` : draws;
}

/** @param {string} id @param {string} words */
function label(id, words) {
  get(id).setAttribute("aria-label", words);
}

/** One layer's bookkeeping: what it multiplies the activations and the gradient by. @param {Net} net */
function showBookkeeping(net) {
  const theory = found.theory;
  if (!theory) return;
  const last = theory.steps[net.depth - 1], q = last.z.log, second = last.moments.second, slope = last.moments.slope;
  const fans = ["fan-in", "fan-out"].map((id) => clamp(Number(field(id).value) || net.width, 1, 100000));
  const forward = Math.exp(second - q), backward = Math.exp(slope), own = weightStd(net) ** 2;
  const size = net.width * own, where = `At layer ${net.depth}, z has variance q = ${short(Math.exp(q))}`;
  const products = `the activations by ${short(size * forward)} and the gradient, on its way back, by ${short(size * backward)}`;
  get("gains").textContent = `${where}: E[phi²]/q = ${short(forward)} and E[phi'²] = ${short(backward)}. `
    + `With width × Var W = ${short(size)} a layer multiplies ${products}.`;
  const rules = /** @type {[string, number][]} */ ([
    ["1/n_in", 1 / fans[0]], ["1/n_out", 1 / fans[1]], ["2/(n_in + n_out)", 2 / (fans[0] + fans[1])],
    [`this scheme: ${short(own)}`, own],
  ]);
  get("rules").replaceChildren(...rules.map(([name, variance]) => {
    const row = document.createElement("tr");
    for (const text of [name, short(fans[0] * variance * forward), short(fans[1] * variance * backward)]) row.append(make("td", text));
    return row;
  }));
  drawActivation(picture("curve"), ACTIVATIONS[net.activation], net.slope, Math.exp(q / 2));
  get("formula").textContent = `${net.activation}: ${ACTIVATIONS[net.activation].formula}`;
}

/** @param {number} value */
const short = (value) => (value > 0 ? power(Math.log10(value)) : String(value));

/** @param {string} tag @param {string} [text] @param {Record<string, string>} [attributes] */
function make(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Where a slider of 1000 steps stands for a value on a log scale, and back. @param {number[]} range */
const logScale = ([low, high]) => ({
  /** @param {number} value */
  place: (value) => 1000 * Math.log(clamp(value, low, high) / low) / Math.log(high / low),
  /** @param {number} place */
  value: (place) => Number((low * (high / low) ** (place / 1000)).toPrecision(3)),
});
const weightScale = logScale(WEIGHT_RANGE), biasScale = logScale(BIAS_RANGE), residualScale = logScale(RESIDUAL_RANGE);
const WIDTHS = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
const BATCHES_OFFERED = [2, 4, 8, 16, 32, 64, 128, 256];

/** Every control: where it stands, and what moving it changes. */
function showControls() {
  const net = netOf(state), relative = relativeStd(net), free = ACTIVATIONS[state.activation].free;
  field("activation").value = state.activation;
  get("slope-row").hidden = !free;
  field("slope").value = String(state.slope);
  get("slope-out").textContent = short2(state.slope);
  field("scheme").value = state.scheme;
  get("law").textContent = SCHEMES[state.scheme].law;
  field("std").value = String(weightScale.place(relative));
  get("std-out").textContent = short(relative);
  const bias = biasStd(net);
  field("bias").value = bias > 0 ? String(Math.max(1, biasScale.place(bias))) : "0";
  get("bias-out").textContent = bias > 0 ? short(bias) : "0";
  field("depth").value = String(state.depth);
  get("depth-out").textContent = String(state.depth);
  field("width").value = String(nearest(WIDTHS, state.width));
  get("width-out").textContent = String(state.width);
  field("batch").value = String(nearest(BATCHES_OFFERED, state.batch));
  get("batch-out").textContent = String(state.batch);
  field("norm").value = state.norm;
  field("residual").value = state.residual === null ? "0" : String(Math.max(1, residualScale.place(state.residual)));
  get("residual-out").textContent = state.residual === null ? "none" : short(state.residual);
  field("axes").value = String(state.axes);
  for (const id of ["std", "bias", "width", "batch", "residual"]) field(id).setAttribute("aria-valuetext", get(`${id}-out`).textContent || "");
  get("seed-out").textContent = String(state.seed);
  get("keep").setAttribute("aria-pressed", String(Boolean(state.keep)));
  document.body.classList.toggle("presenter", Boolean(state.presenter));
}

/** @param {number} value */
const short2 = (value) => String(Number(value.toFixed(3)));
/** @param {number[]} values @param {number} value */
const nearest = (values, value) => values.reduce((best, one, i) => (Math.abs(Math.log(one / value)) < Math.abs(Math.log(values[best] / value)) ? i : best), 0);

/** What a slider or a list makes of its value. @type {Record<string, (value: string) => Partial<State>>} */
const CONTROLS = {
  activation: (value) => ({ activation: value, slope: ACTIVATIONS[value].standard }),
  slope: (value) => ({ slope: Number(value) }),
  scheme: (value) => ({ scheme: value, gain: 1, bias: null }),
  std: (value) => ({ gain: weightScale.value(Number(value)) / relativeStd({ ...netOf(state), gain: 1 }) }),
  bias: (value) => ({ bias: Number(value) ? biasScale.value(Number(value)) : 0 }),
  depth: (value) => ({ depth: Number(value) }),
  width: (value) => ({ width: WIDTHS[Number(value)] }),
  batch: (value) => ({ batch: BATCHES_OFFERED[Number(value)] }),
  norm: (value) => ({ norm: value }),
  residual: (value) => ({ residual: Number(value) ? residualScale.value(Number(value)) : null }),
  axes: (value) => ({ axes: Number(value) }),
};
