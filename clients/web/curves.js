/** The running curves of a participant: face against its own past, lips against the voice, and alerts. */

import { labelFont, surface, themed } from "./canvas.js";
import { clock, decimal } from "./format.js";

const SHOWN_S = 120;
const SHORTEST_S = 30;
const BREAK_S = 3;
const MARGIN = { left: 30, top: 14, bottom: 18 };
const LONGEST_LABEL = "face −0.00";
const LABEL_GAP_PX = 13;

/** @typedef {import("./participants.js").CurvePoint} CurvePoint */
/** @typedef {{timeS: number, state: "clear" | "suspicious" | "alert"}} Marker */

const SERIES = /** @type {const} */ ([
  { live: "intra", all: "intraAll", colour: "--intra", name: "face" },
  { live: "cross", all: "crossAll", colour: "--cross", name: "lips" },
]);

/** @type {Readonly<Record<Marker["state"], string>>} */
const MARKER_COLOURS = Object.freeze({ clear: "--genuine", suspicious: "--suspicious", alert: "--fake" });

/**
 * Draws the last two minutes. The axes carry no thresholds: the curves show what was measured, not the decision.
 * @param {HTMLCanvasElement} canvas
 * @param {CurvePoint[]} points In order of time.
 * @param {Marker[]} markers
 */
export function drawCurves(canvas, points, markers) {
  const drawn = surface(canvas);
  if (drawn === null || points.length === 0) return;
  const plot = layout(drawn, points);
  drawAxes(drawn.context, plot);
  drawn.context.save();
  drawn.context.beginPath();
  drawn.context.rect(plot.left, 0, plot.right - plot.left + 1, plot.bottom + 1);
  drawn.context.clip();
  for (const series of SERIES) {
    drawLine(drawn.context, plot, points, series.all, series.colour, { width: 1, alpha: 0.45, dash: [3, 3] });
  }
  for (const series of SERIES) {
    drawLine(drawn.context, plot, points, series.live, series.colour, { width: 2, alpha: 1, dash: [] });
  }
  for (const marker of markers) drawMarker(drawn.context, plot, marker);
  drawn.context.restore();
  drawEndLabels(drawn.context, plot, points);
}

/** @param {import("./canvas.js").Surface} drawn @param {CurvePoint[]} points */
function layout({ context, width, height }, points) {
  const newestS = points[points.length - 1].timeS;
  const fromS = Math.max(Math.min(points[0].timeS, newestS - SHORTEST_S), newestS - SHOWN_S, 0);
  const toS = Math.max(newestS, fromS + SHORTEST_S);
  const shown = points.filter((point) => point.timeS >= fromS);
  const lowest = Math.min(0, ...shown.flatMap((p) => [p.intra, p.cross, p.intraAll, p.crossAll]).filter(isNumber));
  const [low, high] = [lowest < -0.5 ? -1 : -0.5, 1];
  context.font = labelFont();
  const right = width - context.measureText(LONGEST_LABEL).width - 7;
  const [left, top, bottom] = [MARGIN.left, MARGIN.top, height - MARGIN.bottom];
  return {
    left,
    right,
    top,
    bottom,
    fromS,
    toS,
    low,
    high,
    x: (/** @type {number} */ timeS) => left + ((timeS - fromS) / (toS - fromS)) * (right - left),
    y: (/** @type {number} */ value) => bottom - ((value - low) / (high - low)) * (bottom - top),
  };
}

/** @typedef {ReturnType<typeof layout>} Plot */

/** @param {number | null} value @returns {value is number} */
function isNumber(value) {
  return value !== null && Number.isFinite(value);
}

