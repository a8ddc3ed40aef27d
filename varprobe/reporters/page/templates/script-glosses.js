// Words with a gloss show it on hover and focus; Escape puts it away. Without scripts they lead to the list of words.
{
  const box = document.createElement("div");
  box.id = "gloss";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  let owner = null;

  function show(word) {
    const told = document.getElementById(word.dataset.gloss);
    if (!told) return;
    owner = word;
    box.textContent = told.textContent;
    box.hidden = false;
    const at = word.getClientRects()[0] ?? word.getBoundingClientRect();
    const room = document.documentElement.clientWidth - box.offsetWidth - 8;
    box.style.left = `${Math.max(8, Math.min(at.left, room))}px`;
    const above = at.top - box.offsetHeight - 8;
    box.style.top = `${above > 0 ? above : at.bottom + 8}px`;
  }

  function hide() {
    box.hidden = true;
    owner = null;
  }

  for (const word of document.querySelectorAll("[data-gloss]")) {
    word.setAttribute("aria-describedby", word.dataset.gloss);
    word.addEventListener("mouseenter", () => show(word));
    word.addEventListener("focus", () => show(word));
    word.addEventListener("blur", hide);
    word.addEventListener("mouseleave", (event) => { if (event.relatedTarget !== box && document.activeElement !== word) hide(); });
    if (word.tagName === "A")
      word.addEventListener("click", (event) => { event.preventDefault(); show(word); });
  }
  box.addEventListener("mouseleave", () => { if (document.activeElement !== owner) hide(); });
  document.addEventListener("scroll", () => { if (owner) show(owner); }, { capture: true, passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.hidden) return;
    hide();
    event.stopImmediatePropagation();
  });
}
