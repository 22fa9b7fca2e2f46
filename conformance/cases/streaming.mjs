import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { said } from './upstream.mjs';

const PROMPT = 'one two three four';
const TEXT = said(PROMPT);
const ask = (more = {}) => ({ model: 'cached', messages: [{ role: 'user', content: PROMPT }], stream: true, ...more });

async function collect(stream) {
  const all = { text: '', usage: [], finish: [], chunks: 0 };
  for await (const chunk of stream) {
    all.chunks++;
    for (const choice of chunk.choices) {
      all.text += choice.delta.content ?? '';
      if (choice.finish_reason) all.finish.push(choice.finish_reason);
    }
    if (chunk.usage) all.usage.push(chunk.usage);
  }
  return all;
}

export function streaming(env) {
  test('with usage', async () => {
    const got = await collect(await env.gateway.client().chat.completions.create(ask({ stream_options: { include_usage: true } })));
    assert.deepEqual([got.text, got.finish], [TEXT, ['stop']]);
    assert.equal(got.usage.length, 1);
    assert.deepEqual([got.usage[0].prompt_tokens, got.usage[0].completion_tokens, got.usage[0].total_tokens], [4, 6, 10]);
  });

  test('without usage the client sees none, though the gateway meters it', async () => {
    const { data, response } = await env.gateway.client().chat.completions.create(ask()).withResponse();
    const got = await collect(data);
    assert.deepEqual([got.text, got.finish, got.usage], [TEXT, ['stop'], []]);
    const requestId = response.headers.get('x-tollgate-request-id');
    const row = await ledgerRow(env.gateway, requestId);
    assert.equal(row.record.usage.source, 'USAGE_SOURCE_PROVIDER');
    assert.equal(row.record.usage.outputTokens, '6');
    assert.deepEqual([row.record.usage.inputTokens, row.record.usage.cacheReadTokens], ['2', '2']);
  });

  test('the helper of the SDK puts it together', async () => {
    const stream = env.gateway.client().chat.completions.stream(ask({ stream_options: { include_usage: true } }));
    const deltas = [];
    stream.on('content', (delta) => deltas.push(delta));
    const whole = await stream.finalChatCompletion();
    assert.equal(whole.choices[0].message.content, TEXT);
    assert.equal(deltas.join(''), TEXT);
    assert.equal(whole.usage.total_tokens, 10);
  });

  test('a dead target is not noticed', async () => {
    const { data, response } = await env.gateway.client().chat.completions.create(ask({ model: 'resilient' })).withResponse();
    assert.equal((await collect(data)).text, TEXT);
    assert.equal(response.headers.get('x-tollgate-target'), 'main');
  });

  test('an answer that is cut is never shown as complete', async () => {
    const stream = await env.gateway.client().chat.completions.create(ask({ model: 'cut' }));
    let text = '';
    await assert.rejects(
      async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      },
      (err) => err instanceof OpenAI.APIError,
    );
    assert.ok(TEXT.startsWith(text.trimEnd()), `got ${JSON.stringify(text)}`);
  });

  test('a client that goes away ends the upstream request within a second', async () => {
    const stream = await env.gateway.client().chat.completions.create(ask({ model: 'stalls' }));
    let chunks = 0;
    for await (const chunk of stream) {
      assert.ok(chunk);
      if (++chunks === 2) break; // the SDK aborts the request
    }
    const start = Date.now();
    const cancelled = async () => (await env.upstream.seen('gpt-4o-mini~stall')).at(-1).cancelled;
    while (!(await cancelled()) && Date.now() - start < 3000) await sleep(10);
    assert.ok(await cancelled(), 'the upstream request goes on');
    assert.ok(Date.now() - start < 1000, `it took ${Date.now() - start} ms`);
  });
}

/** The ledger row of a request; it is written after the answer. */
async function ledgerRow(gateway, requestId) {
  for (let i = 0; i < 200; i++) {
    const { rows = [] } = await gateway.rest('GET', `/api/v1/usage?requestId=${encodeURIComponent(requestId)}`);
    const last = rows.find((row) => row.record.last);
    if (last) return last;
    await sleep(50);
  }
  throw new Error(`no ledger row of ${requestId}`);
}
