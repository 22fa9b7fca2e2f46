import { test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { rejects } from './errors.mjs';

const ask = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] };

export function limits(env) {
  test('429: the second request in a minute of a key that may send one', async () => {
    const { secret } = await env.gateway.createKey({ requestsPerMinute: '1' });
    const client = env.gateway.client(secret);
    await client.chat.completions.create(ask);
    const second = client.chat.completions.create(ask);
    await rejects(second, OpenAI.RateLimitError, { status: 429, code: 'rate_limit_exceeded' });
    const err = await second.catch((e) => e);
    assert.ok(Number(err.headers.get('retry-after')) > 0, 'does not say when to come back');
  });

  test('429: a budget that does not cover the request', async () => {
    const { name, secret } = await env.gateway.createKey({});
    await env.gateway.rest('POST', '/api/v1/budgets', { budget: { scope: name, window: 'WINDOW_MONTH', limitNanousd: '1' } });
    const client = env.gateway.client(secret);
    await rejects(client.chat.completions.create(ask), OpenAI.RateLimitError, { status: 429, code: 'insufficient_quota' });
    await rejects(client.chat.completions.create({ ...ask, stream: true }), OpenAI.RateLimitError, { status: 429, code: 'insufficient_quota' });
  });

  test('403: a model that the key may not use', async () => {
    const { secret } = await env.gateway.createKey({ allowedModels: ['text-*'] });
    const client = env.gateway.client(secret);
    await rejects(client.chat.completions.create(ask), OpenAI.PermissionDeniedError, { status: 403 });
    const ids = (await client.models.list()).data.map((m) => m.id);
    assert.deepEqual(ids, ['text-embedding-3-small']);
  });

  test('401: a revoked key, at the latest when it is no longer remembered', async () => {
    const { name, secret } = await env.gateway.createKey({});
    const client = env.gateway.client(secret);
    await client.chat.completions.create(ask);
    await env.gateway.rest('POST', `/api/v1/${name}:revoke`, {});
    const end = Date.now() + 10_000;
    let last;
    do {
      last = await client.models.list().catch((err) => err);
    } while (!(last instanceof OpenAI.AuthenticationError) && Date.now() < end && (await new Promise((r) => setTimeout(r, 200, true))));
    assert.ok(last instanceof OpenAI.AuthenticationError, 'the key still works');
  });
}
