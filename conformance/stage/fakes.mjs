// Starts the fake providers that the Go tests use, as one process.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Resolves with where each provider is, by its name. */
export async function startFakes() {
  const binary = process.env.FAKES_BIN;
  if (!binary) throw new Error('FAKES_BIN must hold the path of services/internal/providertest/serve');
  const child = spawn(binary, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise((done) => child.once('exit', done));
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([new Promise((done) => lines.once('line', done)), exited.then(() => null)]);
  if (first === null) throw new Error('the fake providers ended at once');
  return {
    places: JSON.parse(first),
    async stop() {
      child.stdin.end();
      const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(hard);
    },
  };
}
