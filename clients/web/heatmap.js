/** A similarity matrix as a live heatmap whose cells can be read by pointer, touch and keyboard. */

import { labelFont, surface, themed } from "./canvas.js";
import { colourAt, cssGradient } from "./colormap.js";
import { find, setText } from "./dom.js";
import { clock, decimal } from "./format.js";

const MARGIN = { left: 42, right: 11, top: 11, bottom: 24 };
const LABEL_OFFSET_PX = 10;
const MISSING_CELL = 255;
const NEAREST_LABEL_PX = 44;
const SMALLEST_RING_PX = 7;

/**
 * @typedef {object} Matrix
 * @property {number[]} startsS Start of each window, in seconds of call time.
 * @property {Uint8Array} cells Row by row; 0 stands for -1, 254 for +1, 255 for no value.
 * @property {[number, number] | null} worst Row and column of the pair that disagrees most.
 */

/**
 * @typedef {object} HeatmapKind
 * @property {number} low Similarity at the dark end of the colours.
 * @property {number} high Similarity at the bright end.
 * @property {string} rows What the rows are.
 * @property {string} columns What the columns are.
 */

/** @type {Readonly<Record<"intra" | "cross", HeatmapKind>>} */
export const KINDS = Object.freeze({
  intra: { low: 0, high: 1, rows: "face", columns: "face" },
  cross: { low: -1, high: 1, rows: "lips", columns: "voice" },
});

/**
 * @param {string} base64 Cells of the wire schema.
 * @returns {Uint8Array}
 */
