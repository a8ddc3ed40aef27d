// @ts-check
// What the workers and the page both know of a network.

const BINS = 48, CIRCLE = 10, CLOUDS = 12;
// Training shows the square of that half width, by so many points.
const VIEW = 1.25, GRID = 20;

/** The standard deviation of one weight. @param {Net} net */
function weightStd(net) {
  const scheme = SCHEMES[net.scheme];
  return net.gain * scheme.factor * Math.pow(net.width, scheme.power);
}

/** That of one bias; the scheme's own where none is given. @param {Net} net */
function biasStd(net) {
  const scheme = SCHEMES[net.scheme];
  return net.bias === null ? scheme.biasFactor / Math.sqrt(net.width) : net.bias;
}

/** Layers from the input to the last, evenly. @param {number} depth @param {number} most */
function pickPlaces(depth, most) {
  const count = Math.min(most, depth + 1);
  return [...new Set(Array.from({ length: count }, (_, i) => Math.round(i * depth / Math.max(1, count - 1))))];
}
