// The official OpenAI Node SDK against one tollgate process: what it gets must be
// what it knows from the provider itself, down to the classes of its errors.
import { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { start } from './cases/gateway.mjs';
import { startUpstream } from './cases/upstream.mjs';
import { chat } from './cases/chat.mjs';
import { streaming } from './cases/streaming.mjs';
import { tools } from './cases/tools.mjs';
import { others } from './cases/others.mjs';
import { errors } from './cases/errors.mjs';
import { limits } from './cases/limits.mjs';

/** Filled before the first test. */
const env = { gateway: null, upstream: null };

describe('openai-node against tollgate', { timeout: 180_000 }, () => {
  before(async () => {
    env.upstream = await startUpstream();
    env.gateway = await start(env.upstream);
  });
  after(async () => {
    const code = await env.gateway?.stop();
    await env.upstream?.stop();
    assert.equal(code, 0, `tollgate ended with ${code}:\n${env.gateway?.log()}`);
  });
  for (const [name, cases] of Object.entries({ chat, streaming, tools, others, errors, limits })) {
    describe(name, () => cases(env));
  }
});
