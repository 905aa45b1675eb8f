// Starts Reveal and makes the text of a crowded slide smaller until it fits.

const HEIGHT = 700;
const ROOM = 630; // above the arrows

function fit(slide) {
  const boxes = [slide.parentElement, slide];
  const displays = boxes.map((box) => box.style.display);
  boxes.forEach((box) => (box.style.display = "block"));
  for (let size = 95; slide.scrollHeight > ROOM && size >= 45; size -= 5) {
    slide.style.fontSize = `${size}%`;
    slide.style.setProperty("--figure", `${size * 4.3}px`);
  }
  boxes.forEach((box, place) => (box.style.display = displays[place]));
}

Reveal.initialize({
  ...{ width: 1100, height: HEIGHT, margin: 0.06, hash: true, slideNumber: "c/t", center: false },
  ...{ transition: "none", controls: true, progress: true, plugins: [RevealNotes] },
})
  .then(() => Promise.all([...document.images].map((image) => image.decode().catch(() => {}))))
  .then(() => {
    document.querySelectorAll(".slides > section > section").forEach(fit);
    document.body.dataset.fitted = "true";
  });
