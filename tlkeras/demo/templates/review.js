"use strict";
/* The review: one card after the other, by keys. */
const KEYS = { d: "duplicate", b: "bad", s: "skip", u: "undo" };
const SAID = { duplicate: "left out as a duplicate", bad: "left out as bad", skip: "skipped" };
const NEXT = 10; // cards that are shown ahead
const SECONDS_BETWEEN = 2; // looks, while doubts are searched for
let review = null; // what the server told
let kind = ""; // that is shown; "" = all
let shown = null; // the card
let isBusy = false;

const isOpen = (card) => !(card.image.digest in review.decided);
const inKind = (card) => !kind || card.kind === kind;
const openCards = () => review.cards.filter((card) => inKind(card) && isOpen(card));

async function readReview() {
  let found;
  try {
    found = await ask("/api/review");
  } catch (error) {
    found = { note: error.message };
  }
  if (isBusy) { // what was just decided is not in it
    setTimeout(readReview, 1000 * SECONDS_BETWEEN);
    return;
  }
  const isNew = !review || review.note || review.cards.length !== found.cards?.length;
  review = found;
  byId("reviewing").hidden = Boolean(review.note);
  if (review.note) {
    say("review-note", review.note);
    return;
  }
  const notes = [];
  if (review.searching)
    notes.push("Looking for labels in doubt and for copies across splits…");
  if (review.problem)
    notes.push(`Labels in doubt and copies could not be looked for: ${review.problem}`);
  say("review-note", notes.join(" "));
  byId("review-file").textContent = review.file;
  byId("command").textContent = review.command;
  byId("class-names").replaceChildren(...CLASSES.map((name) => make("option", { value: name })));
  // While doubts are searched for, nothing moves under a hand.
  const here = shown && review.cards.find((c) => c.image.digest === shown.image.digest);
  if (isNew) showCard(here && isOpen(here) ? here : openCards()[0]);
  if (review.searching) setTimeout(readReview, 1000 * SECONDS_BETWEEN);
}

function listKinds() {
  const rows = [["", "all"], ...Object.entries(review.kinds)];
  byId("kinds").replaceChildren(...rows.map(([key, name]) => {
    const count = review.cards.filter((c) => (!key || c.kind === key) && isOpen(c)).length;
    const button = make("button", { type: "button", textContent: `${name} ${count}` });
    button.setAttribute("aria-pressed", key === kind);
    button.addEventListener("click", () => {
      kind = key;
      showCard(openCards()[0]);
    });
    return button;
  }));
}

function showCard(card) {
  shown = card ?? null;
  listKinds();
  const ours = review.cards.filter(inKind);
  const open = openCards();
  byId("progress").textContent = `${ours.length - open.length} of ${ours.length} decided`;
  say("open-count", String(review.cards.filter(isOpen).length));
  byId("other").hidden = !card || card.choices.length >= CLASSES.length || !card.choices.length;
  byId("classes").hidden = !card;
  byId("pictures").hidden = !card;
  for (const button of document.querySelectorAll("#acts button"))
    button.hidden = !card && button.dataset.act !== "undo";
  if (card) fillCard(card);
  else {
    byId("pills").replaceChildren();
    byId("question").textContent = ours.length ? "All decided" : "Nothing is in doubt";
    byId("evidence").textContent = ours.length ? "The next run will know." : "";
  }
  const ahead = open.filter((c) => c !== card).slice(0, NEXT);
  byId("next-title").hidden = !ahead.length;
  byId("next").replaceChildren(...ahead.map(showNext));
}

function showNext(card) {
  const button = make("button", { type: "button" }, make("img", {
    src: imageUrl(card.image.digest),
    alt: `Labelled ${card.image.labels}: ${card.image.name}`,
    loading: "lazy",
  }));
  button.addEventListener("click", () => showCard(card));
  return make("li", {}, button);
}

