"use strict";
/* Tabs, and the part that tries a model. Texts from data go in as text only. */
const byId = (id) => document.getElementById(id);
const CLASSES = JSON.parse(document.body.dataset.classes);
const MAX_BYTES = Number(document.body.dataset.maxBytes);
const FEW = 5; // scores that are shown at first

function make(tag, settings = {}, ...children) {
  const node = Object.assign(document.createElement(tag), settings);
  node.append(...children);
  return node;
}

function say(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = !text;
}

async function ask(url, options) {
  let reply;
  try {
    reply = await fetch(url, options);
  } catch {
    throw new Error("No answer: is tlkeras demo still running?");
  }
  const value = await reply.json();
  if (!reply.ok) throw new Error(value.error);
  return value;
}

const percent = (share) =>
  share >= 0.9995 ? "> 99.9 %" : share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
const imageUrl = (digest) => `/image?digest=${encodeURIComponent(digest)}`;

/* Tabs, by arrows too. */
const tabs = [...document.querySelectorAll("[role=tab]")];
function openTab(tab) {
  for (const other of tabs) {
    const isOpen = other === tab;
    other.setAttribute("aria-selected", isOpen);
    other.tabIndex = isOpen ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !isOpen;
  }
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
  document.dispatchEvent(new CustomEvent("tab", { detail: tab.id }));
}
for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });
}
addEventListener("load", () => {
  const tab = tabs.find((t) => `#${t.getAttribute("aria-controls")}` === location.hash);
  if (tab) openTab(tab);
});

/* An image comes in. */
let current = null; // what is shown: {token, scores}
let showsAll = false;

async function tryImage(file) {
  if (!file) return;
  say("try-error", "");
  if (file.size > MAX_BYTES) {
    refuse(`The file is larger than ${MAX_BYTES / 2 ** 20} MiB; expected a smaller image.`);
    return;
  }
  byId("drop").setAttribute("aria-busy", "true");
  say("try-status", "Asking the model");
  try {
    const answer = await ask("/api/try", { method: "POST", body: file });
    URL.revokeObjectURL(byId("photo").src);
    byId("photo").src = URL.createObjectURL(file);
    show(answer);
  } catch (error) {
    refuse(error.message);
  } finally {
    byId("drop").removeAttribute("aria-busy");
    byId("file").value = "";
  }
}

function refuse(sentence) {
  current = null;
  byId("answer").hidden = true;
  say("try-status", "");
  say("try-error", sentence);
}

function show(answer) {
  current = answer;
  showsAll = false;
  byId("answer").hidden = false;
  byId("label").textContent = answer.label;
  byId("score").textContent = percent(answer.score);
  say("try-status", `${answer.label}, ${percent(answer.score)}`);
  listScores();
  showMap(answer.label);
  showSimilar();
}

function listScores() {
  const ranked = current.scores
    .map((score, place) => ({ score, name: CLASSES[place] }))
    .sort((a, b) => b.score - a.score);
  const shown = showsAll ? ranked : ranked.slice(0, FEW);
  byId("scores").replaceChildren(...shown.map(({ name, score }) => {
    const bar = make("i");
    bar.style.width = `${100 * score}%`;
    const button = make("button", { type: "button" },
      make("bdi", { className: "name", textContent: name }),
      make("span", { className: "value", textContent: percent(score) }),
      make("span", { className: "bar" }, bar));
    button.dataset.name = name;
    button.setAttribute("aria-pressed", name === current.mapped);
    button.addEventListener("click", () => showMap(name));
    return make("li", {}, button);
  }));
  const more = ranked.length - shown.length;
  byId("more").hidden = !more;
  byId("more").textContent = `${more} more`;
}
byId("more").addEventListener("click", () => {
  showsAll = true;
  listScores();
});

function wait(text) {
  byId("map").hidden = true;
  say("map-waiting", text);
}

async function showMap(name) {
  const asked = current;
  asked.mapped = name;
  for (const button of document.querySelectorAll("#scores button"))
    button.setAttribute("aria-pressed", button.dataset.name === name);
  byId("map-caption").textContent = `Where it sees ${name}`;
  if (byId("map").hidden) wait("Loading the network…");
  const query = new URLSearchParams({ token: asked.token, label: name });
  let found;
  try {
    found = await ask(`/api/map?${query}`);
  } catch (error) {
    found = { note: error.message };
  }
  if (current !== asked || asked.mapped !== name) return;
  if (found.note) {
    wait(found.note);
    return;
  }
  say("map-waiting", "");
  byId("map").hidden = false;
  byId("map").src = found.image;
  byId("map").alt = `Heat map of ${name} over your image`;
  byId("map-caption").textContent =
    `Where it sees ${name}; at most ${found.peak.toFixed(2)}, dark is 0, bright is 1`;
}

async function showSimilar() {
  const asked = current;
  byId("similar").replaceChildren();
  say("similar-note", "Comparing with the training images…");
  let found;
  try {
    found = await ask(`/api/similar?${new URLSearchParams({ token: asked.token })}`);
  } catch (error) {
    found = { note: error.message };
  }
  if (current !== asked) return;
  say("similar-note", found.note || "By what the network's last layer is given; 1 is the same.");
  byId("similar").replaceChildren(...(found.images || []).map((image) =>
    make("li", {},
      make("img", { src: imageUrl(image.digest), alt: `A training image of ${image.labels}` }),
      make("bdi", { textContent: image.labels }),
      make("span", { className: "alike", textContent: image.similarity.toFixed(2) }))));
}

/* The ways in. */
const drop = byId("drop");
const inTry = () => !byId("try").hidden;
byId("file").addEventListener("change", (event) => tryImage(event.target.files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (inTry()) tryImage(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (!inTry()) return;
  if (file) tryImage(file);
  else refuse("What was pasted is no image; expected a copied image or file.");
});

/* A photograph. */
const camera = byId("camera");
byId("photograph").hidden = !navigator.mediaDevices;
byId("photograph").addEventListener("click", async () => {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment" },
    });
    byId("video").srcObject = stream;
    camera.showModal();
  } catch (error) {
    say("try-error", `There is no camera to use (${error.name}); choose an image instead.`);
  }
});
byId("no-camera").addEventListener("click", () => camera.close());
camera.addEventListener("close", () => {
  for (const track of byId("video").srcObject?.getTracks() ?? []) track.stop();
  byId("video").srcObject = null;
});
byId("shoot").addEventListener("click", () => {
  const video = byId("video");
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  camera.close();
  canvas.toBlob(tryImage, "image/jpeg", 0.95);
});
