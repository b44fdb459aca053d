"""The report's style sheet: light, dark and print, without anything from outside the file."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #f4f5f8; --card: #ffffff; --ink: #171c26; --muted: #5a6474; --line: #dde1e9; --grid: #e9ecf2;
  --face: #2563eb; --voice: #c2570c; --shade: #8a94a6; --nothing: #c9ced8; --clear: #b9dcc5;
  --genuine: #15803d; --suspicious: #a16207; --fake: #b91c1c; --insufficient: #566074;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141b; --card: #181e28; --ink: #e7ebf2; --muted: #9aa5b6; --line: #2c3543; --grid: #252d3a;
    --face: #6ea0ff; --voice: #ff9d57; --shade: #76819a; --nothing: #3a4352; --clear: #1f5136;
    --genuine: #22a355; --suspicious: #c98a11; --fake: #e5484d; --insufficient: #7b879b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 1040px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 28px 0 8px; }
p { margin: 6px 0; }
.muted, figcaption, footer { color: var(--muted); font-size: .875rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px;
  margin: 20px 0; border-top: 4px solid var(--verdict); }
.top { display: flex; gap: 16px; align-items: center; justify-content: space-between; }
.badges { display: flex; flex-wrap: wrap; gap: 8px; justify-content: flex-end; }
.badge.verified, .badge.unverified { background: none; color: var(--genuine);
  box-shadow: inset 0 0 0 1.5px currentColor; }
.badge.unverified { color: var(--fake); }
.warning { border: 1.5px solid var(--fake); border-radius: 10px; padding: 10px 16px; margin: 14px 0; }
.about { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
.badge { background: var(--verdict); color: #fff; border-radius: 999px; padding: 3px 14px; font-weight: 600;
  font-size: .875rem; white-space: nowrap; }
.lead { font-size: 1.05rem; margin-top: 10px; max-width: 46em; }
.genuine { --verdict: var(--genuine); } .suspicious { --verdict: var(--suspicious); }
.fake { --verdict: var(--fake); } .insufficient { --verdict: var(--insufficient); }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 10px;
  margin: 18px 0 0; }
dl.figures div { border: 1px solid var(--line); border-radius: 10px; padding: 8px 12px; }
dt { color: var(--muted); font-size: .8rem; }
dd { margin: 0; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; color: var(--muted); font-weight: 600; font-size: .8rem; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.word { overflow-wrap: anywhere; }
figure { margin: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 28px; }
svg { display: block; width: 100%; height: auto; }
svg.narrow { display: none; }
svg text { fill: var(--muted); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
svg text.title { fill: var(--ink); font-weight: 600; }
svg text.marker { font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--line); }
.series { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.running { fill: none; stroke-width: 1.3; stroke-dasharray: 2 4; stroke-linecap: round; opacity: .75; }
.face { stroke: var(--face); } .voice { stroke: var(--voice); } .evidence { stroke: var(--fake); }
circle.face { fill: var(--face); } circle.voice { fill: var(--voice); } circle.evidence { fill: var(--fake); }
.lane-clear { fill: var(--clear); } .lane-unknown { fill: var(--nothing); opacity: .6; }
.lane-suspicious { fill: var(--suspicious); } .lane-alert { fill: var(--fake); }
.unkept { fill: var(--page); opacity: .85; stroke: var(--line); stroke-dasharray: 3 3; }
.loudness { stroke: var(--shade); stroke-width: 1; fill: none; }
.pointer { fill: var(--ink); }
svg text.pointer-number { fill: var(--ink); font-size: 11px; font-weight: 600; }
.unjudged { fill: var(--shade); opacity: .16; }
.state-suspicious { fill: var(--suspicious); opacity: .17; } .state-alert { fill: var(--fake); opacity: .2; }
.edge-suspicious { stroke: var(--suspicious); } .edge-alert { stroke: var(--fake); }
text.text-suspicious { fill: var(--suspicious); } text.text-alert { fill: var(--fake); }
.nothing { fill: var(--nothing); }
.pixels { image-rendering: pixelated; }
.mark-under { fill: none; stroke: #000; stroke-width: 4; opacity: .65; }
.mark { fill: none; stroke: #fff; stroke-width: 2; }
.guide { stroke: #fff; stroke-dasharray: 3 4; opacity: .8; }
svg text.mark-number { fill: #fff; font-size: 13px; font-weight: 700; paint-order: stroke; stroke: #000;
  stroke-width: 3px; stroke-opacity: .7; }
ol.seams { list-style: none; margin: 0; padding: 0; display: grid; gap: 14px;
  grid-template-columns: minmax(0, 1fr); }
ol.seams p { margin: 0; display: flex; gap: 10px; align-items: baseline; }
.seam-number { flex: none; width: 1.5em; text-align: center; border-radius: 6px; font-weight: 700;
  font-size: .85rem; background: var(--ink); color: var(--card); }
.strips { display: flex; flex-wrap: wrap; gap: 10px 28px; margin: 8px 0 0 34px; }
.strips figure { min-width: 0; }
.strip { display: flex; gap: 4px; }
.strip img { display: block; width: 84px; height: auto; border-radius: 6px; min-width: 0; flex: 0 1 84px; }
.strip img.beside { opacity: .5; }
.strip img.inside { outline: 2px solid var(--ink); outline-offset: -2px; }
svg.bars { width: 275px; max-width: 100%; height: 84px; }
.loud { fill: var(--shade); } .loud.inside { fill: var(--voice); }
ul.shares { list-style: none; padding: 0; display: grid; gap: 8px; }
ul.shares li { display: grid; grid-template-columns: 120px 1fr; gap: 14px; align-items: center; }
.share { height: 8px; border-radius: 4px; background: linear-gradient(to right, var(--shade) calc(100% *
  var(--share)), var(--grid) 0); }
dl.facts { margin: 10px 0 0; font-size: .9rem; display: grid; gap: 4px; }
dl.facts div { display: grid; grid-template-columns: 150px 1fr; gap: 10px; }
dl.facts dd { font-size: inherit; font-weight: 400; overflow-wrap: anywhere; }
.hash, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8em;
  overflow-wrap: anywhere; }
td.hash { min-width: 13em; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px;
  white-space: pre-wrap; font-size: .82rem; }
.bad { color: var(--fake); font-weight: 600; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; color: var(--muted); font-size: .82rem;
  margin-top: 6px; }
.legend span::before { content: ""; display: inline-block; width: 18px; height: 10px; margin-right: 7px;
  border-radius: 2px; background: var(--key); opacity: var(--strength, 1); }
.legend .recent::before { height: 3px; vertical-align: middle; background: var(--ink); }
.legend .whole::before { height: 0; vertical-align: middle; border-top: 2px dotted var(--ink);
  border-radius: 0; background: none; }
.legend .hatched::before { border: 1px dashed var(--muted); background: none; }
.legend .pointed::before { width: 0; height: 0; background: none; border-radius: 0; margin-right: 9px;
  border: 5px solid transparent; border-top: 0; border-bottom: 8px solid var(--ink); }
ul { margin: 6px 0; padding-left: 1.2em; }
footer { padding-top: 4px; padding-bottom: 44px; }
@media (max-width: 560px) {
  main, header, footer { padding: 0 12px; }
  article { padding: 16px 14px; }
  .top { flex-direction: column; align-items: flex-start; gap: 8px; }
  .badges { justify-content: flex-start; }
  svg.wide { display: none; } svg.narrow { display: block; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  .strips { margin-left: 0; }
  table.stacked thead { display: none; }
  table.stacked tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line); }
  table.stacked td { display: block; border: 0; padding: 0 0 2px; min-width: 0; }
  table.stacked td:first-child { font-weight: 600; }
  ul.shares li { grid-template-columns: 48px 1fr; }
  dl.facts div { grid-template-columns: 1fr; gap: 0; }
}
@media print {
  :root { color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #ccc; --grid: #e5e5e5;
    --face: #2563eb; --voice: #c2570c; --shade: #8a94a6; --nothing: #c9ced8; --clear: #b9dcc5;
    --genuine: #15803d; --suspicious: #a16207; --fake: #b91c1c; --insufficient: #566074; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  html { font-size: 12px; }
  body { font-size: 1rem; }
  article { border-radius: 0; border-left: 0; border-right: 0; padding: 14px 0; }
  article + article { break-before: page; }
  figure, table, dl, h3 { break-inside: avoid; } h3 { break-after: avoid; }
  .pair { grid-template-columns: 1fr 1fr; }
  svg.wide { display: block; } svg.narrow { display: none; }
  ol.seams li, ul.shares li, .warning { break-inside: avoid; }
  .strip img { width: 60px; flex-basis: 60px; }
}
"""
