/** Puts the page together: messages change the model, the model is drawn once a frame at most. */

import { AlertList, AlertLog } from "./alerts.js";
import { Calls, drawCalls } from "./calls.js";
import { Card } from "./card.js";
import { element, find, icon, setText } from "./dom.js";
import { counted } from "./format.js";
import { MOST_PARTICIPANTS, Roster, keyOf, onSameTimeline, staleForS } from "./participants.js";
import { PublishPanel } from "./publish.js";
import { VERDICT_WORDS, shownVerdict } from "./reasons.js";
import { AlertsSocket } from "./socket.js";

const HOUSEKEEPING_MS = 1_000;
const NOTICE_MS = 30_000;
const MOST_NOTICES = 3;

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
let frameRequested = false;

const template = /** @type {HTMLTemplateElement} */ (find(document, "#card-template"));
const grid = /** @type {HTMLElement} */ (find(document, "#cards"));
const list = new AlertList(find(document, "#alert-list"), find(document, "#announcer"), (key) => {
  const card = cards.get(key);
  if (card === undefined) notify("This participant is no longer on the page.", "");
  else card.highlight();
});

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const card = [...cards.values()].find((candidate) => candidate.root === entry.target);
    if (card === undefined) continue;
    card.visible = entry.isIntersecting;
    if (card.visible) card.redraw();
    card.refreshPicture();
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
      list.add(log.add(message, nowMs));
      touch(keyOf(message));
      break;
    case "error":
      notify(message.message, message.fix);
      break;
    default:
      break;
  }
}

/** @param {any} hello @param {number} nowMs */
function greeted(hello, nowMs) {
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
  drawSummary();
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

function drawSummary() {
  drawCalls(find(document, "#calls"), calls.all);
  const present = roster.all.filter((record) => record.leftAtMs === null);
  setText(find(document, "#participant-count"), counted(present.length, "participant"));
  setText(find(document, "#alert-count"), counted(log.total, "alert"));
  /** @type {HTMLElement} */ (find(document, "#no-participants")).hidden = roster.all.length > 0;
  /** @type {HTMLElement} */ (find(document, "#no-alerts")).hidden = log.entries.length > 0;
  const verdicts = present.map((record) =>
    staleForS(record, Date.now(), live) === null ? shownVerdict(record.score) : "stale",
  );
  const tally = ["fake", "suspicious", "genuine", "insufficient", "warming_up", "stale"]
    .map((verdict) => ({ verdict, count: verdicts.filter((other) => other === verdict).length }))
    .filter(({ count }) => count > 0);
  const words = tally.map(({ verdict, count }) => `${count} ${VERDICT_WORDS[verdict].toLowerCase()}`);
  const tallyList = /** @type {HTMLElement} */ (find(document, "#tally"));
  if (tallyList.dataset.shown !== words.join()) {
    tallyList.dataset.shown = words.join();
    const items = tally.map(({ verdict }, index) => {
      const item = element("li", "tally-item");
      item.dataset.verdict = verdict;
      item.append(icon(verdict.replace("_", "-")), words[index]);
      return item;
    });
    tallyList.replaceChildren(...items);
  }
  const fakes = verdicts.filter((verdict) => verdict === "fake").length;
  const title = fakes > 0 ? `(${fakes} fake) Seamwatch` : "Seamwatch";
  if (document.title !== title) document.title = title;
}

/** @param {string} text @param {string} fix */
function notify(text, fix) {
  const notices = find(document, "#notices");
  const notice = element("li", "notice");
  const close = /** @type {HTMLButtonElement} */ (element("button", "quiet", "Dismiss"));
  close.type = "button";
  close.addEventListener("click", () => notice.remove());
  notice.append(element("span", "", [text, fix].filter(Boolean).join(" ")), close);
  notices.prepend(notice);
  while (notices.childElementCount > MOST_NOTICES) notices.lastElementChild?.remove();
  window.setTimeout(() => notice.remove(), NOTICE_MS);
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
  if (document.hidden) return;
  for (const card of cards.values()) card.refreshPicture();
}

const guest = `guest-${100 + Math.floor(900 * Math.random())}`;
/** @type {HTMLInputElement} */ (find(document, '[name="participant"]')).value = guest;
new PublishPanel(find(document, "#publish"), (next) => {
  own = next;
  touchAll();
});
setText(find(document, ".origin"), window.location.origin);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
window.setInterval(keepHouse, HOUSEKEEPING_MS);
socket.connect();
