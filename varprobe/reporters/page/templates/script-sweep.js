// The sliders of a sweep: they choose the point whose curves are shown.
const chosen = document.getElementById("points");
if (chosen) {
  const { axes, points, scale } = JSON.parse(chosen.textContent);
  const sliders = axes.map((_, place) => document.getElementById(`axis-${place}`));
  const rows = document.querySelectorAll("tr[data-point]");
  const of = new Map([...rows].map((row) => [Number(row.dataset.point), row]));
  const x = (layer) => (scale.x[0] + scale.x[1] * layer).toFixed(2);
  const y = (log10) => (scale.y[0] + scale.y[1] * log10).toFixed(2);

  function line(values, first) {
    let path = "", pen = "M";
    values.forEach((value, place) => {
      if (value === null) { pen = "M"; return; }
      path += `${pen}${x(first[place])} ${y(value)}`;
      pen = "L";
    });
    return path;
  }

  function band(low, high, first) {
    const there = low.map((_, place) => place).filter((place) => low[place] !== null && high[place] !== null);
    if (there.length < 2) return "";
    const up = there.map((place) => `${x(first[place])} ${y(low[place])}`);
    const back = there.reverse().map((place) => `${x(first[place])} ${y(high[place])}`);
    return `M${[...up, ...back].join("L")}z`;
  }

  function element(name, text, ...children) {
    const made = document.createElement(name);
    made.textContent = text;
    made.prepend(...children);
    return made;
  }

  // Options and commands between backquotes are code.
  function coded(name, text, ...children) {
    const parts = text.split(/`((?:--|varprobe )[^`]+)`/).map((part, place) => (place % 2 ? element("code", part) : part));
    const made = document.createElement(name);
    made.append(...children, ...parts);
    return made;
  }

  function findingOf({ severity, head, message, remedy }) {
    const made = element("div", "", element("h4", head));
    made.className = `finding ${severity}`;
    if (message) made.append(coded("p", message));
    if (remedy) made.append(coded("p", ` ${remedy}`, element("strong", "What to do:")));
    return made;
  }

  function show() {
    const index = sliders.reduce((sum, slider, place) => sum * axes[place].values.length + Number(slider.value), 0);
    const point = points[index];
    sliders.forEach((slider, place) => {
      const value = axes[place].values[slider.value];
      document.getElementById(`value-${place}`).textContent = value;
      slider.setAttribute("aria-valuetext", value);
    });
    for (const name of ["activation", "gradient", "activation_theory", "gradient_theory"])
      document.getElementById(`curve-${name}`).setAttribute("d", line(point[name], point.layers));
    for (const name of ["activation", "gradient"])
      document.getElementById(`curve-${name}_band`).setAttribute("d", band(point[`${name}_low`], point[`${name}_high`], point.layers));
    document.getElementById("said-of-point").textContent = point.sentence;
    const found = point.findings.map(findingOf);
    document.getElementById("findings-of-point").replaceChildren(...(found.length ? found : [element("p", "None.")]));
    document.getElementById("command-of-point").textContent = point.command;
    for (const row of rows) row.classList.remove("here");
    of.get(index).classList.add("here");
  }

  for (const slider of sliders) slider.addEventListener("input", show);
  for (const row of rows)
    row.addEventListener("click", () => {
      let index = Number(row.dataset.point);
      for (let place = axes.length - 1; place >= 0; place--) {
        const count = axes[place].values.length;
        sliders[place].value = index % count;
        index = Math.floor(index / count);
      }
      show();
    });
  show();
}
