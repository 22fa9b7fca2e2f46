import { test } from 'node:test';
import assert from 'node:assert/strict';
import { said } from './upstream.mjs';

const TEXT = said('Hello');
const ask = (content, more = {}) => ({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }], ...more });

export function chat(env) {
  test('an answer with usage and the headers of the gateway', async () => {
    const { data, response } = await env.gateway.client().chat.completions.create(ask('Hello')).withResponse();
    assert.equal(data.object, 'chat.completion');
    assert.equal(data.choices.length, 1);
    assert.deepEqual([data.choices[0].message.role, data.choices[0].message.content, data.choices[0].finish_reason], ['assistant', TEXT, 'stop']);
    assert.deepEqual([data.usage.prompt_tokens, data.usage.completion_tokens, data.usage.total_tokens], [1, 3, 4]);
    assert.match(response.headers.get('x-tollgate-request-id'), /\S/);
    assert.equal(response.headers.get('x-tollgate-target'), 'main');
    assert.equal(response.headers.get('x-tollgate-attempts'), '1');
    assert.ok(Number(response.headers.get('x-tollgate-cost-nanousd')) > 0, `it cost ${response.headers.get('x-tollgate-cost-nanousd')}`);
  });

  test('several candidates', async () => {
    const answer = await env.gateway.client().chat.completions.create(ask('Hello', { n: 3 }));
    assert.deepEqual(answer.choices.map((c) => [c.index, c.message.content]), [[0, TEXT], [1, TEXT], [2, TEXT]]);
  });

  test('tokens that the provider had in its cache', async () => {
    const { usage } = await env.gateway.client().chat.completions.create(ask('one two three four', { model: 'cached' }));
    assert.deepEqual([usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens], [4, 2]);
  });

  test('fields that nobody knows travel both ways', async () => {
    const answer = await env.gateway.client().chat.completions.create(ask('Hello', { model: 'unknown', x_hint: { deep: [1, null, 'é'] }, service_tier: 'auto', seed: 7 }));
    assert.deepEqual([answer.x_top, answer.choices[0].x_choice], [[1, 'two'], { kept: true }]);
    const sent = await env.upstream.last('gpt-4o-mini~unknown-fields');
    assert.deepEqual([sent.x_hint, sent.service_tier, sent.seed], [{ deep: [1, null, 'é'] }, 'auto', 7]);
  });

  test('JSON by schema, parsed by the SDK', async () => {
    const answer = await env.gateway.client().chat.completions.parse(ask('What does it cost?', {
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'toll',
          strict: true,
          schema: { type: 'object', properties: { toll: { type: 'number' }, paid: { type: 'boolean' } }, required: ['toll', 'paid'], additionalProperties: false },
        },
      },
    }));
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { toll: 7, paid: true });
    assert.equal((await env.upstream.last('gpt-4o-mini')).response_format.json_schema.name, 'toll');
  });

  test('pictures are passed through', async () => {
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } };
    await env.gateway.client().chat.completions.create(ask([{ type: 'text', text: 'What is this?' }, picture]));
    const sent = (await env.upstream.last('gpt-4o-mini')).messages.at(-1).content;
    assert.deepEqual(sent.at(-1), picture);
  });

  test('an e-mail address does not reach the provider', async () => {
    await env.gateway.client().chat.completions.create(ask('Write to jane.doe@example.com about the toll.'));
    const sent = JSON.stringify(await env.upstream.last('gpt-4o-mini'));
    assert.ok(!sent.includes('jane.doe@example.com'), 'the address was sent on');
    assert.ok(sent.includes('about the toll.'), 'the rest was lost');
  });

  test('a dead target is not noticed', async () => {
    const { data, response } = await env.gateway.client().chat.completions.create(ask('Hello', { model: 'resilient' })).withResponse();
    assert.equal(data.choices[0].message.content, TEXT);
    assert.equal(response.headers.get('x-tollgate-target'), 'main');
    assert.equal(response.headers.get('x-tollgate-attempts'), '2');
  });

  test('the virtual key stays here', async () => {
    await env.gateway.client().chat.completions.create(ask('Hello'));
    assert.ok(!JSON.stringify((await env.upstream.seen('gpt-4o-mini')).at(-1).headers).includes(env.gateway.adminKey));
  });
}
