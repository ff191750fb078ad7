"""How the HTML page looks: readable on a screen, on paper, in light and in dark."""

STYLESHEET = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --soft: #5f6570; --line: #d5d8de; --tint: #f4f5f7;
  --link: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ea; --paper: #16181c; --soft: #a0a6b1; --line: #3a3e46; --tint: #20232a; --link: #8ab4f8; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 "Source Serif 4", Charter, Georgia,
  "Noto Serif", serif; overflow-wrap: break-word; }
main { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1, h2, h3, h4, h5, h6 { font-family: system-ui, "Segoe UI", "Noto Sans", sans-serif; line-height: 1.25;
  margin: 2em 0 .6em; text-wrap: balance; }
h1 { font-size: 2rem; margin-top: 0; } h2 { font-size: 1.45rem; } h3 { font-size: 1.2rem; }
h4, h5, h6 { font-size: 1rem; }
p, ul, ol, dl, figure, table, pre, .formula { margin: 0 0 1em; }
li > ul, li > ol { margin-bottom: 0; } li > p { margin-bottom: .4em; }
a { color: var(--link); }
.labelled, .boxes { list-style: none; padding-inline-start: 2.5em; }
.labelled > li > .marker { display: inline-block; min-width: 2.2em; margin-inline-start: -2.2em;
  padding-inline-end: .4em; }
.boxes > li > label > input { margin-inline: -1.6em .5em; }
.table { overflow-x: auto; margin: 0 0 1.25em; }
table { border-collapse: collapse; margin: 0 auto; font-size: .92em; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .35em .65em; vertical-align: top; text-align: start; }
thead th { background: var(--tint); vertical-align: bottom; }
th { font-family: system-ui, "Segoe UI", "Noto Sans", sans-serif; font-weight: 600; }
th.section { background: var(--tint); }
caption, figcaption { color: var(--soft); font-size: .92em; padding: .5em 0; text-align: start; }
caption.below { caption-side: bottom; }
figure { margin-inline: 0; text-align: center; } figcaption { text-align: center; }
img { max-width: 100%; height: auto; } img, .picture { border-radius: 3px; }
.picture { border: 1px dashed var(--line); background: var(--tint); color: var(--soft); padding: 2rem 1rem; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 4px; padding: .8em 1em; overflow-x: auto;
  text-align: start; font-size: .88em; line-height: 1.45; }
code { font-family: ui-monospace, "JetBrains Mono", Consolas, "Noto Sans Mono", monospace; }
:not(pre) > code { background: var(--tint); padding: .1em .3em; border-radius: 3px; font-size: .9em; }
.formula { text-align: center; overflow-x: auto; overflow-y: hidden; }
.footnote, .page-header, .page-footer { color: var(--soft); font-size: .88em; }
.handwritten { font-style: italic; }
dl > div { display: grid; grid-template-columns: 40% minmax(0, 1fr); gap: 0 .8em; padding: .25em 0;
  border-bottom: 1px solid var(--line); }
dt { font-weight: 600; } dd { margin: 0; grid-column: 2; }
@media print {
  body { font-size: 10.5pt; background: none; } main { max-width: none; padding: 0; } a { color: inherit; }
  h1, h2, h3, h4 { break-after: avoid; } figure, pre, tr, img { break-inside: avoid; }
  thead { display: table-header-group; }
  .table, pre, .formula { overflow: visible; } pre { white-space: pre-wrap; }
}
"""
