// @ts-check
// The drawing: every picture is a canvas, and says in its label what it shows.

/** The colours of the page as it is now, light, dark or printed. */
function colours() {
  const style = getComputedStyle(document.body);
  /** @param {string} name */
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    paper: of("paper"), ink: of("ink"), quiet: of("quiet"), grid: of("grid"), shade: of("shade"), good: of("good-back"),
    activation: of("activation"), gradient: of("gradient"), theory: of("theory"),
  };
}

/** A canvas's pen in CSS pixels, the picture wiped. @param {HTMLCanvasElement} canvas */
function openPen(canvas) {
  const ratio = Math.max(1, window.devicePixelRatio || 1), width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), look = colours();
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = look.paper;
  pen.fillRect(0, 0, width, height);
  const size = parseFloat(getComputedStyle(canvas).fontSize);
  pen.font = `${size}px system-ui, sans-serif`;
  pen.lineWidth = 1;
  return { pen, width, height, look, size };
}

/** Whole numbers, at most `most` of them, from 1 to depth. @param {number} depth @param {number} most */
function layerTicks(depth, most) {
  const step = [1, 2, 5, 10, 20, 25, 50].find((one) => depth / one <= most) || 50, found = [1];
  for (let layer = Math.max(2, step); layer <= depth; layer += step) if (layer - 1 >= 0.75 * step) found.push(layer);
  return found;
}

/** @param {number} power */
function powerLabel(power) {
  const raised = String(Math.abs(power)).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
  return power === 0 ? "1" : `10${power < 0 ? "⁻" : ""}${raised}`;
}

/**
 * Both variances over the layers, on axes that stay where they are.
 * @param {HTMLCanvasElement} canvas @param {View} view
 */
