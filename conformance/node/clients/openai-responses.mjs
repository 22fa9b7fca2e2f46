// openai-node, responses.
import assert from 'node:assert/strict';
import { FAULTS, connect, fault } from './openai-chat.mjs';

export class Client {
  name = 'openai';
  dialect = 'openai-responses';
  faults = FAULTS;
  fault = fault;

  constructor(place) {
    this.sdk = connect(place);
  }

  async whole(ask) {
    return read(await this.sdk.responses.create(parameters(ask)));
  }

  async streamed(ask) {
    const kinds = [];
    const deltas = [];
    const given = {};
    const stream = this.sdk.responses.stream(parameters(ask));
    for await (const event of stream) {
      kinds.push(event.type);
      if (event.type === 'response.output_text.delta') deltas.push(event.delta);
      if (event.type === 'response.function_call_arguments.delta') given[event.item_id] = (given[event.item_id] ?? '') + event.delta;
    }
    const final = await stream.finalResponse();
    const got = read(final);
    assert.equal(kinds[0], 'response.created');
    assert.match(kinds.at(-1), /^response\.(completed|incomplete)$/);
    assert.equal(deltas.join(''), got.text, 'the deltas make up another text');
    const whole = Object.fromEntries(final.output.filter((i) => i.type === 'function_call').map((i) => [i.id, i.arguments]));
    assert.deepEqual(given, whole, 'the deltas make up other arguments');
    return { ...got, events: kinds.length };
  }
}

function parameters({ model, turns, system, tools, schema, thinking, maxTokens }) {
  return {
    model,
    input: turns.flatMap(items),
    max_output_tokens: maxTokens,
    ...(system && { instructions: system }),
    ...(tools && { tools: tools.map(({ name, description, schema: parameters }) => ({ type: 'function', name, description, parameters, strict: false })) }),
    ...(schema && { text: { format: { type: 'json_schema', name: 'answer', strict: true, schema } } }),
    // The reasoning comes back with the next turn, so the server need not keep it.
    ...(thinking && { reasoning: { effort: 'medium', summary: 'auto' }, include: ['reasoning.encrypted_content'], store: false }),
  };
}

function items(turn) {
  if (turn.results) return turn.results.map(([call, output]) => ({ type: 'function_call_output', call_id: call.id, output }));
  if (turn.native) return turn.native;
  if (!turn.image) return [{ role: 'user', content: turn.user }];
  const image_url = `data:image/png;base64,${turn.image.toString('base64')}`;
  return [{ role: 'user', content: [{ type: 'input_text', text: turn.user }, { type: 'input_image', image_url, detail: 'auto' }] }];
}

function read(answer) {
  const reasoning = answer.output.filter((item) => item.type === 'reasoning');
  return {
    text: answer.output_text,
    calls: answer.output.filter((i) => i.type === 'function_call').map((i) => ({ id: i.call_id, name: i.name, arguments: JSON.parse(i.arguments) })),
    thinking: reasoning.flatMap((item) => [...(item.summary ?? []), ...(item.content ?? [])]).map((part) => part.text).join(''),
    signature: reasoning.map((item) => item.encrypted_content ?? '').join(''),
    finish: answer.status,
    inputTokens: answer.usage?.input_tokens,
    outputTokens: answer.usage?.output_tokens,
    native: answer.output.map(({ parsed_arguments, ...item }) => ({ ...item, ...(item.content && { content: item.content.map(({ parsed, ...part }) => part) }) })),
  };
}
