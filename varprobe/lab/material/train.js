// @ts-check
// Training: the drawn network, a linear read-out behind it, two spirals, plain stochastic gradient descent.

const SPIRAL = 192, BATCH = 32;
// Steps whose mean is told: one batch's loss may be several times that of the next.
const TOLD = 50;

/** Two arms of points (x, y, class 0 or 1), within the unit circle. @param {number} seed */
function drawSpirals(seed) {
  const points = new Float32Array(3 * SPIRAL), noise = new Float32Array(2 * SPIRAL);
  fillNormals(makeStream(seed, BATCHES, 1), noise, 0, 2 * SPIRAL);
  for (let i = 0; i < SPIRAL; i++) {
    const arm = i % 2, along = Math.sqrt((i + 1) / SPIRAL), angle = 1.2 * 2 * Math.PI * along + Math.PI * arm;
    points[3 * i] = along * Math.cos(angle) + 0.015 * noise[2 * i];
    points[3 * i + 1] = along * Math.sin(angle) + 0.015 * noise[2 * i + 1];
    points[3 * i + 2] = arm;
  }
  return points;
}

/** A network under way; its weights are its own and carry their scale. */
class Training {
  /** @param {Net} net @param {number} seed @param {number} rate the step size */
  constructor(net, seed, rate) {
    const start = drawUpTo(net, seed, 0), std = weightStd(net), bias = biasStd(net);
    this.net = net;
    this.rate = rate;
    this.steps = 0;
    /** @type {number[]} */
    this.losses = [];
    this.failed = false;
    // The engine multiplies by the scale: what is learned is held in units of it.
    this.draw = { weights: start.weights.slice(0, net.depth).map((w) => w.slice()), biases: start.biases.slice(0, net.depth).map((b) => b.slice()) };
    this.std = std;
    this.bias = bias;
    this.readout = new Float32Array(net.width);
    fillNormals(makeStream(seed, READOUT, 0), this.readout, 0, net.width);
    for (let i = 0; i < net.width; i++) this.readout[i] /= Math.sqrt(net.width);
    this.offset = 0;
    this.plane = drawPlane(seed, net.width);
    this.points = drawSpirals(seed);
    this.order = makeStream(seed, BATCHES, 0);
  }

  /** Puts points of the plane into the network; its outputs. @param {(i: number) => [number, number]} at @param {number} rows */
  ask(at, rows) {
    const n = this.net.width, x = buffer("x0", rows * n), plane = this.plane;
    for (let row = 0; row < rows; row++) {
      const [u, v] = at(row);
      for (let i = 0; i < n; i++) x[row * n + i] = Math.SQRT2 * (u * plane[i] + v * plane[n + i]);
    }
    let exponent = 0;
    const trace = goForward(this.net, this.draw, rows, (_, __, e) => (exponent = e));
    const last = buffer(`x${this.net.depth}`, rows * n), scale = 2 ** Math.max(-140, Math.min(120, exponent)), out = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += last[row * n + i] * this.readout[i];
      out[row] = sum * scale + this.offset;
    }
    return { out, last, scale, trace };
  }

  /** One step on a random batch. */
  learn() {
    if (this.failed) return;
    const n = this.net.width, chosen = Array.from({ length: BATCH }, () => (this.order() >>> 0) % SPIRAL);
    const { out, last, scale, trace } = this.ask((i) => [this.points[3 * chosen[i]], this.points[3 * chosen[i] + 1]], BATCH);
    const g = buffer("g", BATCH * n), old = this.readout.slice();
    let loss = 0;
    for (let row = 0; row < BATCH; row++) {
      const side = this.points[3 * chosen[row] + 2] ? 1 : -1, margin = side * out[row];
      loss += (margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin) / BATCH;
      const pull = -side / (1 + Math.exp(margin)) / BATCH;
      for (let i = 0; i < n; i++) {
        g[row * n + i] = pull * old[i];
        this.readout[i] -= this.rate * pull * last[row * n + i] * scale;
      }
      this.offset -= this.rate * pull;
    }
    const exponent = settle(g, BATCH * n, 0);
    goBackward(this.net, this.draw, trace, g, BATCH, exponent, () => {}, (layer, delta, e) => this.change(trace, layer, delta, e));
    this.steps++;
    this.losses.push(loss);
    if (!Number.isFinite(loss) || loss > 1e6) this.failed = true;
  }

  /** W -= rate delta^T a, in units of the engine's scale. @param {Trace} trace @param {number} layer
   * @param {Float32Array} delta @param {number} exponent */
  change(trace, layer, delta, exponent) {
    const n = this.net.width, w = this.draw.weights[layer], b = this.draw.biases[layer], a = trace.sources[layer];
    const up = this.rate * 2 ** Math.max(-300, Math.min(300, exponent));
    const there = 2 ** Math.max(-300, Math.min(300, trace.exponents[layer]));
    for (let row = 0; row < BATCH; row++) {
      for (let o = 0; o < n; o++) {
        const step = up * delta[row * n + o];
        if (step === 0) continue;
        const down = (step * there) / this.std, start = o * n, from = row * n;
        for (let i = 0; i < n; i++) w[start + i] -= down * a[from + i];
        if (this.bias > 0) b[o] -= step / this.bias;
      }
    }
  }

  /** What the page shows. */
  look() {
    /** @param {number} i @returns {[number, number]} */
    const at = (i) => [((i % GRID) / (GRID - 1) * 2 - 1) * VIEW, (1 - (Math.floor(i / GRID) / (GRID - 1)) * 2) * VIEW];
    const surface = Float32Array.from(this.ask(at, GRID * GRID).out);
    const loss = this.losses.length ? meanOf(this.losses.slice(-TOLD)) : NaN;
    return { steps: this.steps, losses: thin(this.losses), loss, surface, points: this.points, failed: this.failed };
  }
}

/** At most 300 of them, each the mean of its neighbours. @param {number[]} losses */
function thin(losses) {
  const width = Math.max(1, Math.ceil(losses.length / 300)), found = [];
  for (let i = 0; i < losses.length; i += width) found.push(meanOf(losses.slice(i, i + width)));
  return found;
}
