/** One participant's card: it writes a record of the model into a copy of the page's template. */

import { drawCurves } from "./curves.js";
import { element, find, icon, setText } from "./dom.js";
import { FEEDBACK_WORDS } from "./feedback.js";
import { clock, counted, decimal, milliseconds, percent } from "./format.js";
import { showTest } from "./gauge.js";
import { Heatmap, KINDS, decodeCells } from "./heatmap.js";
import { Picture } from "./picture.js";
import { alignment, counters, remarks } from "./reception.js";
import { VERDICT_WORDS, explanation, shownVerdict } from "./reasons.js";

const HIGHLIGHT_MS = 2_500;

/** @typedef {import("./participants.js").ParticipantRecord} ParticipantRecord */
/** @typedef {import("./alerts.js").LoggedAlert} LoggedAlert */

/** What a card shows beside its record. */
/**
 * @typedef {object} CardContext
 * @property {LoggedAlert[]} alerts Of this participant's timeline, newest first.
 * @property {number | null} staleS Seconds without news where the verdict can no longer be trusted.
 * @property {MediaStream | null} ownStream The person's own media, if this card is theirs.
 */

export class Card {
  /** Whether it is scrolled into view; others neither draw nor fetch. */
  visible = false;
  /** @type {ParticipantRecord} */
  #record;
  /** @type {CardContext} */
  #context = { alerts: [], staleS: null, ownStream: null };
  #shownMatrices = null;
  #shownReception = null;
  #picture;
  #heatmaps;
  #curves;

  /**
   * @param {HTMLTemplateElement} template
   * @param {ParticipantRecord} record
   */
  constructor(template, record) {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    /** @type {HTMLElement} */
    this.root = find(copy, ".card");
    this.#record = record;
    Object.assign(this.root.dataset, { participant: record.name, call: record.call });
    setText(this.#part("name"), record.name);
    this.root.setAttribute("aria-label", `${record.name} in call ${record.call}`);
    this.#picture = new Picture(find(this.root, ".picture"), record.call, record.name);
    this.#curves = /** @type {HTMLCanvasElement} */ (find(this.root, ".curves canvas"));
    this.#heatmaps = {
      intra: new Heatmap(find(this.root, '[data-heatmap="intra"]'), KINDS.intra),
      cross: new Heatmap(find(this.root, '[data-heatmap="cross"]'), KINDS.cross),
    };
  }

