// Presenter: `p` shows one idea a screen in large type; arrows move, Escape leaves.
{
  const root = document.documentElement;
  const bar = document.getElementById("presenter");
  const [back, leave, on] = bar.querySelectorAll("button");
  const said = bar.querySelector("output");
  const start = document.getElementById("present");
  let slides = [], here = 0;
  start.hidden = false;

  // A slide: its section, and of a text that is told in pieces the piece.
  function find() {
    const found = [];
    for (const section of document.querySelectorAll("[data-slide]")) {
      if (section.closest("[hidden], .waiting, details:not([open])")) continue;
      const pieces = section.dataset.slide === "pieces" ? piecesOf(section) : [[]];
      for (const piece of pieces) found.push({ section, piece });
    }
    return found;
  }

  // A paragraph and what belongs to it: the formulas, tables and figures behind it, and paragraphs after a colon.
  function piecesOf(section) {
    const pieces = [];
    for (const child of section.children) {
      if (/^H[1-6]$/.test(child.tagName)) continue;
      const last = pieces.at(-1);
      const goes = last && (child.tagName !== "P" || /:$/.test(last.at(-1).textContent.trim()));
      if (goes) last.push(child);
      else pieces.push([child]);
    }
    return pieces.length ? pieces : [[]];
  }

  function titleOf(section) {
    const heading = section.querySelector("h1, h2, h3, h4");
    return (section.getAttribute("aria-label") ?? heading?.textContent ?? "").replace(/\s+/g, " ").trim();
  }

  function show(place) {
    clear();
    here = Math.max(0, Math.min(place, slides.length - 1));
    const { section, piece } = slides[here];
    section.classList.add("now");
    if (piece.length)
      for (const child of section.children)
        child.classList.toggle("apart", !/^H[1-6]$/.test(child.tagName) && !piece.includes(child));
    back.disabled = here === 0;
    on.disabled = here === slides.length - 1;
    said.textContent = `${here + 1} of ${slides.length}: ${titleOf(section)}`;
    scrollTo(0, 0);
  }

  function clear() {
    for (const one of document.querySelectorAll(".now")) one.classList.remove("now");
    for (const one of document.querySelectorAll(".apart")) one.classList.remove("apart");
  }

  function begin() {
    slides = find();
    const middle = innerHeight / 2;
    const seen = slides.findIndex(({ section }) => section.getBoundingClientRect().bottom > middle);
    root.classList.add("presenting");
    bar.hidden = false;
    show(scrollY < 40 ? 0 : seen);
  }

  function end() {
    const { section } = slides[here];
    root.classList.remove("presenting");
    bar.hidden = true;
    clear();
    section.scrollIntoView();
    if (bar.contains(document.activeElement) || document.activeElement === document.body) start.focus({ preventScroll: true });
  }

  function move(step) {
    slides = find();
    show(here + step);
  }

  const presents = () => root.classList.contains("presenting");
  start.addEventListener("click", begin);
  back.addEventListener("click", () => move(-1));
  on.addEventListener("click", () => move(1));
  leave.addEventListener("click", end);
  document.addEventListener("revealed", (event) => {
    if (!presents()) return;
    slides = find();
    const place = slides.findIndex(({ section }) => section.contains(event.target) || event.target.parentElement.contains(section));
    show(place < 0 ? here : place);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "p" && !presents()) return begin();
    if (!presents()) return;
    if (event.key === "Escape" || event.key === "p") return end();
    const used = event.target.closest?.("input, [role=tab], button, summary, a, .scroll");
    const moves = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1, " ": 1, Home: -Infinity, End: Infinity };
    const step = moves[event.key];
    const own = event.key === " " ? used : event.target.closest?.("input, [role=tab]");
    if (step === undefined || own) return;
    event.preventDefault();
    move(step);
  });
}
