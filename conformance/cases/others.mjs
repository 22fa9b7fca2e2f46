import { test } from 'node:test';
import assert from 'node:assert/strict';

export function others(env) {
  test('models', async () => {
    const ids = [];
    for await (const model of env.gateway.client().models.list()) {
      assert.equal(model.object, 'model');
      ids.push(model.id);
    }
    for (const id of ['gpt-4o-mini', 'resilient', 'text-embedding-3-small']) assert.ok(ids.includes(id), `${id} is not among ${ids}`);
  });

  test('embeddings; the SDK asks for base64 on its own', async () => {
    const got = await env.gateway.client().embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] });
    assert.deepEqual(got.data.map((d) => d.index), [0, 1]);
    const [one, two] = got.data.map((d) => d.embedding);
    assert.ok(one.length > 1 && one.length === two.length && one.every(Number.isFinite), `${one}`);
    assert.notDeepEqual(one, two);
    assert.equal(got.usage.total_tokens, 2);
  });

  test('embeddings as numbers, of a given length', async () => {
    const got = await env.gateway.client().embeddings.create({ model: 'text-embedding-3-small', input: 'one', encoding_format: 'float', dimensions: 2 });
    assert.equal(got.data[0].embedding.length, 2);
    const coded = await env.gateway.client().embeddings.create({ model: 'text-embedding-3-small', input: 'one', dimensions: 2 });
    coded.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - got.data[0].embedding[i]) < 1e-6, `${x} as base64`));
  });
}
