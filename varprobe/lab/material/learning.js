// @ts-check
// Training as the page shows it: the chosen scheme and two others, step by step at the same step size.

const RATES = logScale([0.001, 1]), WIDEST = 64;
/** @type {((request: object) => Promise<any>) | null} */
let trainer = null;
// A training that is no longer wanted is of an earlier round.
let round = 0, isLearning = false, isBegun = false;

/** The schemes that learn side by side, the chosen one first. */
function learners() {
  return [state.scheme, field("rival-one").value, field("rival-two").value];
}

/** The network of one of them: the chosen one as it is, the others as their schemes have it. @param {string} scheme
 * @param {number} place @returns {Net} */
function learnerOf(scheme, place) {
  const net = { ...netOf(state), width: Math.min(state.width, WIDEST) };
  return place === 0 ? net : { ...net, scheme, gain: 1, bias: null };
}

async function beginTraining() {
  const mine = ++round;
  trainer = trainer || hireWorkers(1)[0];
  const nets = learners().map(learnerOf), rate = RATES.value(Number(field("rate").value));
  const { progress } = await trainer({ kind: "train", nets, seed: state.seed, rate });
  if (mine !== round) return;
  isBegun = true;
  showProgress(progress);
  while (isLearning && mine === round) {
    const answer = await trainer({ kind: "learn" });
    if (mine !== round) return;
    showProgress(answer.progress);
  }
}

/** @param {Progress[]} progress */
function showProgress(progress) {
  const names = learners();
  progress.forEach((one, place) => {
    const ended = one.failed ? "diverged" : Number.isFinite(one.loss) ? `loss ${one.loss.toFixed(3)}` : "not trained yet";
    get(`learner-${place}`).textContent = `${names[place]}${place === 0 ? " (yours)" : ""}: step ${one.steps}, ${ended}`;
    drawSurface(picture(`surface-${place}`), one);
    drawLoss(picture(`loss-${place}`), one);
    label(`surface-${place}`, `Decision surface of ${names[place]} at step ${one.steps}, ${ended}`);
  });
}

function toggleTraining() {
  isLearning = !isLearning;
  get("train").setAttribute("aria-pressed", String(isLearning));
  document.body.classList.toggle("training", isLearning || isBegun);
  if (isLearning) get("learning").scrollIntoView({ block: "nearest" });
  if (isLearning && isBegun) continueTraining();
  else if (isLearning) beginTraining();
}

/** Where it was paused. */
async function continueTraining() {
  const mine = ++round;
  while (trainer && isLearning && mine === round) {
    const { progress } = await trainer({ kind: "learn" });
    if (mine === round) showProgress(progress);
  }
}

/** From the beginning, in the setting of now. */
function restartTraining() {
  isBegun = false;
  round++;
  if (isLearning) beginTraining();
}

/** Two schemes beside the chosen one: of small and large what it is not, else Xavier. */
function offerRivals() {
  const others = ["small", "large", "xavier"].filter((name) => name !== state.scheme);
  field("rival-one").value = others[0];
  field("rival-two").value = others[1];
}

function connectTraining() {
  for (const id of ["rival-one", "rival-two"]) {
    offer(get(id), Object.keys(SCHEMES));
    field(id).addEventListener("change", restartTraining);
  }
  offerRivals();
  const showRate = () => (get("rate-out").textContent = short(RATES.value(Number(field("rate").value))));
  showRate();
  field("rate").addEventListener("input", showRate);
  field("rate").addEventListener("change", restartTraining);
  onClick("train", toggleTraining);
  onClick("restart", restartTraining);
  let before = state.scheme;
  listeners.changed.push(() => {
    if (before !== state.scheme) offerRivals();
    before = state.scheme;
    restartTraining();
  });
}
