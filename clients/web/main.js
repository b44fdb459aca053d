/** Puts the page together: messages change the model, the model is drawn once a frame at most. */

import { AlertList, AlertLog } from "./alerts.js";
import { offerThemes } from "./appearance.js";
import { Calls, drawCalls } from "./calls.js";
import { Card } from "./card.js";
import { element, find, setText } from "./dom.js";
import { give } from "./feedback.js";
import { Keyboard } from "./keyboard.js";
import { notify } from "./notices.js";
import { MOST_PARTICIPANTS, Roster, keyOf, onSameTimeline, staleForS } from "./participants.js";
import { PublishPanel } from "./publish.js";
import { shownVerdict } from "./reasons.js";
import { recall, remember } from "./remembered.js";
import { Signals } from "./signals.js";
import { AlertsSocket } from "./socket.js";
import { drawSummary } from "./summary.js";

const HOUSEKEEPING_MS = 1_000;

/** @type {Readonly<Record<import("./socket.js").ConnectionState, string>>} */
const CONNECTION_WORDS = Object.freeze({
  connecting: "Connecting …",
  live: "Live",
  reconnecting: "Reconnecting …",
  refused: "Not signed in",
});

const ENCODER_NAMES = { mu: "identity", gamma: "lips", alpha: "voice" };

const roster = new Roster();
const calls = new Calls();
const log = new AlertLog();
/** @type {Map<string, Card>} */
const cards = new Map();
/** @type {Set<string>} */
const changed = new Set();
/** @type {import("./publish.js").Own | null} */
let own = null;
let live = false;
let mayChange = false;
let frameRequested = false;

const template = /** @type {HTMLTemplateElement} */ (find(document, "#card-template"));
const grid = /** @type {HTMLElement} */ (find(document, "#cards"));
const announcer = find(document, "#announcer");
const list = new AlertList(find(document, "#alert-list"), announcer, {
  onChosen(key) {
    const card = cards.get(key);
    if (card === undefined) notify("This participant is no longer on the page.", "");
    else card.highlight();
  },
  onFeedback: (seq, state) => void answer(seq, state),
});
const signals = new Signals({
  sound: find(document, "#sound"),
  desktop: find(document, "#desktop"),
  onProblem: notify,
});

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const card = [...cards.values()].find((candidate) => candidate.root === entry.target);
    if (card === undefined) continue;
    card.visible = entry.isIntersecting;
    if (card.visible) card.redraw();
    if (mayChange) card.refreshPicture();
  }
});
const sizes = new ResizeObserver(() => redrawAll());

const socket = new AlertsSocket({
  onMessage: received,
  onState(state) {
    live = state === "live";
    const pill = /** @type {HTMLElement} */ (find(document, "#connection"));
    pill.dataset.connection = state;
    setText(find(pill, "[data-words]"), CONNECTION_WORDS[state]);
    if (state === "refused") {
      notify("The monitor does not know this browser.", "Open the page with the link that the monitor printed.");
    }
    touchAll();
  },
  onReset() {
    log.clear();
    list.clear();
  },
});

/** @param {any} message */
function received(message) {
  const nowMs = Date.now();
  switch (message.type) {
    case "hello":
      greeted(message, nowMs);
      break;
    case "participant":
    case "score":
    case "reception":
    case "matrices":
      touch(roster.apply(message, nowMs));
      break;
    case "call":
      calls.apply(message, nowMs);
      touch(null);
      break;
    case "alert":
      alerted(log.add(message, nowMs), nowMs);
      touch(keyOf(message));
      break;
    case "feedback":
      answered(message);
      break;
    case "error":
      notify(message.message, message.fix);
      break;
    default:
      break;
  }
}

/** @param {import("./alerts.js").LoggedAlert} logged @param {number} nowMs */
function alerted(logged, nowMs) {
  list.add(logged);
  if (!logged.history && logged.alert.state === "alert") signals.alarm(logged.alert, nowMs);
}

/** @param {any} feedback */
function answered(feedback) {
  const logged = log.mark(feedback);
  if (logged === null) return;
  list.mark(logged);
  touch(keyOf(logged.alert));
}

/** @param {number} seq @param {import("./feedback.js").FeedbackState} state */
async function answer(seq, state) {
  const outcome = await give(seq, state);
  if ("told" in outcome) answered(outcome.told);
  else notify(outcome.problem, outcome.fix);
}

/** @param {HTMLElement | null} chosen An alert or a card. @param {import("./feedback.js").FeedbackState} state */
function answerChosen(chosen, state) {
  if (!mayChange) return;
  const { seq, call, participant } = chosen?.dataset ?? {};
  if (chosen?.classList.contains("alert") && chosen.dataset.state !== "clear") return void answer(Number(seq), state);
  const open = call !== undefined && participant !== undefined ? log.newestOpen(keyOf({ call, participant })) : null;
  if (open !== null) return void answer(open.alert.seq, state);
  setText(announcer, chosen === null ? "Choose an alert or a participant first." : "There is no open alert here.");
}

