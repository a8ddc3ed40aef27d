// @ts-check
// What the workers do: draws, theory, a training under way.

/** @type {{postMessage: (message: unknown, transfer?: Transferable[]) => void, onmessage: ((event: MessageEvent) => void) | null}} */
const scope = /** @type {any} */ (self);
/** @type {Training[]} */
let trainings = [];
// Milliseconds of learning between two looks at it.
const SPELL = 220;

/** @param {Net} net */
function timeTheory(net) {
  const start = performance.now(), theory = predict(net, false);
  return { theory, milliseconds: performance.now() - start };
}

scope.onmessage = (event) => {
  /** @type {Asked} */
  const request = event.data, { id, net } = request;
  if (request.kind === "draw") {
    const pass = propagate(net, request.seed, request.from, request.to, request.circle, request.slot);
    const moved = [pass.forward, pass.backward].flatMap((tally) => [tally.units.buffer, tally.bins.buffer]);
    scope.postMessage({ id, pass, ...(request.theory ? timeTheory(net) : {}) }, moved);
  } else if (request.kind === "theory") {
    scope.postMessage({ id, theory: predict(net, true) });
  } else if (request.kind === "train") {
    trainings = request.nets.map((one) => new Training(one, request.seed, request.rate));
    scope.postMessage({ id, progress: trainings.map((one) => one.look()) });
  } else if (request.kind === "learn") {
    // All take as many steps, whatever they cost.
    const until = performance.now() + SPELL;
    do trainings.forEach((one) => one.learn());
    while (performance.now() < until);
    scope.postMessage({ id, progress: trainings.map((one) => one.look()) });
  }
};