function drawProfile(canvas, view) {
  const { pen, width, height, look, size } = openPen(canvas), { depth, reach, draws, theory } = view;
  const left = 4.2 * size, right = width - size, top = 0.8 * size, bottom = height - 2.6 * size;
  /** @param {number} layer */
  const atX = (layer) => left + (depth === 1 ? 0.5 : (layer - 1) / (depth - 1)) * (right - left - 2 * size) + size;
  /** @param {number} log natural */
  const atY = (log) => bottom - (Math.max(-reach, Math.min(reach, log / Math.LN10)) / (2 * reach) + 0.5) * (bottom - top);
  pen.fillStyle = look.good;
  pen.fillRect(left, atY(LIMITS.stable), right - left, atY(-LIMITS.stable) - atY(LIMITS.stable));
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const step = reach <= 4 ? 1 : reach <= 10 ? 2 : 10;
  for (let mark = -reach; mark <= reach; mark += step) {
    const y = Math.round(atY(mark * Math.LN10)) + 0.5;
    pen.strokeStyle = look.grid;
    line(pen, left, y, right, y);
    pen.fillStyle = look.quiet;
    pen.fillText(powerLabel(mark), left - 0.5 * size, y);
  }
  pen.textAlign = "center";
  for (const layer of layerTicks(depth, (right - left) / (2.6 * size))) pen.fillText(String(layer), atX(layer), bottom + 0.9 * size);
  pen.fillText("layer", (left + right) / 2, height - 0.7 * size);
  const last = draws[view.shown];
  /** @type {["variance" | "gradientVariance", string, boolean][]} */
  const kinds = [["variance", look.activation, false], ["gradientVariance", look.gradient, true]];
  for (const [name, colour] of kinds) {
    if (draws.length > 1) {
      pen.fillStyle = colour;
      pen.globalAlpha = 0.2;
      band(pen, draws.map((draw) => draw[name]), depth, atX, atY);
      pen.globalAlpha = 1;
    }
  }
  for (const [name, colour, square] of kinds) {
    if (theory) {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.8;
      pen.setLineDash(square ? [7, 4] : []);
      pen.beginPath();
      for (let layer = 1; layer <= depth; layer++) {
        const log = square ? theory.gradients[layer] : theory.outputs[layer].log + Math.log(1 - theory.outputs[layer].mean);
        if (Number.isFinite(log)) pen.lineTo(atX(layer), atY(log));
      }
      pen.stroke();
      pen.setLineDash([]);
    }
    if (!last) continue;
    pen.fillStyle = colour;
    const radius = Math.max(1.8, Math.min(0.34 * size, (right - left) / depth / 2.6));
    for (let layer = 1; layer <= depth; layer++) drawDot(pen, atX(layer), last[name][layer], atY, reach, radius, square);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** A dot, or at the edge an arrow to where it is. @param {CanvasRenderingContext2D} pen @param {number} x
 * @param {number} log @param {(log: number) => number} atY @param {number} reach @param {number} r
 * @param {boolean} square */
function drawDot(pen, x, log, atY, reach, r, square) {
  const y = atY(Number.isNaN(log) ? Infinity : log), beyond = Math.abs(log / Math.LN10) > reach ? Math.sign(log) : 0;
  pen.beginPath();
  if (beyond || Number.isNaN(log)) {
    const up = beyond < 0 ? -1 : 1;
    pen.moveTo(x, y - 1.2 * up * r);
    pen.lineTo(x - r, y + up * r);
    pen.lineTo(x + r, y + up * r);
  } else if (square) pen.rect(x - 0.85 * r, y - 0.85 * r, 1.7 * r, 1.7 * r);
  else pen.arc(x, y, r, 0, 2 * Math.PI);
  pen.fill();
}

/** What the middle 90 % of the draws did; all of them where they are few. @param {CanvasRenderingContext2D} pen
 * @param {Float64Array[]} paths @param {number} depth @param {(layer: number) => number} atX
 * @param {(log: number) => number} atY */
function band(pen, paths, depth, atX, atY) {
  const low = [], high = [], skip = Math.floor(0.05 * paths.length);
  for (let layer = 1; layer <= depth; layer++) {
    const values = paths.map((path) => path[layer]).filter((log) => !Number.isNaN(log)).sort((a, b) => a - b);
    if (!values.length) continue;
    low.push([atX(layer), atY(values[Math.min(skip, values.length - 1)])]);
    high.push([atX(layer), atY(values[Math.max(values.length - 1 - skip, 0)])]);
  }
  pen.beginPath();
  for (const [x, y] of [...low, ...high.reverse()]) pen.lineTo(x, y);
  pen.closePath();
  pen.fill();
}

/**
 * Histograms, a column for every layer, on one axis.
 * @param {HTMLCanvasElement} canvas @param {View} view @param {boolean} backward
 */
function drawHistograms(canvas, view, backward) {
  const { pen, width, height, look, size } = openPen(canvas), last = view.draws[view.shown], depth = view.depth;
  if (!last) return;
  const left = 4.2 * size, right = width - 0.5 * size, top = 0.5 * size, bottom = height - 2.6 * size, bins = backward ? last.gradientBins : last.bins;
  const reach = last.reach[backward ? 1 : 0], column = (right - left) / depth, row = (bottom - top) / BINS;
  pen.fillStyle = backward ? look.gradient : look.activation;
  for (let layer = 1; layer <= depth; layer++) {
    let most = 0;
    for (let bin = 0; bin < BINS; bin++) most = Math.max(most, bins[layer * BINS + bin]);
    for (let bin = 0; bin < BINS; bin++) {
      const count = bins[layer * BINS + bin];
      if (!count) continue;
      const share = count / most, x = left + (layer - 1) * column, y = bottom - (bin + 1) * row;
      if (column >= 26) { // room for bars
        pen.globalAlpha = 0.85;
        pen.fillRect(x + 2, y, (column - 6) * share, row + 0.3);
      } else {
        pen.globalAlpha = 0.06 + 0.94 * Math.sqrt(share);
        pen.fillRect(x, y, column + 0.3, row + 0.3);
      }
    }
  }
  pen.globalAlpha = 1;
  pen.fillStyle = look.quiet;
  pen.strokeStyle = look.grid;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const [y, value] of [[bottom, -reach], [(top + bottom) / 2, 0], [top + 0.3 * size, reach]]) {
    pen.fillText(value === 0 ? "0" : value.toPrecision(2), left - 0.4 * size, y);
  }
  pen.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
  pen.textAlign = "center";
  for (const layer of layerTicks(depth, (right - left) / (2.6 * size))) pen.fillText(String(layer), left + (layer - 0.5) * column, bottom + 0.9 * size);
  pen.fillText("layer", (left + right) / 2, height - 0.7 * size);
}

/** The circle behind some layers. @param {HTMLCanvasElement} canvas @param {View} view */
function drawClouds(canvas, view) {
  const { pen, width, height, look, size } = openPen(canvas), last = view.draws.find((draw) => draw.clouds.length);
  if (!last) return;
  const room = Math.max(2, Math.floor(width / (7 * size))), all = pickPlaces(view.depth, CLOUDS);
  const shown = pickPlaces(all.length - 1, room), wide = width / shown.length;
  const half = Math.min(wide / 2 - 4, (height - 1.8 * size) / 2), middle = half + 2;
  pen.textAlign = "center";
  shown.forEach((index, i) => {
    const centre = (i + 0.5) * wide, points = last.clouds[index], place = all[index];
    pen.strokeStyle = look.grid;
    pen.strokeRect(Math.round(centre - half) + 0.5, Math.round(middle - half) + 0.5, 2 * half - 1, 2 * half - 1);
    /** @param {number[]} point @returns {[number, number]} */
    const at = ([x, y]) => [centre + 0.78 * half * x, middle - 0.78 * half * y];
    pen.strokeStyle = look.quiet;
    pen.beginPath();
    points.forEach((point) => pen.lineTo(...at(point)));
    pen.closePath();
    pen.stroke();
    points.forEach((point, k) => {
      pen.beginPath();
      pen.arc(...at(point), Math.max(2.5, 0.09 * half), 0, 2 * Math.PI);
      pen.fillStyle = `hsl(${36 * k} 75% 50%)`;
      pen.fill();
    });
    pen.fillStyle = look.quiet;
    pen.fillText(place === 0 ? "input" : String(place), centre, 2 * half + 1.2 * size);
  });
}

/** The activation and its slope, with the signal's reach under them. @param {HTMLCanvasElement} canvas
 * @param {Activation} phi @param {number} p @param {number} std of z at the last layer */
function drawActivation(canvas, phi, p, std) {
  const { pen, width, height, look, size } = openPen(canvas), reach = 4;
  /** @param {number} x @param {number} y @returns {[number, number]} */
  const at = (x, y) => [(x / reach / 2 + 0.5) * width, height / 2 - (y / reach) * (height / 2)];
  pen.fillStyle = look.shade;
  const wide = Math.min(reach, 2 * std);
  pen.fillRect(at(-wide, 0)[0], 0, at(wide, 0)[0] - at(-wide, 0)[0], height);
  pen.strokeStyle = look.grid;
  line(pen, 0, height / 2, width, height / 2);
  line(pen, width / 2, 0, width / 2, height);
  for (const isSlope of [false, true]) {
    const f = isSlope ? phi.slope : phi.value;
    pen.strokeStyle = isSlope ? look.gradient : look.activation;
    pen.lineWidth = 2;
    pen.setLineDash(isSlope ? [6, 3] : []);
    pen.beginPath();
    for (let i = 0; i <= 240; i++) pen.lineTo(...at((i / 120 - 1) * reach, f((i / 120 - 1) * reach, p)));
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.fillStyle = look.quiet;
  pen.textAlign = "right";
  pen.fillText(`${reach}`, width - 3, height / 2 + size);
}

/** Loss over steps, and ln 2, that of a coin. @param {HTMLCanvasElement} canvas @param {Progress} progress */
function drawLoss(canvas, progress) {
  const { pen, width, height, look, size } = openPen(canvas), top = 1.2;
  pen.strokeStyle = look.grid;
  const coin = height - (Math.LN2 / top) * height;
  line(pen, 0, coin, width, coin);
  pen.fillStyle = look.quiet;
  pen.fillText("ln 2, a coin", 3, coin - 0.35 * size);
  pen.strokeStyle = look.ink;
  pen.lineWidth = 1.6;
  pen.beginPath();
  progress.losses.forEach((loss, i) => {
    const share = Math.min(1, (Number.isFinite(loss) ? loss : top) / top);
    pen.lineTo(i / Math.max(1, progress.losses.length - 1) * width, height - share * height + 1);
  });
  pen.stroke();
}

/** What the network answers over the plane, and the points. @param {HTMLCanvasElement} canvas @param {Progress} progress */
function drawSurface(canvas, progress) {
  const { pen, width, height, look } = openPen(canvas), cell = width / GRID;
  for (let i = 0; i < GRID * GRID; i++) {
    const answer = progress.surface[i], share = 1 / (1 + Math.exp(-answer));
    pen.fillStyle = share > 0.5 ? look.activation : look.gradient;
    pen.globalAlpha = Number.isFinite(share) ? 0.06 + 0.55 * Math.abs(2 * share - 1) : 0;
    pen.fillRect((i % GRID) * cell, Math.floor(i / GRID) * (height / GRID), cell + 0.5, height / GRID + 0.5);
  }
  pen.globalAlpha = 1;
  for (let i = 0; i < progress.points.length; i += 3) {
    const x = (progress.points[i] / VIEW / 2 + 0.5) * width, y = (0.5 - progress.points[i + 1] / VIEW / 2) * height;
    pen.fillStyle = progress.points[i + 2] ? look.activation : look.gradient;
    pen.strokeStyle = look.paper;
    pen.beginPath();
    if (progress.points[i + 2]) pen.arc(x, y, 2.6, 0, 2 * Math.PI);
    else pen.rect(x - 2.3, y - 2.3, 4.6, 4.6);
    pen.fill();
    pen.stroke();
  }
}