/** @param {any} hello @param {number} nowMs */
function greeted(hello, nowMs) {
  mayChange = hello.role !== "viewer";
  document.body.dataset.role = mayChange ? "operator" : "viewer";
  /** @type {HTMLElement} */ (find(document, "#viewer")).hidden = mayChange;
  if (hello.oldest_seq > hello.after + 1) {
    notify("Some older alerts have expired from the monitor’s store.", "");
  }
  log.connected(hello);
  roster.connected(nowMs);
  calls.connected();
  const encoders = Object.entries(hello.encoders);
  const chips = encoders.map(([name, encoder]) => {
    const chip = element("li", "encoder");
    chip.append(element("span", "encoder-name", ENCODER_NAMES[name] ?? name), element("span", "", encoder.engine.split("@")[0]));
    chip.title = encoder.engine;
    chip.dataset.baseline = String(encoder.baseline);
    return chip;
  });
  find(document, "#encoders").replaceChildren(...chips);
  const untrained = encoders.filter(([, encoder]) => encoder.baseline).map(([name]) => ENCODER_NAMES[name] ?? name);
  const badge = /** @type {HTMLElement} */ (find(document, "#baseline"));
  badge.hidden = untrained.length === 0;
  badge.title = `Untrained: ${untrained.join(", ")}`;
}

/** @param {string | null} key A participant to draw in the next frame. */
function touch(key) {
  if (key !== null) changed.add(key);
  if (frameRequested) return;
  frameRequested = true;
  requestAnimationFrame(drawChanged);
}

function touchAll() {
  for (const record of roster.all) changed.add(record.key);
  touch(null);
}

function drawChanged() {
  frameRequested = false;
  for (const key of changed) drawCard(key);
  changed.clear();
  drawOverview();
}

/** @param {string} key */
function drawCard(key) {
  const record = roster.get(key);
  if (record === undefined) return;
  let card = cards.get(key);
  if (card === undefined) {
    card = new Card(template, record);
    cards.set(key, card);
    grid.append(card.root);
    sight.observe(card.root);
    sizes.observe(card.root);
  }
  const isOwn = own !== null && own.call === record.call && own.participant === record.name;
  card.update(record, {
    alerts: log.entries.filter((logged) => onSameTimeline(record, logged)),
    staleS: staleForS(record, Date.now(), live),
    ownStream: isOwn && own !== null ? own.stream : null,
  });
}

function drawOverview() {
  drawCalls(find(document, "#calls"), calls.all);
  const present = roster.all.filter((record) => record.leftAtMs === null);
  const isStale = (/** @type {import("./participants.js").ParticipantRecord} */ record) =>
    staleForS(record, Date.now(), live) !== null;
  drawSummary({
    verdicts: present.map((record) => (isStale(record) ? "stale" : shownVerdict(record.score))),
    anybody: roster.all.length > 0,
    alertsTotal: log.total,
    anyAlert: log.entries.length > 0,
  });
}

function redrawAll() {
  for (const card of cards.values()) card.redraw();
}

function keepHouse() {
  calls.expire(Date.now());
  for (const key of roster.expire(Date.now())) {
    const card = cards.get(key);
    if (card !== undefined) {
      sight.unobserve(card.root);
      sizes.unobserve(card.root);
      card.remove();
    }
    cards.delete(key);
  }
  if (roster.overflowed) {
    notify(`The page shows the first ${MOST_PARTICIPANTS} participants only.`, "");
    roster.overflowed = false;
  }
  touchAll();
  if (document.hidden || !mayChange) return;
  for (const card of cards.values()) card.refreshPicture();
}

const guest = `guest-${100 + Math.floor(900 * Math.random())}`;
/** @type {HTMLInputElement} */ (find(document, '[name="participant"]')).value = guest;
new PublishPanel(find(document, "#publish"), (next) => {
  own = next;
  touchAll();
});
setText(find(document, ".origin"), window.location.origin);
document.addEventListener("themechange", redrawAll);
offerThemes(find(document, "#theme"));

const help = /** @type {HTMLDialogElement} */ (find(document, "#help"));
const singleKeys = /** @type {HTMLInputElement} */ (find(document, "#single-keys"));
singleKeys.checked = recall("keys") !== "off";
singleKeys.addEventListener("change", () => remember("keys", singleKeys.checked ? "on" : "off"));
find(document, "#show-help").addEventListener("click", () => help.showModal());
new Keyboard({
  cards: grid,
  alerts: /** @type {HTMLElement} */ (find(document, "#alert-list")),
  help,
  enabled: () => singleKeys.checked,
  onFeedback: answerChosen,
});

window.setInterval(keepHouse, HOUSEKEEPING_MS);
socket.connect();
