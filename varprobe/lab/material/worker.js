// @ts-check
// What the workers do: draws, theory, a training under way.

/** @type {{postMessage: (message: unknown, transfer?: Transferable[]) => void, onmessage: ((event: MessageEvent) => void) | null}} */
const scope = /** @type {any} */ (self);
/** @type {Training | null} */
let training = null;

/** @param {Net} net */
function timeTheory(net) {
  const start = performance.now(), theory = predict(net, false);
  return { theory, milliseconds: performance.now() - start };
}

scope.onmessage = (event) => {
  /** @type {Request} */
  const request = event.data, { id, net } = request;
  if (request.kind === "draw") {
    const pass = propagate(net, request.seed, request.from, request.to, request.circle, request.slot);
    scope.postMessage({ id, pass, ...(request.theory ? timeTheory(net) : {}) });
  } else if (request.kind === "theory") {
    scope.postMessage({ id, theory: predict(net, true) });
  } else if (request.kind === "train") {
    training = new Training(net, request.seed, request.rate);
    scope.postMessage({ id, progress: training.look() });
  } else if (request.kind === "learn" && training) {
    const until = performance.now() + 60;
    do training.learn();
    while (performance.now() < until);
    scope.postMessage({ id, progress: training.look() });
  }
};
