/** The style sheet of the report: one column, light and dark, fit for a phone and for paper. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --ink: #1c1f24; --soft: #5a626e; --paper: #fff; --panel: #f5f6f8; --line: #d9dde3; --warn: #8a5a00; --warn-paper: #fff6e0; --good: #0b7a5b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ee; --soft: #a3abb8; --paper: #14171c; --panel: #1d2128; --line: #343a45; --warn: #f2c866; --warn-paper: #2b2412; --good: #4fc79f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .4rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
a { color: inherit; } nav ol { padding-left: 1.4rem; columns: 2; margin: 1rem 0 0; }
.verdicts { margin: 1rem 0; padding: .7rem 1rem .7rem 2rem; border-left: 4px solid var(--good); background: var(--panel); border-radius: 0 .3rem .3rem 0; }
.command { margin: .4rem 0; color: var(--soft); }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--soft); } figure details { margin: .4rem .4rem 0; }
.limits { padding-left: 1.2rem; margin: 0; }
.lead, figcaption, caption { color: var(--soft); }
.note { margin: 1rem 0; padding: .6rem 1rem .6rem 2rem; border-left: 4px solid var(--warn); background: var(--warn-paper); color: var(--warn); border-radius: 0 .3rem .3rem 0; }
figure { margin: 1.5rem 0; padding: 1rem .6rem; background: var(--panel); border-radius: .6rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg.narrow { display: none; }
figcaption { padding: .6rem .4rem 0; font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; padding: .3rem 0 .5rem; font-size: .9rem; }
caption span { display: block; position: sticky; left: 0; max-width: min(64rem, calc(100vw - 2rem)); }
th, td { padding: .45rem .55rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { font-weight: 600; color: var(--soft); vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 600; }
table.sentences th, table.sentences td { white-space: normal; text-align: left; vertical-align: top; min-width: 7rem; }
table.sentences tbody th { font-weight: 600; min-width: 12rem; padding-left: 0; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .35rem 1.2rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; }
code { font-family: ui-monospace, monospace; font-size: .88em; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  figure svg.wide { display: none; } figure svg.narrow { display: block; }
  nav ol { columns: 1; }
  table.sentences thead { display: none; } table.sentences, table.sentences caption, table.sentences tbody, table.sentences tr, table.sentences th, table.sentences td { display: block; border: 0; padding: .1rem 0; }
  table.sentences tr { border-bottom: 1px solid var(--line); padding: .6rem 0; }
  table.sentences td::before { content: attr(data-column) ": "; color: var(--soft); }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; }
}
@media print { figure, .note, .verdicts, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } .scroll { overflow: visible; } }
`;
