// Prints what the clients reported as grids.

const SIGN = { ok: 'ok', fail: 'FAIL', absent: '—', missing: 'NOT RUN' };

/** Prints every grid; returns how many cells are in which state. What nobody reported was not run. */
export function print(matrix, cells, only, out = console.log) {
  const counts = { ok: 0, fail: 0, absent: 0, missing: 0 };
  const rows = ['itself', ...Object.keys(matrix.families)];
  for (const language of ['python', 'node']) {
    for (const dialect of Object.keys(matrix.dialects)) {
      const mine = cells.filter((c) => c.grid === 'matrix' && c.client.startsWith(`${language} `) && c.dialect === dialect);
      if (only && mine.length === 0) continue;
      const find = (family, column) => mine.find((c) => c.family === family && c.column === column);
      table(`${dialect} (${mine[0]?.client ?? language})`, rows, matrix.columns, find, counts, out);
    }
  }
  checks(cells.filter((c) => c.grid === 'checks'), counts, out);
  explain(cells, out);
  return counts;
}

function table(title, rows, columns, find, counts, out) {
  const first = Math.max(title.length, ...rows.map((r) => r.length)) + 2;
  const width = Math.max(...columns.map((c) => c.length), 7) + 2;
  out('');
  out(title.padEnd(first) + columns.map((c) => c.padEnd(width)).join(''));
  for (const row of rows) {
    const signs = columns.map((column) => {
      const state = find(row, column)?.state ?? 'missing';
      counts[state]++;
      return SIGN[state].padEnd(width);
    });
    out((row === 'itself' ? '(no gateway)' : row).padEnd(first) + signs.join(''));
  }
}

function checks(cells, counts, out) {
  const seen = cells.map((cell) => {
    counts[cell.state]++;
    return [`${cell.client}: ${cell.column}`, cell.family, SIGN[cell.state]];
  });
  if (seen.length === 0) return;
  const widths = [0, 1].map((i) => Math.max(...seen.map((row) => row[i].length)) + 2);
  out('');
  for (const row of seen) out(row[0].padEnd(widths[0]) + row[1].padEnd(widths[1]) + row[2]);
}

/** Says why cells cannot exist, and what is wrong with those that failed. */
function explain(cells, out) {
  const absent = new Map();
  for (const cell of cells.filter((c) => c.state === 'absent')) {
    const where = `${cell.dialect} → ${cell.family}: ${cell.column}`;
    absent.set(cell.why, (absent.get(cell.why) ?? new Set()).add(where));
  }
  if (absent.size > 0) out('\nCells that cannot exist:');
  for (const [why, where] of absent) out(`  ${[...where].join(', ')}\n    ${why}`);
  const failed = cells.filter((c) => c.state === 'fail');
  if (failed.length > 0) out('\nFailed:');
  for (const c of failed) out(`  ${c.client} ${c.dialect} → ${c.family}: ${c.column}\n    ${c.why}`);
}
