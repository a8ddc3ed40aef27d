// @ts-check
// Where it begins: what is connected to what, the keyboard, what can be taken away.

/** @param {string} id @param {() => void} act */
const onClick = (id, act) => get(id).addEventListener("click", act);

/** @param {HTMLElement} list @param {string[]} names */
function offer(list, names) {
  list.replaceChildren(...names.map((name) => make("option", name, { value: name })));
}

/** The next entry of a list. @param {string[]} names @param {string} name @param {number} by */
const cycle = (names, name, by) => names[(names.indexOf(name) + by + names.length) % names.length];

/** Moves a slider by its own steps. @param {string} id @param {number} by */
function nudge(id, by) {
  field(id).value = String(Number(field(id).value) + by);
  change(CONTROLS[id](field(id).value));
}

/** Seeds far enough apart that no draw of one is a draw of another. */
const drawAgain = () => change({ seed: (state.seed + MOST) % 2 ** 31 });

/** @type {Record<string, () => void>} */
const KEYS = {
  p: () => change({ presenter: state.presenter ? 0 : 1 }),
  " ": drawAgain,
  k: () => change({ keep: state.keep ? 0 : 1 }),
  a: () => change(CONTROLS.activation(cycle(Object.keys(ACTIVATIONS), state.activation, 1))),
  A: () => change(CONTROLS.activation(cycle(Object.keys(ACTIVATIONS), state.activation, -1))),
  s: () => change(CONTROLS.scheme(cycle(Object.keys(SCHEMES), state.scheme, 1))),
  S: () => change(CONTROLS.scheme(cycle(Object.keys(SCHEMES), state.scheme, -1))),
  n: () => change({ norm: cycle(NORMS, state.norm, 1) }),
  r: () => change({ residual: state.residual === null ? 1 : null }),
  ArrowLeft: () => nudge("std", -4),
  ArrowRight: () => nudge("std", 4),
  ArrowUp: () => nudge("depth", 1),
  ArrowDown: () => nudge("depth", -1),
  g: () => {
    change({ guess: state.guess ? 0 : 1 });
    scrollTo({ top: 0 });
  },
  t: () => toggleTraining(),
  "?": () => toggleHelp(),
};

function toggleHelp() {
  const help = get("help");
  help.hidden = !help.hidden;
  if (!help.hidden) help.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") get("help").hidden = true;
  const isField = target.matches("input, select, textarea"), isButton = target.matches("button, summary, a");
  // A field's own keys stay its own: sliders have the arrows, lists and text all letters.
  if (target.matches("select, textarea, input[type=number], input[type=text]")) return;
  if ((isField && event.key.startsWith("Arrow")) || (isButton && event.key === " ") || !Object.hasOwn(KEYS, event.key)) return;
  if (event.key === " " && isField) return;
  event.preventDefault();
  KEYS[event.key]();
}