function fillCard(card) {
  const pictures = [card.image, ...(card.copy ? [card.copy] : [])];
  byId("pictures").replaceChildren(...pictures.map((image, place) => {
    const picture = make("img", {
      src: imageUrl(image.digest), alt: `Labelled ${image.labels}: ${image.name}`,
    });
    picture.addEventListener("error", () => {
      picture.replaceWith(make("span", { className: "gone", textContent: "no file" }));
    });
    const which = card.copy ? [" (to decide about)", " (stays)"][place] : "";
    return make("figure", {}, picture, make("figcaption", {},
      make("strong", { textContent: image.labels }),
      ` in ${image.split}${which}, `, make("bdi", { textContent: image.name })));
  }));
  byId("pills").replaceChildren(
    make("span", { className: "pill", textContent: review.kinds[card.kind] }),
    make("span", { className: "pill", textContent: card.image.split }));
  const isSure = card.confidence ? `, ${percent(card.confidence)}` : "";
  byId("question").textContent = card.copy
    ? "Is it the same picture?"
    : `Is it ${card.image.labels}, or ${card.likely}?`;
  byId("evidence").textContent = card.copy
    ? `As a duplicate, the one in ${card.image.split} is left out; the one in ${card.copy.split} stays. Skipping keeps both.`
    : `Labelled ${card.image.labels}; ` + (card.kind === "label"
      ? `a probe that never saw its label says ${card.likely}${isSure}.`
      : `the network, which did not learn from it, says ${card.likely}${isSure}.`);
  byId("classes").replaceChildren(...card.choices.map((name, place) => {
    const isOwn = name === card.image.labels;
    const button = make("button", { type: "button" },
      make("kbd", { textContent: place + 1 }), make("bdi", { textContent: name }));
    if (isOwn) button.append(make("span", { className: "tag", textContent: "label" }));
    if (name === card.likely) {
      button.className = "likely";
      button.append(make("span", { className: "tag", textContent: "likely" }));
    }
    button.addEventListener("click", () => decide("relabel", name));
    return button;
  }));
}

const post = (url, value) => ask(url, { method: "POST", body: JSON.stringify(value) });

async function decide(decision, label = "") {
  if (!shown || isBusy) return;
  const card = shown;
  await act(async () => {
    await post("/api/decide", { digest: card.image.digest, decision, label });
    review.decided[card.image.digest] = { decision, label };
    const what = label === card.image.labels ? `confirmed as ${label}`
      : label ? `relabelled ${label}` : SAID[decision];
    byId("last").textContent = `${card.image.name}: ${what}. u takes it back.`;
    showCard(openCards()[0]);
  });
}

async function undo() {
  if (isBusy || !review || review.note) return;
  await act(async () => {
    const { digest } = await post("/api/undo", {});
    review = { ...review, ...await ask("/api/review") };
    const card = review.cards.find((c) => c.image.digest === digest);
    byId("last").textContent = card ? `${card.image.name}: taken back.` : "Taken back.";
    if (card && !inKind(card)) kind = "";
    showCard(card && isOpen(card) ? card : openCards()[0]);
  });
}

async function act(change) {
  isBusy = true;
  say("review-error", "");
  try {
    await change();
  } catch (error) {
    say("review-error", error.message);
  } finally {
    isBusy = false;
  }
}

byId("acts").addEventListener("click", (event) => {
  const name = event.target.closest("button")?.dataset.act;
  if (name === "undo") undo();
  else if (name) decide(name);
});
byId("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = byId("other-class").value.trim();
  if (!CLASSES.includes(name)) {
    say("review-error", `'${name}' is no class of this run; choose one of the list.`);
    return;
  }
  byId("other-class").value = "";
  byId("other-class").blur();
  decide("relabel", name);
});
addEventListener("keydown", (event) => {
  if (byId("review").hidden || !review || review.note) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const name = shown?.choices[Number(key) - 1];
  if (key === "/" && !byId("other").hidden) {
    byId("other-class").focus();
  } else if (key === "u") undo();
  else if (KEYS[key]) decide(KEYS[key]);
  else if (/^[1-9]$/.test(key) && name !== undefined) decide("relabel", name);
  else return;
  event.preventDefault();
});
document.addEventListener("tab", (event) => {
  if (event.detail === "review-tab" && (!review || review.note)) readReview();
});
