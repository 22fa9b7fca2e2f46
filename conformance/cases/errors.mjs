import { test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { MAX_BODY } from '../stage/gateway.mjs';

const ask = (more = {}) => ({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], ...more });

/** Asserts that a promise is rejected with the SDK's own class, and looks at its fields. */
export async function rejects(promise, type, want) {
  await assert.rejects(promise, (err) => {
    assert.ok(err instanceof type, `${err?.constructor?.name} instead of ${type.name}: ${err}`);
    for (const [field, value] of Object.entries(want)) assert.equal(err[field], value, `${field} of ${err}`);
    assert.ok(err.error?.message, 'the body holds no message');
    return true;
  });
}

export function errors(env) {
  const create = (body, key) => env.gateway.client(key).chat.completions.create(body);

  test('401: an unknown key', () => rejects(create(ask(), 'tg_not-a-key'), OpenAI.AuthenticationError, { status: 401, code: 'invalid_api_key' }));

  test('401: no key', async () => {
    const response = await fetch(`${env.gateway.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(ask()) });
    assert.equal(response.status, 401);
    assert.equal((await response.json()).error.code, 'invalid_api_key');
  });

  test('404: an unknown model', () => rejects(create(ask({ model: 'gpt-9' })), OpenAI.NotFoundError, { status: 404, code: 'model_not_found', param: 'model' }));

  test('404: an unknown path', () => rejects(env.gateway.client().get('/nothing/here'), OpenAI.NotFoundError, { status: 404 }));

  const malformed = {
    'messages[0].role': { messages: [{ role: 'robot', content: 'Hello' }] },
    messages: { messages: [] },
    temperature: { temperature: 'hot' },
    model: { model: 7 },
  };
  for (const [param, body] of Object.entries(malformed)) {
    test(`400: ${param}`, () => rejects(create(ask(body)), OpenAI.BadRequestError, { status: 400, param, type: 'invalid_request_error' }));
  }

  test('400: the same when streamed', () => rejects(
    create(ask({ stream: true, messages: [{ role: 'robot', content: 'Hello' }] })), OpenAI.BadRequestError, { status: 400, param: 'messages[0].role' },
  ));

  test('400: no JSON', async () => {
    const response = await fetch(`${env.gateway.url}/v1/chat/completions`, {
      method: 'POST', headers: { authorization: `Bearer ${env.gateway.adminKey}` }, body: '{"model":',
    });
    assert.equal(response.status, 400);
    assert.equal((await response.json()).error.type, 'invalid_request_error');
  });

  test('400: what the provider refuses', () => rejects(create(ask({ model: 'refuses' })), OpenAI.BadRequestError, { status: 400 }));

  test('413: a body over the limit', () => rejects(
    create(ask({ messages: [{ role: 'user', content: 'a'.repeat(MAX_BODY) }] })), OpenAI.APIError, { status: 413 },
  ));

  test('5xx: a provider that fails, without its address or key', async () => {
    for (const stream of [false, true]) {
      await assert.rejects(create(ask({ model: 'broken', stream })), (err) => {
        assert.ok(err instanceof OpenAI.InternalServerError, `${err?.constructor?.name}: ${err}`);
        const shown = JSON.stringify(err.error) + err.message;
        assert.ok(!shown.includes(new URL(env.upstream.url).host) && !shown.includes(env.upstream.key) && !shown.includes('sk-leaked'), shown);
        return true;
      });
    }
  });

  test('nothing in the log is a key', () => {
    const lines = env.gateway.log().split('\n').filter((line) => line.trimStart().startsWith('{'));
    for (const key of [env.upstream.key, env.gateway.adminKey]) assert.ok(!lines.some((line) => line.includes(key)), 'a key is logged');
  });
}