/** The state as one picture. */
function savePicture() {
  const shown = ["profile", "activations", "gradients", "clouds"].map(picture).filter((canvas) => canvas.clientWidth);
  const ratio = window.devicePixelRatio || 1, width = Math.max(...shown.map((canvas) => canvas.width)), look = colours();
  const sheet = document.createElement("canvas"), head = 74 * ratio;
  sheet.width = width;
  sheet.height = head + shown.reduce((sum, canvas) => sum + canvas.height + 26 * ratio, 0);
  const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  pen.fillStyle = look.paper;
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.fillStyle = look.ink;
  pen.font = `${15 * ratio}px system-ui, sans-serif`;
  const words = isHidden() ? ["", describe(state)] : [get("sentence").textContent || "", describe(state)];
  words.forEach((text, i) => pen.fillText(text, 8 * ratio, (24 + 24 * i) * ratio, width - 16 * ratio));
  let y = head;
  for (const canvas of shown) {
    pen.fillText(canvas.dataset.title || "", 8 * ratio, y + 14 * ratio);
    pen.drawImage(canvas, 0, y + 22 * ratio);
    y += canvas.height + 26 * ratio;
  }
  sheet.toBlob((blob) => blob && save(blob, "lab.png"));
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const place = URL.createObjectURL(blob), link = make("a", "", { href: place, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(place), 1000);
}

/** The network in words. @param {State} state */
function describe(state) {
  const residual = state.residual === null ? "" : `, residual x + ${short(state.residual)} branch`;
  const scale = `weights' std ${short(relativeStd(netOf(state)))}/√fan-in`, around = `norm ${state.norm}${residual}`;
  return `${state.depth} layers of ${state.width}, ${state.activation}, ${state.scheme}, ${scale}, ${around}, batch ${state.batch}, seed ${state.seed}`;
}

/** @param {string} text @param {string} what */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied.`);
    get("copied").textContent = `${what} copied.`;
  } catch {
    get("copied").textContent = `Copying is not allowed here: select the text and copy it.`;
  }
  setTimeout(() => (get("copied").textContent = ""), 3000);
}

function connect() {
  const [stable, broken] = [LIMITS.stable, LIMITS.broken].map((limit) => Math.round(Math.exp(limit)));
  get("rule").textContent = `Of every draw the change from the first layer's output to the last's is taken, of the gradient's on its `
    + `way back; the logarithms are averaged over the draws, with a 95 % interval. Within a factor ${stable} is stable, `
    + `beyond ${broken} vanishing or exploding, between them borderline; known to a factor above 10 only, it is inconclusive.`;
  offer(get("activation"), Object.keys(ACTIVATIONS));
  offer(get("scheme"), Object.keys(SCHEMES));
  offer(get("norm"), NORMS);
  for (const [id, make] of Object.entries(CONTROLS)) {
    field(id).addEventListener("input", () => change(make(field(id).value)));
  }
  get("controls").addEventListener("submit", (event) => event.preventDefault());
  onClick("again", drawAgain);
  onClick("keep", KEYS.k);
  onClick("present", KEYS.p);
  onClick("keys", toggleHelp);
  onClick("save", savePicture);
  onClick("print", () => window.print());
  onClick("copy-yaml", () => copy(get("yaml").textContent || "", "Config"));
  onClick("copy-command", () => copy(get("command").textContent || "", "Command"));
  onClick("copy-link", () => copy(location.href, "Link"));
  for (const id of ["fan-in", "fan-out"]) field(id).addEventListener("input", showAll);
  document.addEventListener("keydown", onKey);
  new ResizeObserver(showSoon).observe(get("profile"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showSoon);
  for (const event of ["beforeprint", "afterprint"]) window.addEventListener(event, showAll);
  matchMedia("print").addEventListener("change", showAll);
  window.addEventListener("hashchange", () => {
    const there = readAddress(location.hash);
    if (writeAddress(there) !== writeAddress(state)) change({ ...DEFAULTS, ...there });
  });
}

/** For a teacher's console, and for tests: any state measured, judged and predicted as the page does it. */
const lab = {
  get state() { return { ...state, address: writeAddress(state) }; },
  get found() { return { turn, isBusy, draws: found.draws.length, stepTime: found.stepTime, theoryTime: found.theoryTime, settled: found.settled }; },
  /** @param {string} address @param {number} count */
  async measure(address, count) {
    const asked = readAddress(address), net = netOf(asked);
    /** @type {Statistics[]} */
    const draws = [];
    const take = async (/** @type {number} */ which) => {
      for (let i = which; i < count; i += 2) {
        const { pass } = await workers[which]({ kind: "draw", net, seed: asked.seed + i, from: 0, to: net.batch, circle: false, theory: false, slot: 1 });
        draws[i] = gather([pass], net);
      }
    };
    await Promise.all([take(0), take(1)]);
    const { theory } = await workers[0]({ kind: "theory", net });
    const verdict = judge(draws), plain = draws.map(({ second, sample, gradient }) => ({
      second: [...second], sample: [...sample], gradient: [...gradient],
    }));
    return { draws: plain, verdict, words: verdictWords(verdict), theory, yaml: writeYaml(asked, count) };
  },
  activations: ACTIVATIONS,
};
Object.assign(window, { lab });

connect();
connectTraining();
connectGames();
showControls();
changedAt = performance.now();
step();
