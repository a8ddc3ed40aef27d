// A lesson: one question after the other, each marked when it is answered; then what happens.
{
  const results = document.getElementById("results");
  const questions = [...document.querySelectorAll(".question")];
  let right = 0;
  results.hidden = true;
  questions.forEach((question, place) => {
    question.hidden = false;
    question.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!question.classList.contains("answered")) answer(question, place);
      else if (place + 1 < questions.length) ask(questions[place + 1]);
      else reveal();
    });
  });
  wait();

  // What is not asked yet, and the cards that have nothing to ask yet, stay away.
  function wait() {
    const next = questions.findIndex((question) => !question.classList.contains("answered"));
    questions.forEach((question, place) => question.classList.toggle("waiting", place > next && next >= 0));
    for (const card of document.querySelectorAll(".quiz"))
      card.classList.toggle("waiting", [...card.querySelectorAll(".question")].every((one) => one.classList.contains("waiting")));
  }

  function answer(question, place) {
    const fields = question.querySelector("fieldset");
    const chosen = fields.querySelector("input:checked");
    const correct = fields.querySelector(`input[value="${fields.dataset.label}"]`);
    const known = chosen === correct;
    right += known;
    mark(correct, "right", known ? "\u2713 right" : "\u2713 this is it");
    if (!known) mark(chosen, "wrong", "\u2717 your answer");
    fields.disabled = true;
    question.classList.add("answered");
    const reason = question.querySelector(".reason");
    const head = document.createElement("strong");
    head.textContent = known ? "Right. " : "Wrong. ";
    reason.classList.add(known ? "right" : "wrong");
    reason.replaceChildren(head, fields.dataset.reason);
    const button = question.querySelector("button");
    button.textContent = place + 1 < questions.length ? "Next question" : "Show what happens";
    button.focus();
  }

  function mark(input, name, word) {
    const label = input.closest("label");
    const said = document.createElement("span");
    said.textContent = word;
    label.classList.add(name);
    label.append(said);
  }

  function ask(question) {
    questions[questions.indexOf(question) - 1].querySelector("button").hidden = true;
    question.classList.remove("waiting");
    const card = question.closest(".quiz");
    card.classList.remove("waiting");
    show(question);
    question.querySelector("input").focus({ preventScroll: true });
  }

  function reveal() {
    questions.at(-1).querySelector("button").hidden = true;
    document.getElementById("said").textContent = `${right} of ${questions.length} answers were right.`;
    results.hidden = false;
    const heading = document.getElementById("answer");
    show(heading);
    heading.focus({ preventScroll: true });
  }

  function show(element) {
    element.dispatchEvent(new Event("revealed", { bubbles: true }));
    element.scrollIntoView({ block: "nearest" });
    if (element.id === "answer") element.scrollIntoView();
  }
}
