/** The picture on a card: the newest thumbnail, or the person's own camera, with the face box over it. */

import { surface, themed } from "./canvas.js";
import { find } from "./dom.js";

const FETCH_LIMIT_MS = 4_000;

export class Picture {
  /** @type {ImageBitmap | null} */
  #bitmap = null;
  /** @type {[number, number, number, number] | null} */
  #face = null;
  #fetching = false;
  #canvas;
  #video;
  #url;

  /**
   * @param {HTMLElement} root Holds a canvas and a video.
   * @param {string} call
   * @param {string} participant
   */
  constructor(root, call, participant) {
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(root, "canvas"));
    this.#video = /** @type {HTMLVideoElement} */ (find(root, "video"));
    const [callPart, participantPart] = [call, participant].map(encodeURIComponent);
    this.#url = `/calls/${callPart}/participants/${participantPart}/thumbnail.jpg`;
  }

  /** @param {MediaStream | null} stream The person's own media, shown instead of thumbnails. */
  setLocal(stream) {
    if (this.#video.srcObject === stream) return;
    this.#video.srcObject = stream;
    this.#video.hidden = stream === null;
    this.#forget();
  }

  /** @param {[number, number, number, number] | null} face Box x, y, width, height in fractions. */
  setFace(face) {
    this.#face = face;
    this.draw();
  }

  /** Fetches the newest thumbnail, unless one is on its way or the local video is shown. */
  async refresh() {
    if (this.#fetching || this.#video.srcObject !== null) return;
    this.#fetching = true;
    try {
      const response = await fetch(this.#url, { cache: "no-store", signal: AbortSignal.timeout(FETCH_LIMIT_MS) });
      const bitmap = response.ok ? await createImageBitmap(await response.blob()) : null;
      this.#forget();
      if (this.#video.srcObject === null) this.#bitmap = bitmap;
      else bitmap?.close();
    } catch {
      this.#forget();
    } finally {
      this.#fetching = false;
      this.draw();
    }
  }

  /** Lets go of the picture. */
  close() {
    this.setLocal(null);
    this.#forget();
  }

  /** Draws again, for instance after a change of size or theme. */
  draw() {
    const drawn = surface(this.#canvas);
    if (drawn === null) return;
    const { context, width, height } = drawn;
    const local = this.#video.srcObject !== null;
    const sourceWidth = local ? this.#video.videoWidth : (this.#bitmap?.width ?? 0);
    const sourceHeight = local ? this.#video.videoHeight : (this.#bitmap?.height ?? 0);
    this.#canvas.dataset.picture = local ? "local" : this.#bitmap === null ? "none" : "thumbnail";
    if (sourceWidth === 0 || sourceHeight === 0) {
      drawPlaceholder(context, width, height);
      return;
    }
    const scale = Math.min(width / sourceWidth, height / sourceHeight);
    const [shownWidth, shownHeight] = [sourceWidth * scale, sourceHeight * scale];
    const [left, top] = [(width - shownWidth) / 2, (height - shownHeight) / 2];
    if (this.#bitmap !== null) context.drawImage(this.#bitmap, left, top, shownWidth, shownHeight);
    if (this.#face === null) return;
    const [x, y, faceWidth, faceHeight] = this.#face;
    const box = [left + x * shownWidth, top + y * shownHeight, faceWidth * shownWidth, faceHeight * shownHeight];
    for (const [colour, lineWidth] of /** @type {[string, number][]} */ ([["#000a", 3.5], ["#fff", 1.5]])) {
      context.strokeStyle = colour;
      context.lineWidth = lineWidth;
      context.beginPath();
      context.roundRect(box[0], box[1], box[2], box[3], 4);
      context.stroke();
    }
  }

  #forget() {
    this.#bitmap?.close();
    this.#bitmap = null;
  }
}

/** A neutral outline of a person. @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
function drawPlaceholder(context, width, height) {
  const [x, unit] = [width / 2, height / 10];
  context.fillStyle = themed("--placeholder");
  context.beginPath();
  context.arc(x, 4 * unit, 1.7 * unit, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.ellipse(x, 10 * unit, 3.4 * unit, 3.4 * unit, 0, Math.PI, 0);
  context.fill();
}
