/// How pages look.
enum ReportStyle {
  /// The style sheet; it holds no character that means something in markup.
  static let sheet: StaticString = """
    :root {
      color-scheme: light dark;
      --paper: #ffffff; --ink: #1d2126; --faint: #5d6670; --rule: #d9dee3; --panel: #f5f7f9;
      --hot: #b3123f; --cold: #1459a8;
      --c0: #1f6fb2; --c1: #d98a00; --c2: #10805f; --c3: #c2410c; --c4: #8a4f9e; --c5: #5b6570;
      --c6: #00899b; --c7: #b5357a; --c8: #6d7f12; --c9: #7a5230;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --paper: #14171a; --ink: #e6e9ec; --faint: #9aa4ae; --rule: #363d44; --panel: #1d2226;
        --hot: #ff6f91; --cold: #6cb2ff;
        --c0: #58aef0; --c1: #f0b54a; --c2: #43c59e; --c3: #f58a5b; --c4: #c99adb; --c5: #a3adb7;
        --c6: #4fd0de; --c7: #f083bb; --c8: #b7cc55; --c9: #d0a57c;
      }
    }
    * { box-sizing: border-box; }
    body {
      margin: 0; background: var(--paper); color: var(--ink);
      font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
    }
    main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
    h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
    h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; padding-top: .6rem; border-top: 1px solid var(--rule); }
    p { margin: .5rem 0; overflow-wrap: anywhere; }
    .note { color: var(--faint); font-size: .9rem; max-width: 46rem; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 1rem 0; }
    dt { color: var(--faint); }
    dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
    .scroll { overflow-x: auto; margin: .75rem 0; }
    table { border-collapse: collapse; font-size: .875rem; min-width: 100%; }
    th, td { text-align: left; padding: .3rem .75rem .3rem 0; white-space: nowrap; vertical-align: top; }
    th { color: var(--faint); font-weight: 600; border-bottom: 1px solid var(--rule); }
    td { border-bottom: 1px solid var(--rule); max-width: 34rem; overflow: hidden; text-overflow: ellipsis; }
    .number { text-align: right; font-variant-numeric: tabular-nums; }
    th:last-child, td:last-child { padding-right: 0; }
    details { margin: .75rem 0; }
    summary { cursor: pointer; color: var(--c0); }
    svg { display: block; font-size: 12px; overflow: visible; }
    svg text { fill: var(--ink); }
    svg .mark { fill: var(--faint); font-size: 11px; }
    svg .value { font-variant-numeric: tabular-nums; }
    svg .heading { font-weight: 600; fill: var(--faint); }
    svg .grid { stroke: var(--rule); stroke-width: 1; }
    svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
    svg .hot { fill: var(--hot); }
    svg .cold { fill: var(--cold); }
    svg .cell { font-size: 11px; pointer-events: none; font-variant-numeric: tabular-nums; }
    svg .strong { fill: var(--paper); }
    svg .none { fill: none; stroke: var(--rule); stroke-dasharray: 2 2; }
    svg .odd { fill: var(--c1); stroke: var(--ink); }
    .c0 { fill: var(--c0); background: var(--c0); }
    .c1 { fill: var(--c1); background: var(--c1); }
    .c2 { fill: var(--c2); background: var(--c2); }
    .c3 { fill: var(--c3); background: var(--c3); }
    .c4 { fill: var(--c4); background: var(--c4); }
    .c5 { fill: var(--c5); background: var(--c5); }
    .c6 { fill: var(--c6); background: var(--c6); }
    .c7 { fill: var(--c7); background: var(--c7); }
    .c8 { fill: var(--c8); background: var(--c8); }
    .c9 { fill: var(--c9); background: var(--c9); }
    .curve.c0 { stroke: var(--c0); }
    .curve.c1 { stroke: var(--c1); }
    .curve.c2 { stroke: var(--c2); }
    .curve.c3 { stroke: var(--c3); }
    .curve.c4 { stroke: var(--c4); }
    .curve.c5 { stroke: var(--c5); }
    .curve.c6 { stroke: var(--c6); }
    .curve.c7 { stroke: var(--c7); }
    .curve.c8 { stroke: var(--c8); }
    .curve.c9 { stroke: var(--c9); }
    .legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; font-size: .85rem; }
    .legend span { display: inline-flex; align-items: center; }
    .swatch { width: 14px; height: 14px; margin-right: .4rem; flex: none; }
    .swatch.none { border: 1px dashed var(--rule); }
    @media print { details { display: block; } }
    """
}
