"""The style sheet of the report."""

STYLE_SHEET = """
:root { --ink: #1d2939; --soft: #667085; --line: #e4e7ec; --tint: #f8f9fb; --accent: #d55e00 }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 40px 28px 56px }
h1 { font-size: 32px; line-height: 1.2; letter-spacing: -0.02em; margin: 0 0 10px }
h2 { font-size: 21px; letter-spacing: -0.01em; margin: 44px 0 6px }
header p { font-size: 18px; color: #475467; max-width: 820px; margin: 0 }
section > p { max-width: 820px; margin: 0 0 14px; color: #475467 }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr));
  gap: 14px; margin: 28px 0 0 }
.card { border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px }
.card span { display: block; color: var(--soft); font-size: 13.5px }
.card strong { display: block; font-size: 25px; letter-spacing: -0.02em; line-height: 1.3;
  font-variant-numeric: tabular-nums }
.card small { color: var(--soft); font-size: 13px }
ol { margin: 8px 0 0; padding-left: 22px; max-width: 880px }
ol li { margin: 5px 0; padding-left: 4px }
ol li::marker { color: var(--accent); font-weight: 600 }
figure { margin: 8px 0 18px }
figure img { width: 100%; height: auto; display: block }
figcaption, .note { color: var(--soft); font-size: 14px; max-width: 880px; margin: 6px 0 0 }
figcaption b { color: var(--ink) }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 12px; margin-top: 10px }
table { border-collapse: collapse; width: 100%; font-size: 14.5px;
  font-variant-numeric: tabular-nums }
thead th { background: var(--tint); color: #475467; font-weight: 600; font-size: 13px;
  text-align: right; vertical-align: bottom; padding: 10px 12px;
  border-bottom: 1px solid var(--line) }
thead th small { font-weight: 400 }
th:first-child { text-align: left; white-space: nowrap; font-weight: 500 }
tbody th, td { padding: 8px 12px; border-top: 1px solid var(--line) }
tbody tr:first-child > * { border-top: 0 }
td { text-align: right; white-space: nowrap }
td small, thead small { display: block; color: var(--soft); font-size: 12px; line-height: 1.25 }
tr.marked > * { background: #fff4ec }
tr.marked th { font-weight: 700 }
td.best { font-weight: 700 }
td.best::before { content: "\\2713"; color: #067647; margin-right: 5px }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 9px }
footer { border-top: 1px solid var(--line); margin-top: 52px; font-size: 14px }
footer h2 { margin-top: 26px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 8px 0 16px }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
summary { cursor: pointer; color: #475467 }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
@media print { .card, figure, .scroll, tr { break-inside: avoid } }
"""
