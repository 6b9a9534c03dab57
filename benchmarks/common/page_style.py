"""The style of the HTML pages: light and dark, on a phone and on a desk."""

STYLE = """
:root { color-scheme: light dark; --ink: #1a1b1c; --muted: #55585c; --paper: #ffffff; --line: #d4d7da; --rule: #85898e;
        --box: #f5f6f7; --link: #0b5fa5; --alarm: #b35900; --alarm-box: #fff6e9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --muted: #a7acb2; --paper: #14171a; --line: #33383d; --rule: #6d7379; --box: #1d2125;
          --link: #7cbcf5; --alarm: #e9a155; --alarm-box: #2b2114; }
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1240px;
       margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem; text-wrap: balance; }
h1 { margin-top: 0; font-size: clamp(1.5rem, 5vw, 2rem); }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; scroll-margin-top: 1rem; }
p, ul { max-width: 46rem; }
a { color: var(--link); }
.contents { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1rem 0; padding: 0;
            max-width: none; }
.contents a { display: inline-block; padding: .25rem 0; }
.wide { overflow-x: auto; margin: .5rem 0 1rem; }
.wide:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
         font-variant-numeric: tabular-nums; }
td { white-space: nowrap; }
th { border-bottom: 2px solid var(--rule); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
table:not(.facts) :is(th, td):first-child { position: sticky; left: 0; background: var(--paper); }
.facts :is(th, td) { text-align: left; }
.facts td { white-space: normal; }
.facts td + td { min-width: 8rem; }
.facts td + td { overflow-wrap: anywhere; }
code { font-size: .92em; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0 1rem; padding: 0 .9rem;
          background: var(--box); }
details table:not(.facts) :is(th, td):first-child { background: var(--box); }
summary { cursor: pointer; padding: .55rem 0; font-size: .92rem; }
details[open] > summary { border-bottom: 1px solid var(--line); margin-bottom: .75rem; }
figure { margin: 1rem 0 2rem; } figure img { display: block; max-width: 100%; height: auto; }
figcaption { font-size: .9rem; color: var(--muted); max-width: 46rem; margin-top: .4rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr)); gap: 1rem;
         margin: 1rem 0 2rem; }
.sheet.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr)); gap: 1.5rem 2rem; }
.sheet.large img { width: 100%; max-width: 600px; }
.sheet figure { margin: 0; min-width: 0; }
.sheet figcaption { font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
.sheet.large figcaption { font-size: .85rem; line-height: 1.4; }
.warning { border-left: 4px solid var(--alarm); background: var(--alarm-box); padding: .6rem 1rem; }
@media print { details { background: none; } .wide { overflow: visible; } }
"""