export function decodeCells(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** @param {number} cell @returns {number | null} */
function valueOf(cell) {
  return cell === MISSING_CELL ? null : cell / 127 - 1;
}

/** @param {HeatmapKind} kind @returns {Uint32Array} The pixel of every cell; that of a missing one is transparent. */
function paletteOf({ low, high }) {
  const bytes = new Uint8ClampedArray(4 * (MISSING_CELL + 1));
  for (let cell = 0; cell < MISSING_CELL; cell += 1) {
    bytes.set([...colourAt((cell / 127 - 1 - low) / (high - low)), 255], 4 * cell);
  }
  return new Uint32Array(bytes.buffer);
}

export class Heatmap {
  /** @type {Matrix} */
  #matrix = { startsS: [], cells: new Uint8Array(0), worst: null };
  /** Row and column under the pointer or keyboard. @type {[number, number] | null} */
  #cursor = null;
  #plot = { x: 0, y: 0, side: 0 };
  #image = document.createElement("canvas");
  #kind;
  #palette;
  #canvas;
  #readout;

  /**
   * @param {HTMLElement} figure Holds a canvas, a `.readout` and a `.ramp`.
   * @param {HeatmapKind} kind
   */
  constructor(figure, kind) {
    this.#kind = kind;
    this.#palette = paletteOf(kind);
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(figure, "canvas"));
    this.#readout = find(figure, ".readout");
    const ramp = /** @type {HTMLElement} */ (find(figure, ".ramp"));
    ramp.style.backgroundImage = cssGradient();
    this.#canvas.addEventListener("pointermove", (event) => this.#pointAt(event));
    this.#canvas.addEventListener("pointerdown", (event) => this.#pointAt(event));
    this.#canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.#moveTo(null);
    });
    this.#canvas.addEventListener("focus", () => this.#focused());
    this.#canvas.addEventListener("blur", () => {
      this.#readout.removeAttribute("aria-live");
      this.#moveTo(null);
    });
    this.#canvas.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @param {Matrix} matrix Its cells number the square of its windows; anything else is not drawn. */
  show(matrix) {
    if (matrix.cells.length !== matrix.startsS.length ** 2) return;
    const kept = this.#cursor?.map((index) => nearest(matrix.startsS, this.#matrix.startsS[index])) ?? null;
    this.#matrix = matrix;
    this.#cursor = matrix.startsS.length === 0 ? null : /** @type {[number, number] | null} */ (kept);
    this.#paintImage();
    this.draw();
  }

  /** Draws again, for instance after a change of size or theme. */
  draw() {
    const size = this.#matrix.startsS.length;
    Object.assign(this.#canvas.dataset, { size, worst: this.#matrix.worst?.join(",") ?? "" });
    this.#describe();
    const drawn = surface(this.#canvas);
    if (drawn === null) return;
    const { context, width, height, density } = drawn;
    const side = Math.min(width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom);
    this.#plot = { x: MARGIN.left, y: MARGIN.top, side };
    this.#canvas.dataset.plot = [MARGIN.left, MARGIN.top, side].join(",");
    context.fillStyle = themed("--cell-missing");
    context.fillRect(MARGIN.left, MARGIN.top, side, side);
    if (size === 0) return;
    context.imageSmoothingEnabled = size > side * density;
    context.drawImage(this.#image, MARGIN.left, MARGIN.top, side, side);
    this.#drawAxes(context);
    if (this.#matrix.worst !== null) this.#drawRing(context, this.#matrix.worst);
    if (this.#cursor !== null) this.#drawCursor(context, this.#cursor);
  }

  #paintImage() {
    const size = this.#matrix.startsS.length;
    if (size === 0) return;
    this.#image.width = this.#image.height = size;
    const context = this.#image.getContext("2d");
    const image = new ImageData(size, size);
    new Uint32Array(image.data.buffer).set(Uint32Array.from(this.#matrix.cells, (cell) => this.#palette[cell]));
    context?.putImageData(image, 0, 0);
  }

  /** @param {CanvasRenderingContext2D} context */
  #drawAxes(context) {
    const { x, y, side } = this.#plot;
    const { startsS } = this.#matrix;
    context.font = labelFont();
    context.fillStyle = themed("--muted");
    const steps = Math.max(1, Math.min(startsS.length - 1, Math.floor(side / NEAREST_LABEL_PX)));
    for (let step = 0; step <= steps; step += 1) {
      const label = clock(startsS[Math.round((step / steps) * (startsS.length - 1))], 0);
      const along = (step / steps) * side;
      context.textAlign = step === 0 ? "left" : step === steps ? "right" : "center";
      context.textBaseline = "alphabetic";
      context.fillText(label, x + along, y + side + LABEL_OFFSET_PX + 10);
      context.textAlign = "right";
      context.textBaseline = step === 0 ? "top" : step === steps ? "bottom" : "middle";
      context.fillText(label, x - LABEL_OFFSET_PX, y + along);
    }
  }

  /** @param {[number, number]} cell Row and column. @returns {{x: number, y: number, cell: number}} Its middle. */
  #placeOf([row, column]) {
    const cell = this.#plot.side / this.#matrix.startsS.length;
    return { x: this.#plot.x + (column + 0.5) * cell, y: this.#plot.y + (row + 0.5) * cell, cell };
  }

  /** @param {CanvasRenderingContext2D} context @param {[number, number]} at */
  #drawRing(context, at) {
    const { x, y, cell } = this.#placeOf(at);
    const radius = Math.max(SMALLEST_RING_PX, cell);
    for (const [colour, width] of [["#000c", 4.5], ["#fff", 2]]) {
      context.strokeStyle = /** @type {string} */ (colour);
      context.lineWidth = /** @type {number} */ (width);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {[number, number]} at */
  #drawCursor(context, at) {
    const { x, y, cell } = this.#placeOf(at);
    const half = Math.max(3, cell / 2);
    context.lineWidth = 1;
    context.strokeStyle = "#000a";
    context.strokeRect(x - half - 1, y - half - 1, 2 * half + 2, 2 * half + 2);
    context.strokeStyle = "#fff";
    context.strokeRect(x - half, y - half, 2 * half, 2 * half);
    context.fillStyle = "#fff8";
    context.fillRect(this.#plot.x, y - 0.5, Math.max(0, x - half - this.#plot.x), 1);
    context.fillRect(x - 0.5, y + half, 1, Math.max(0, this.#plot.y + this.#plot.side - y - half));
  }

  #describe() {
    const shown = this.#cursor ?? this.#matrix.worst;
    const prefix = this.#cursor === null ? "Worst pair: " : "";
    const waiting = this.#matrix.startsS.length === 0 ? "No pair of windows yet." : "No pair marked.";
    setText(this.#readout, shown === null ? waiting : prefix + this.#inWords(shown));
    this.#readout.classList.toggle("is-reading", this.#cursor !== null);
    const worst = this.#matrix.worst === null ? waiting : `Worst pair: ${this.#inWords(this.#matrix.worst)}.`;
    const label = `Similarity of ${this.#kind.rows} with ${this.#kind.columns}, `;
    this.#canvas.setAttribute("aria-label", `${label}${this.#matrix.startsS.length} windows. ${worst}`);
  }

  /** @param {[number, number]} cell @returns {string} */
  #inWords([row, column]) {
    const { startsS, cells } = this.#matrix;
    const value = valueOf(cells[row * startsS.length + column]);
    const same = this.#kind.rows === this.#kind.columns;
    const [rows, columns] = same ? ["", ""] : [`${this.#kind.rows} `, `${this.#kind.columns} `];
    const pair = `${rows}${clock(startsS[row])} vs ${columns}${clock(startsS[column])}`;
    return `${pair}, ${value === null ? "no value" : decimal(value)}`;
  }

  /** @param {PointerEvent} event */
  #pointAt(event) {
    const size = this.#matrix.startsS.length;
    const { x, y, side } = this.#plot;
    if (size === 0 || side <= 0) return;
    const row = Math.floor(((event.offsetY - y) / side) * size);
    const column = Math.floor(((event.offsetX - x) / side) * size);
    const inside = row >= 0 && column >= 0 && row < size && column < size;
    this.#moveTo(inside ? [row, column] : null);
  }

  #focused() {
    if (this.#cursor !== null || !this.#canvas.matches(":focus-visible")) return;
    this.#readout.setAttribute("aria-live", "polite");
    const size = this.#matrix.startsS.length;
    if (size > 0) this.#moveTo(this.#matrix.worst ?? [size - 1, size - 1]);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (event.key === "Escape") this.#moveTo(null);
    if (step === undefined || this.#matrix.startsS.length === 0) return;
    event.preventDefault();
    const last = this.#matrix.startsS.length - 1;
    const from = this.#cursor ?? this.#matrix.worst ?? [last, last];
    const stride = event.shiftKey ? 10 : 1;
    const to = from.map((index, axis) => Math.min(last, Math.max(0, index + stride * step[axis])));
    this.#moveTo(/** @type {[number, number]} */ (to));
  }

  /** @param {[number, number] | null} cell */
  #moveTo(cell) {
    this.#cursor = cell;
    this.draw();
  }
}

/** @param {number[]} sorted @param {number} value @returns {number} Index of the nearest. */
function nearest(sorted, value) {
  const after = sorted.findIndex((candidate) => candidate >= value);
  if (after === -1) return sorted.length - 1;
  return after > 0 && value - sorted[after - 1] < sorted[after] - value ? after - 1 : after;
}
