// Starts the tollgate binary with a configuration and data of its own.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The most bytes that a request may have here. */
export const MAX_BODY = 1 << 20;

function configuration(rest, ports) {
  const [http, router, guardrail, rag, billing] = ports.map((port) => `127.0.0.1:${port}`);
  return `
http: {addr: "${http}", max_body: ${MAX_BODY}, drain_timeout: 3s}
grpc:
  router: {addr: "${router}"}
  guardrail: {addr: "${guardrail}"}
  rag: {addr: "${rag}"}
  billing: {addr: "${billing}"}
telemetry: {metrics_addr: ""}
${rest}`;
}

/** Starts a gateway with these targets and routes; resolves when it is ready. */
export async function startGateway(targetsAndRoutes, variables) {
  const binary = process.env.TOLLGATE_BIN;
  if (!binary) throw new Error('TOLLGATE_BIN must hold the path of the tollgate binary');
  const dir = await mkdtemp(join(tmpdir(), 'tollgate-conformance-'));
  const ports = await freePorts(5);
  const config = join(dir, 'tollgate.yaml');
  const data = join(dir, 'data');
  await writeFile(config, configuration(targetsAndRoutes, ports), { mode: 0o600 });
  const child = spawn(binary, ['serve', '--config', config], {
    env: { PATH: process.env.PATH, HOME: dir, TOLLGATE_DATA_DIR: data, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = [];
  child.stdout.on('data', (chunk) => log.push(chunk));
  child.stderr.on('data', (chunk) => log.push(chunk));
  const exited = new Promise((done) => child.once('exit', done));
  const url = `http://127.0.0.1:${ports[0]}`;
  const gateway = new Gateway(url, dir, child, exited, log);
  try {
    await gateway.ready();
    gateway.adminKey = (await readFile(join(data, 'admin.key'), 'utf8')).trim();
  } catch (err) {
    await gateway.stop();
    throw new Error(`${err.message}\n${gateway.log()}`, { cause: err });
  }
  return gateway;
}

class Gateway {
  #dir;
  #child;
  #exited;
  #log;
  adminKey = '';

  constructor(url, dir, child, exited, log) {
    this.url = url;
    this.#dir = dir;
    this.#child = child;
    this.#exited = exited;
    this.#log = log;
  }

  log() {
    return Buffer.concat(this.#log).toString();
  }

  async ready() {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50)) {
      if (this.#child.exitCode !== null) throw new Error(`tollgate ended with code ${this.#child.exitCode}`);
      const response = await fetch(`${this.url}/readyz`).catch(() => null);
      if (response?.ok) return;
    }
    throw new Error('tollgate is not ready after a minute');
  }

  /** Calls our own REST API as the administrator. */
  async rest(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.adminKey}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Makes a virtual key; returns its name, its secret and what AWS SDKs sign with. */
  async createKey(key) {
    const made = await this.rest('POST', '/api/v1/keys', { key: { displayName: 'conformance', roles: ['ROLE_DEVELOPER'], ...key } });
    const { secret, awsAccessKeyId, awsSecretAccessKey } = made;
    return { name: made.key.name, secret, awsAccessKeyId, awsSecretAccessKey };
  }

  async stop() {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM');
    const hard = setTimeout(() => this.#child.kill('SIGKILL'), 15_000);
    const code = await this.#exited;
    clearTimeout(hard);
    await rm(this.#dir, { recursive: true, force: true });
    return code;
  }
}

/** Ports that were free a moment ago, all different. */
async function freePorts(n) {
  const servers = await Promise.all(
    Array.from({ length: n }, () => new Promise((done, failed) => {
      const server = createServer().once('error', failed);
      server.listen(0, '127.0.0.1', () => done(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