/** @param {CanvasRenderingContext2D} context @param {Plot} plot */
function drawAxes(context, plot) {
  context.font = labelFont();
  context.lineWidth = 1;
  context.fillStyle = themed("--muted");
  context.textBaseline = "middle";
  context.textAlign = "right";
  const step = (plot.high - plot.low) / (plot.low === -1 ? 4 : 3);
  for (let value = plot.low; value <= plot.high + 1e-9; value += step) {
    const y = Math.round(plot.y(value)) + 0.5;
    context.strokeStyle = themed(Math.abs(value) < 1e-9 ? "--axis" : "--grid");
    context.beginPath();
    context.moveTo(plot.left, y);
    context.lineTo(plot.right, y);
    context.stroke();
    context.fillText(decimal(value, 1), plot.left - 5, y);
  }
  context.textBaseline = "alphabetic";
  context.textAlign = "center";
  const tickS = plot.toS - plot.fromS > 60 ? 30 : 10;
  for (let timeS = Math.ceil(plot.fromS / tickS) * tickS; timeS <= plot.toS; timeS += tickS) {
    context.fillText(clock(timeS, 0), Math.max(plot.left + 8, plot.x(timeS)), plot.bottom + 14);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Plot} plot
 * @param {CurvePoint[]} points
 * @param {"intra" | "cross" | "intraAll" | "crossAll"} field
 * @param {string} colour
 * @param {{width: number, alpha: number, dash: number[]}} style
 */
function drawLine(context, plot, points, field, colour, style) {
  context.save();
  context.strokeStyle = themed(colour);
  context.globalAlpha = style.alpha;
  context.lineWidth = style.width;
  context.lineJoin = "round";
  context.lineCap = "round";
  context.setLineDash(style.dash);
  context.beginPath();
  let previousS = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    const value = point[field];
    if (!isNumber(value) || point.timeS < plot.fromS - BREAK_S) continue;
    const [x, y] = [plot.x(point.timeS), plot.y(value)];
    if (point.timeS - previousS > BREAK_S) context.moveTo(x, y);
    context.lineTo(x, y);
    previousS = point.timeS;
  }
  context.stroke();
  context.restore();
}

/**
 * A vertical line with a shape on top: a triangle for suspicion, a square for an alert, a disc for the all-clear.
 * @param {CanvasRenderingContext2D} context
 * @param {Plot} plot
 * @param {Marker} marker
 */
function drawMarker(context, plot, marker) {
  if (marker.timeS < plot.fromS || marker.timeS > plot.toS) return;
  const x = Math.round(plot.x(marker.timeS)) + 0.5;
  const y = plot.top - 7;
  context.strokeStyle = context.fillStyle = themed(MARKER_COLOURS[marker.state]);
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, plot.top - 2);
  context.lineTo(x, plot.bottom);
  context.stroke();
  context.beginPath();
  if (marker.state === "suspicious") {
    context.moveTo(x, y - 5);
    context.lineTo(x + 5, y + 4);
    context.lineTo(x - 5, y + 4);
  } else if (marker.state === "alert") {
    context.rect(x - 4.5, y - 4.5, 9, 9);
  } else {
    context.arc(x, y, 4.5, 0, 2 * Math.PI);
  }
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {Plot} plot @param {CurvePoint[]} points */
function drawEndLabels(context, plot, points) {
  const newest = points[points.length - 1];
  const labels = SERIES.flatMap((series) => {
    const value = newest[series.live];
    return isNumber(value) ? [{ text: `${series.name} ${decimal(value)}`, y: plot.y(value), colour: series.colour }] : [];
  }).sort((a, b) => a.y - b.y);
  if (labels.length === 2 && labels[1].y - labels[0].y < LABEL_GAP_PX) {
    const middle = (labels[0].y + labels[1].y) / 2;
    [labels[0].y, labels[1].y] = [middle - LABEL_GAP_PX / 2, middle + LABEL_GAP_PX / 2];
  }
  context.font = labelFont();
  context.textAlign = "left";
  context.textBaseline = "middle";
  const x = plot.x(newest.timeS) + 6;
  for (const label of labels) {
    context.fillStyle = themed(label.colour);
    context.fillText(label.text, Math.min(x, plot.right + 6), label.y);
  }
}
