"""How the page of an evaluation looks: readable on a screen, on paper, in light and in dark."""

STYLESHEET = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --ground: #eceef2; --soft: #596070; --line: #dadde3;
  --tint: #f4f5f7; --link: #0b57d0; --bad: #b3261e; --bad-tint: #fbe3e1; --good: #1f7a37; --good-tint: #dff3e4;
  --odd: #8a5a00; --odd-tint: #fbefd9; --shade: 0 1px 2px #0b15281a, 0 4px 16px #0b152814; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ea; --paper: #1b1e23; --ground: #111317; --soft: #a3a9b5; --line: #353a43; --tint: #252932;
    --link: #8ab4f8; --bad: #ff8a80; --bad-tint: #4a2320; --good: #6fcf87; --good-tint: #1d3d27; --odd: #f0b94d;
    --odd-tint: #453512; --shade: 0 1px 2px #0008, 0 4px 16px #0006; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: .9375rem/1.5 system-ui, "Segoe UI", "Noto Sans", sans-serif; overflow-wrap: break-word; }
h1, h2, h3, p { margin: 0; }
h1 { font-size: 1.25rem; } h2 { font-size: 1.0625rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.top { padding: 1rem 1.5rem; background: var(--paper); border-bottom: 1px solid var(--line); }
.top p { color: var(--soft); }
main { max-width: 100rem; margin: 0 auto; padding: 1.25rem 1.5rem 3rem; display: grid; gap: 1.5rem; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem;
  min-width: 0; }
.card > h2 { margin-bottom: .6rem; }
.sum { display: grid; grid-template-columns: minmax(0, 39rem) minmax(0, 1fr); gap: 1.5rem; align-items: start; }
.stack { display: grid; gap: 1.5rem; min-width: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .45rem; border-top: 1px solid var(--line); vertical-align: middle; }
thead th { border: 0; color: var(--soft); font-size: .75rem; font-weight: 600; vertical-align: bottom; }
.number { text-align: right; } .about { white-space: nowrap; } td.number { white-space: nowrap; }
tbody th { font-weight: 500; }
.note { color: var(--soft); font-size: .8125rem; font-weight: 400; }
.scale { display: block; width: 8rem; height: .8rem; }
.ground { fill: var(--tint); } .value { fill: var(--link); opacity: .5; } .range { fill: var(--ink); }
.page { display: grid; gap: .8rem; scroll-margin-top: 1rem; }
.page > header { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
.rank { color: var(--soft); font-weight: 600; font-variant-numeric: tabular-nums; }
.chip { font-size: .8125rem; padding: .05rem .55rem; border-radius: 9px; background: var(--tint); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.chip b { font-weight: 600; }
.chip.bad { color: var(--bad); background: var(--bad-tint); font-weight: 600; }
.pair { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); gap: 1.25rem; align-items: start; }
.pair.alone { grid-template-columns: minmax(0, 1fr); }
.sheets { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto; display: grid; gap: .75rem;
  padding: 2px; }
.sheets img { display: block; width: 100%; height: auto; background: #fff;
  box-shadow: var(--shade); border-radius: 2px; }
.words { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.65;
  font: .9375rem/1.65 "Source Serif 4", Charter, Georgia, "Noto Serif", serif; }
del, ins { text-decoration: none; border-radius: 3px; padding: 0 .1em; }
del { background: var(--bad-tint); color: var(--bad); text-decoration: line-through 1px; }
ins { background: var(--good-tint); color: var(--good); }
.moved { background: var(--odd-tint); color: var(--odd); }
.gap { color: var(--soft); font: .8125rem/1.5 system-ui, sans-serif; background: var(--tint); border-radius: 9px;
  padding: .05rem .6rem; margin: 0 .3em; white-space: nowrap; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; color: var(--soft); font-size: .875rem; }
.none { color: var(--soft); }
ul { margin: .4rem 0 0; } details { margin-top: .8rem; }
@media (max-width: 72rem) { .sum { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 56rem) {
  main { padding-inline: .75rem; } .pair { grid-template-columns: minmax(0, 1fr); }
  .sheets { position: static; max-height: none; }
}
@media (max-width: 40rem) {
  .card { padding: .75rem; } th, td { padding-inline: .35rem; } .scale { width: 4rem; }
  .interval, .about { display: none; }
}
@media print {
  body { background: none; } .sheets { position: static; max-height: none; } .page { break-before: page; }
}
"""
