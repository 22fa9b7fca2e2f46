// The grid: official SDKs of Python and Node, each client dialect against each
// provider family. It starts the providers and the gateway, lets both languages
// run, prints what they found, and fails if a cell does.
//
//   node grid.mjs [TEXT]    only cells with this text in "dialect family column"
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startFakes } from './stage/fakes.mjs';
import { startGateway } from './stage/gateway.mjs';
import { print } from './stage/print.mjs';
import { configuration } from './stage/targets.mjs';

const here = import.meta.dirname;
const only = process.argv[2] ?? '';
const PATHS = { openai: '/v1', anthropic: '/anthropic', bedrock: '/bedrock', gemini: '/gemini' };
const NO_PATHS = { openai: '/v1', anthropic: '', bedrock: '', gemini: '' };

/** What the clients of both languages need to know, as a file. */
async function session(dir, gateway, places) {
  const { secret: key, awsAccessKeyId, awsSecretAccessKey } = await gateway.createKey({});
  const fakes = Object.fromEntries(Object.entries(places).map(([name, place]) => [name, { paths: NO_PATHS, ...place }]));
  const file = join(dir, 'session.json');
  const content = { gateway: { url: gateway.url, key, awsAccessKeyId, awsSecretAccessKey, paths: PATHS }, fakes };
  await writeFile(file, JSON.stringify(content), { mode: 0o600 });
  return file;
}

/** Runs one language; resolves with its cells and its exit code. */
function run(command, args) {
  const child = spawn(command, args, { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
  const cells = [];
  createInterface({ input: child.stdout }).on('line', (line) => cells.push(JSON.parse(line)));
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => done({ cells, code, command }));
  });
}

async function play(dir, fakes) {
  const matrix = JSON.parse(await readFile(join(here, 'matrix.json'), 'utf8'));
  const gateway = await startGateway(configuration(matrix, fakes.places), {});
  const start = Date.now();
  let ended;
  try {
    const args = [await session(dir, gateway, fakes.places), join(here, 'matrix.json'), only];
    ended = await Promise.all([
      run(join(here, '.venv/bin/python'), [join(here, 'python/grid.py'), ...args]),
      run(process.execPath, ['--no-warnings', join(here, 'node/grid.mjs'), ...args]),
    ]);
  } finally {
    const code = await gateway.stop();
    if (code !== 0) {
      console.error(`tollgate ended with ${code}:\n${gateway.log()}`);
      process.exitCode = 1;
    }
    if (process.env.CONFORMANCE_LOG) await writeFile(process.env.CONFORMANCE_LOG, gateway.log());
  }
  const cells = ended.flatMap((e) => e.cells);
  const counts = print(matrix, cells, only);
  const died = ended.filter((e) => e.code !== 0);
  for (const e of died) console.error(`${e.command} ended with ${e.code}`);
  console.log(`\n${counts.ok} cells passed, ${counts.fail} failed, ${counts.missing} were not run, ${counts.absent} cannot exist (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  if (counts.ok === 0 || counts.fail > 0 || (counts.missing > 0 && !only) || died.length > 0) process.exitCode = 1;
}

const dir = await mkdtemp(join(tmpdir(), 'tollgate-grid-'));
const fakes = await startFakes();
try {
  await play(dir, fakes);
} finally {
  await fakes.stop();
  await rm(dir, { recursive: true, force: true });
}