  /**
   * Writes texts and, while visible, draws.
   * @param {ParticipantRecord} record
   * @param {CardContext} context
   */
  update(record, context) {
    this.#record = record;
    this.#context = context;
    this.#writeVerdict();
    this.#writeNumbers();
    showTest(this.#part("test"), this.#record.score);
    this.#writeMedia();
    this.#writeReception();
    if (this.visible) this.#drawNew();
  }

  /** Draws everything again, for instance after a change of size or theme. */
  redraw() {
    if (!this.visible) return;
    this.#drawNew();
    for (const heatmap of Object.values(this.#heatmaps)) heatmap.draw();
    this.#picture.draw();
  }

  /** Fetches the newest picture while the card is visible and the participant sends video. */
  refreshPicture() {
    const sending = this.#record.leftAtMs === null && this.#record.score?.tracks.video !== "none";
    if (this.visible && sending && this.#record.score !== null) void this.#picture.refresh();
  }

  /** Brings the card to a person's attention. */
  highlight() {
    this.root.scrollIntoView({ block: "nearest" });
    this.root.focus({ preventScroll: true });
    this.root.dataset.highlight = "true";
    window.setTimeout(() => delete this.root.dataset.highlight, HIGHLIGHT_MS);
  }

  /** Takes the card off the page. */
  remove() {
    this.#picture.close();
    this.root.remove();
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return find(this.root, `[data-part="${name}"]`);
  }

  #writeVerdict() {
    const { score, leftAtMs, call } = this.#record;
    const { staleS, alerts, ownStream } = this.#context;
    const verdict = shownVerdict(score);
    const shown = leftAtMs !== null ? "left" : staleS !== null ? "stale" : verdict;
    if (this.root.dataset.verdict !== shown) {
      this.#part("verdict-icon").replaceChildren(icon(shown.replace("_", "-")));
      setText(this.#part("verdict"), VERDICT_WORDS[shown]);
    }
    Object.assign(this.root.dataset, { verdict: shown, state: score?.state ?? "", status: score?.status ?? "" });
    const last = `The last verdict was “${VERDICT_WORDS[verdict].toLowerCase()}”.`;
    const sentences = {
      left: `No longer in the call. ${last}`,
      stale: `Nothing heard for ${staleS} s. ${last}`,
    };
    setText(this.#part("explanation"), sentences[shown] ?? explanation(score, alerts[0]?.alert ?? null));
    const answer = (score?.state ?? "clear") === "clear" ? null : (alerts[0]?.feedback ?? null);
    this.#part("answer").hidden = answer === null;
    if (answer !== null) setText(this.#part("answer"), FEEDBACK_WORDS[answer.state].toLowerCase());
    setText(this.#part("where"), score === null ? `call ${call}` : `call ${call} · ${clock(score.time_s, 0)}`);
    this.#part("own").hidden = ownStream === null;
    this.#part("degraded").hidden = score?.status !== "degraded";
    this.#part("identity-only").hidden = !(score?.reasons ?? []).includes("low_frame_rate");
  }

  #writeNumbers() {
    const { score } = this.#record;
    const values = {
      score: decimal(score?.score),
      intra: decimal(score?.intra),
      cross: decimal(score?.cross),
      lag: milliseconds(score?.lag_ms),
      face: percent(score?.face_coverage),
      speech: percent(score?.speech_coverage),
      margin: decimal(score?.margin),
      latency: milliseconds(score?.latency_ms),
    };
    for (const [name, value] of Object.entries(values)) setText(this.#part(name), value);
    setText(this.#part("intra-windows"), counted(score?.intra_windows ?? 0, "window"));
    setText(this.#part("cross-windows"), counted(score?.cross_windows ?? 0, "window"));
  }

  #writeMedia() {
    const tracks = this.#record.score?.tracks;
    const faults = [];
    if (tracks?.video === "gap") faults.push("video interrupted");
    if (tracks?.video === "none") faults.push("no video");
    if (tracks?.audio === "gap") faults.push("sound interrupted");
    if (tracks?.audio === "none") faults.push("no sound");
    if (tracks?.video_dropped > 0) faults.push(`${counted(tracks.video_dropped, "picture")} dropped`);
    if (tracks?.audio_dropped_ms > 0) faults.push(`${milliseconds(tracks.audio_dropped_ms)} of sound dropped`);
    const list = this.#part("faults");
    if (list.dataset.shown !== faults.join()) {
      list.dataset.shown = faults.join();
      list.replaceChildren(...faults.map((fault) => element("li", "tag tag-fault", fault)));
    }
    this.#picture.setLocal(this.#context.ownStream);
    this.#picture.setFace(this.#record.leftAtMs === null ? (tracks?.face ?? null) : null);
  }

  #writeReception() {
    const newest = this.#record.receptions.at(-1) ?? null;
    if (newest === this.#shownReception) return;
    this.#shownReception = newest;
    this.#part("reception").hidden = newest === null;
    if (newest === null) return;
    const words = remarks(this.#record.receptions).map(({ text, poor }) => {
      return element("span", poor ? "remark is-poor" : "remark", text);
    });
    this.#part("reception-line").replaceChildren(...words);
    const rows = counters(newest).map(([what, sound, picture]) => {
      const row = element("tr");
      const head = element("th", "", what);
      head.setAttribute("scope", "row");
      row.append(head, element("td", "", sound), element("td", "", picture));
      return row;
    });
    this.#part("reception-counters").replaceChildren(...rows);
    setText(this.#part("reception-alignment"), alignment(newest));
  }

  #drawNew() {
    const { points, matrices } = this.#record;
    const markers = this.#context.alerts.map(({ alert }) => ({ timeS: alert.time_s, state: alert.state }));
    drawCurves(this.#curves, points, markers);
    this.#curves.setAttribute("aria-label", curvesInWords(points));
    if (matrices === null || matrices === this.#shownMatrices) return;
    this.#shownMatrices = matrices;
    for (const kind of /** @type {const} */ (["intra", "cross"])) {
      this.#heatmaps[kind].show({
        startsS: matrices[`${kind}_starts_s`],
        cells: decodeCells(matrices[kind]),
        worst: matrices[`${kind}_worst`],
      });
    }
  }
}

/** @param {import("./participants.js").CurvePoint[]} points @returns {string} */
function curvesInWords(points) {
  const newest = points.at(-1);
  if (newest === undefined) return "Running scores: nothing yet.";
  const values = `face ${decimal(newest.intra)}, lips ${decimal(newest.cross)}`;
  return `Running scores over the last two minutes; at ${clock(newest.timeS, 0)}: ${values}.`;
}
