// Runs the Node SDKs through the grid: one JSON line on stdout for each cell.
//
//   node node/grid.mjs SESSION MATRIX [TEXT]
import { readFile } from 'node:fs/promises';
import { Cells } from './cells.mjs';
import { every } from './checks.mjs';
import { Client as Anthropic } from './clients/anthropic.mjs';
import { Client as Converse } from './clients/bedrock-converse.mjs';
import { Client as Invoke } from './clients/bedrock-invoke.mjs';
import { Client as Titan } from './clients/bedrock-titan.mjs';
import { Client as Gemini } from './clients/gemini.mjs';
import { Client as Chat } from './clients/openai-chat.mjs';
import { Client as Responses } from './clients/openai-responses.mjs';

const [session, matrix] = await Promise.all(process.argv.slice(2, 4).map(async (file) => JSON.parse(await readFile(file, 'utf8'))));
const only = process.argv[4] ?? '';

const stranger = (place) => ({ ...place, key: 'nobody-knows-this-key', awsAccessKeyId: 'AKIDNOBODYKNOWSTHIS0', awsSecretAccessKey: 'nor-this-secret' });

const report = (cell) => process.stdout.write(`${JSON.stringify(cell)}\n`);

/** Runs one cell, whatever happens in it. */
async function attempt(where, run) {
  const start = performance.now();
  let why = '';
  try {
    await run();
  } catch (error) {
    why = error.code === 'ERR_ASSERTION' ? error.message : String(error.stack ?? error);
  }
  report({ state: why ? 'fail' : 'ok', why: why.slice(0, 600), seconds: (performance.now() - start) / 1000, ...where });
}

/** Why a cell cannot exist; nothing if it can. */
function absent(dialect, family, column) {
  const fits = (want, got) => want === '*' || want === got;
  return matrix.absent.find((a) => fits(a.dialect, dialect) && fits(a.family, family) && fits(a.column, column))?.why;
}

async function row(Client, place, family, label) {
  const client = new Client(place);
  const cells = new Cells(matrix, client, new Client(stranger(place)), family.model, family, label === 'itself');
  for (const column of matrix.columns) {
    if (!`${client.dialect} ${label} ${column}`.includes(only)) continue;
    const where = { grid: 'matrix', client: `node ${client.name}`, dialect: client.dialect, family: label, column };
    const why = absent(client.dialect, label, column);
    if (why) report({ state: 'absent', why, seconds: 0, ...where });
    else await attempt(where, () => cells.run(column));
  }
}

for (const Client of [Chat, Responses, Anthropic, Converse, Invoke, Gemini, Titan]) {
  const { fake } = matrix.dialects[new Client(session.gateway).dialect];
  const place = fake ? session.fakes[fake] : session.gateway;
  if (place) await row(Client, place, matrix.families[fake] ?? {}, 'itself');
  for (const [label, family] of Object.entries(matrix.families)) await row(Client, session.gateway, family, label);
}
for (const { client, family, what, run } of every(matrix, session.gateway)) {
  if (`${client} ${family} ${what}`.includes(only)) await attempt({ grid: 'checks', client: `node ${client}`, dialect: '', family, column: what }, run);
}
