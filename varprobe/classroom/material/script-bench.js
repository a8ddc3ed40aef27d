// The lab goes to where a question wants it when the question is asked.
{
  const frame = document.getElementById("lab");
  let there = "";
  const look = (card) => {
    const address = card?.dataset.lab;
    if (!address || address === there) return;
    there = address;
    frame.src = `../lab.html#${address}`;
  };
  document.addEventListener("revealed", (event) => look(event.target.closest(".quiz")));
}
