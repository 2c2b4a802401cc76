"""Style sheet of the page, light and dark."""

from typing import Final

STYLE: Final = """\
:root {
  --background: #f6f8fa; --card: #ffffff; --ink: #1b1f24; --muted: #57606a; --line: #d8dee4;
  --good: #0b6b3a; --bad: #b42318;
}
@media (prefers-color-scheme: dark) {
  :root {
    --background: #0d1117; --card: #161b22; --ink: #e6edf3; --muted: #9da7b3; --line: #30363d;
    --good: #56d364; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--background); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 10px; }
.lead { color: var(--muted); margin: 0 0 20px; }
.date { white-space: nowrap; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tiles div, figure, table.pairs, .wide {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px;
}
.tiles div { padding: 12px 14px; display: flex; flex-direction: column; }
.tiles b { font-size: 21px; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--muted); font-size: 13px; }
figure { margin: 20px 0; padding: 14px; }
img { display: block; width: 100%; height: auto; }
figcaption { color: var(--muted); font-size: 13px; margin: 8px 4px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
table.pairs { border-collapse: separate; border-spacing: 0; }
.wide { overflow-x: auto; }
th, td { padding: 6px 12px; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > * { border-bottom: 0; }
.pairs th { width: 310px; text-align: left; font-weight: 500; color: var(--muted); }
.pairs td { overflow-wrap: anywhere; }
.wide th, .wide td { padding: 5px 9px; font-size: 13px; }
.wide th { color: var(--muted); font-weight: 500; white-space: nowrap; }
.wide th, .wide td { text-align: right; font-variant-numeric: tabular-nums; }
.wide td { white-space: nowrap; }
.wide .text, .remark td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.wide th:nth-child(-n+3), .wide td:nth-child(-n+3) { text-align: left; }
.remark td { color: var(--muted); font-size: 13px; padding-top: 0; }
tr:has(+ .remark) > * { border-bottom: 0; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
code { font-family: ui-monospace, "Liberation Mono", monospace; }
"""
