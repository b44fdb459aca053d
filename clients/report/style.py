"""The report's style sheet: light, dark and print, without anything from outside the file."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #f4f5f8; --card: #ffffff; --ink: #171c26; --muted: #5a6474; --line: #dde1e9; --grid: #e9ecf2;
  --face: #2563eb; --voice: #c2570c; --shade: #8a94a6; --nothing: #c9ced8;
  --genuine: #15803d; --suspicious: #a16207; --fake: #b91c1c; --insufficient: #566074;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141b; --card: #181e28; --ink: #e7ebf2; --muted: #9aa5b6; --line: #2c3543; --grid: #252d3a;
    --face: #6ea0ff; --voice: #ff9d57; --shade: #76819a; --nothing: #3a4352;
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
.scroll svg { min-width: 620px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; color: var(--muted); font-weight: 600; font-size: .8rem; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.word { overflow-wrap: anywhere; }
figure { margin: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 28px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--muted); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
svg text.title { fill: var(--ink); font-weight: 600; }
svg text.marker { font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--line); }
.series { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.running { fill: none; stroke-width: 1.3; stroke-dasharray: 2 4; stroke-linecap: round; opacity: .75; }
.face { stroke: var(--face); } .voice { stroke: var(--voice); }
circle.face { fill: var(--face); } circle.voice { fill: var(--voice); }
.unjudged { fill: var(--shade); opacity: .16; }
.state-suspicious { fill: var(--suspicious); opacity: .17; } .state-alert { fill: var(--fake); opacity: .2; }
.edge-suspicious { stroke: var(--suspicious); } .edge-alert { stroke: var(--fake); }
text.text-suspicious { fill: var(--suspicious); } text.text-alert { fill: var(--fake); }
.nothing { fill: var(--nothing); }
.pixels { image-rendering: pixelated; }
.mark-under { fill: none; stroke: #000; stroke-width: 4; opacity: .65; }
.mark { fill: none; stroke: #fff; stroke-width: 2; }
.guide { stroke: #fff; stroke-dasharray: 3 4; opacity: .8; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; color: var(--muted); font-size: .82rem;
  margin-top: 6px; }
.legend span::before { content: ""; display: inline-block; width: 18px; height: 10px; margin-right: 7px;
  border-radius: 2px; background: var(--key); opacity: var(--strength, 1); }
.legend .recent::before { height: 3px; vertical-align: middle; background: var(--ink); }
.legend .whole::before { height: 0; vertical-align: middle; border-top: 2px dotted var(--ink);
  border-radius: 0; background: none; }
ul { margin: 6px 0; padding-left: 1.2em; }
footer { padding-top: 4px; padding-bottom: 44px; }
@media (max-width: 560px) { .top { flex-direction: column; align-items: flex-start; gap: 8px; } }
@media print {
  :root { color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #ccc; --grid: #e5e5e5;
    --face: #2563eb; --voice: #c2570c; --shade: #8a94a6; --nothing: #c9ced8;
    --genuine: #15803d; --suspicious: #a16207; --fake: #b91c1c; --insufficient: #566074; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { font-size: 12px; }
  article { border-radius: 0; border-left: 0; border-right: 0; padding: 14px 0; }
  article + article { break-before: page; }
  figure, table, dl, h3 { break-inside: avoid; } h3 { break-after: avoid; }
  .pair { grid-template-columns: 1fr 1fr; }
}
"""
