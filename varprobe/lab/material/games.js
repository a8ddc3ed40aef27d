// @ts-check
// The games: guess first, find the edge, explain this one.

// The network that has been guessed about, or whose answer has been shown: the next one hides again.
let revealed = "";
let isSeeking = false, best = 0;
const PUZZLES = ["tanh", "relu", "gelu", "selu", "silu", "elu", "erf", "softsign", "mish", "sin"];

const stateKey = () => JSON.stringify([netOf(state), state.seed]);

/** Hides what would give the answer away, or shows it. */
function hideAnswers() {
  const isOpen = revealed === stateKey(), asks = Boolean(state.ask), guesses = Boolean(state.guess);
  document.body.classList.toggle("hiding", !isOpen && (guesses || asks));
  get("guess").hidden = !guesses || isOpen;
  get("asked").hidden = !asks;
  get("question").textContent = state.ask;
  get("answer").hidden = !isOpen;
  get("answer").textContent = unseal(state.answer);
  get("show-answer").hidden = isOpen;
  if (!isOpen) get("reason").hidden = true;
  get("guess-first").setAttribute("aria-pressed", String(guesses));
}

/** What a layer does, for a reason. @param {boolean} backward */
function reasonFor(backward) {
  const theory = found.theory, net = netOf(state), verdict = judge(found.draws), way = backward ? verdict.backward : verdict.forward;
  if (!theory) return "";
  const logs = backward ? [...theory.gradients].reverse() : theory.outputs.map((one) => one.log), last = logs.length - 1;
  const half = Math.floor(last / 2), rate = Math.exp((logs[last] - logs[half]) / Math.max(1, last - half));
  const noun = backward ? "the gradient" : "the activations", gain = backward ? "E[phi'²]" : "E[phi²]/q";
  const total = way.total === null ? "" : ` A typical draw: x ${power(way.total / Math.LN10)} over ${net.depth} layers.`;
  const norms = [" The norm sets the scale anew in every layer.", " The norm divides the gradient by the deviation of the signal."];
  const norm = net.norm === "none" ? "" : norms[Number(backward)];
  const skip = net.residual === null ? "" : " The skip adds what came in, so that nothing falls below it.";
  const isPower = Math.abs(rate - 1) < 0.05 && Math.abs(way.total || 0) > 1, size = short(net.width * weightStd(net) ** 2);
  const levels = isPower ? " It is a power of the depth, not a rate: the first layers change it, the deep ones hardly do." : "";
  const whole = `width × Var W = ${size} times ${gain}${norm || skip ? ", and what surrounds it" : ""}`;
  return `Deep inside, a layer multiplies ${noun} by ${short(rate)}: ${whole}.${norm}${skip}${levels}${total}`;
}

/** @param {Event} event */
function checkGuess(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (get("guess")), given = new FormData(form), verdict = judge(found.draws);
  const isWhole = given.get("forward") && given.get("backward");
  if (!isWhole || !found.settled) {
    const asked = isWhole ? "The draws are not all there yet: a moment." : "Say both: what becomes of the activations, and of the gradient.";
    get("reason").hidden = false;
    get("reason").replaceChildren(make("p", asked));
    return;
  }
  const lines = /** @type {["forward" | "backward", string][]} */ ([["forward", "Activations"], ["backward", "Gradient"]]).map(([name, noun]) => {
    const label = verdict[name].label, guess = given.get(name), near = label === "borderline" || label === "inconclusive";
    if (near) return `${noun}: ${label}, between the answers. ${reasonFor(name === "backward")}`;
    return guess === label ? `${noun}: right, ${label}.` : `${noun}: not ${guess} but ${label}. ${reasonFor(name === "backward")}`;
  });
  revealed = stateKey();
  hideAnswers();
  get("reason").hidden = false;
  get("reason").replaceChildren(...lines.map((line) => make("p", line)));
  form.reset();
  showAll();
}

/** How many layers the signal survives, within a factor 100, on its way there and on its way back. */
function countSurvived() {
  const draw = found.draws[0], depth = state.depth;
  /** @param {number[]} path in the direction of travel */
  const along = (path) => {
    const end = path.findIndex((log) => !(Math.abs(log - path[0]) <= LIMITS.stable));
    return end < 0 ? path.length : end;
  };
  const ahead = along([...draw.second.slice(1)]), back = along([...draw.gradient.slice(1)].reverse());
  return { ahead, back, score: Math.min(ahead, back), depth };
}

function showScore() {
  if (!isSeeking || !found.draws.length) return;
  const { ahead, back, score, depth } = countSurvived();
  best = Math.max(best, score);
  get("score").textContent = `Forward ${ahead}, backward ${back} of ${depth}: ${score} points, best ${best}.${score === depth ? " That is the edge." : ""}`;
}

function seekEdge() {
  isSeeking = true;
  best = 0;
  const others = PUZZLES.filter((name) => name !== state.activation), name = others[Math.floor(Math.random() * others.length)];
  const begin = { scheme: "lecun", gain: Math.random() < 0.5 ? 0.4 : 3, bias: null, depth: 100, norm: "none", residual: null, axes: 40 };
  change({ ...begin, activation: name, slope: ACTIVATIONS[name].standard });
  get("edge").setAttribute("aria-pressed", "true");
}

/** A teacher's words, so that an address does not show them at a glance. @param {string} words */
const seal = (words) => btoa(String.fromCharCode(...new TextEncoder().encode(words))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

/** @param {string} sealed */
function unseal(sealed) {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(sealed.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0)));
  } catch {
    return "";
  }
}

function makeLink() {
  const asked = { ...state, ask: field("ask").value.trim(), answer: seal(field("reply").value.trim()), guess: 0, presenter: 0 };
  const link = `${location.href.replace(/#.*/, "")}#${writeAddress(asked)}`;
  get("made-link").hidden = false;
  get("made-link").textContent = link;
  copy(link, "Link");
}

function reveal() {
  revealed = stateKey();
  hideAnswers();
  showAll();
  speak();
}

function connectGames() {
  get("guess").addEventListener("submit", checkGuess);
  onClick("guess-first", KEYS.g);
  onClick("edge", seekEdge);
  onClick("make-link", makeLink);
  onClick("show-answer", reveal);
  listeners.changed.push(hideAnswers);
  listeners.shown.push(() => {
    hideAnswers();
    showScore();
  });
}
