// @anthropic-ai/sdk, messages.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { kindsOf } from '../cells.mjs';

const FAULTS = {
  unauthenticated: 'AuthenticationError',
  notFound: 'NotFoundError',
  rateLimited: 'RateLimitError',
  rejected: 'BadRequestError',
  contextExceeded: 'BadRequestError',
  unavailable: 'InternalServerError',
  auth: 'InternalServerError',
  interrupted: 'AnthropicError',
};

export class Client {
  name = '@anthropic-ai/sdk';
  dialect = 'anthropic';
  faults = FAULTS;

  constructor(place) {
    this.sdk = new Anthropic({ baseURL: place.url + place.paths.anthropic, apiKey: place.key, maxRetries: 0, timeout: 30_000 });
  }

  fault(error) {
    if (!(error instanceof Anthropic.AnthropicError)) return null;
    return { kinds: kindsOf(error), status: error.status, text: error.message };
  }

  async whole(ask) {
    return read(await this.sdk.messages.create(parameters(ask)));
  }

  async streamed(ask) {
    const kinds = [];
    const deltas = [];
    const stream = this.sdk.messages.stream(parameters(ask));
    stream.on('text', (delta) => deltas.push(delta));
    for await (const event of stream) kinds.push(event.type);
    const got = read(await stream.finalMessage());
    assert.deepEqual([kinds[0], kinds.at(-1)], ['message_start', 'message_stop']);
    assert.equal(deltas.join(''), got.text, 'the deltas make up another text');
    return { ...got, events: kinds.length };
  }
}

export function parameters({ model, turns, system, tools, schema, thinking, maxTokens }) {
  return {
    model,
    messages: turns.map(message),
    max_tokens: maxTokens,
    ...(system && { system }),
    ...(tools && { tools: tools.map(({ name, description, schema: input_schema }) => ({ name, description, input_schema })) }),
    ...(schema && { output_config: { format: { type: 'json_schema', schema } } }),
    ...(thinking && { thinking: { type: 'enabled', budget_tokens: 1024 } }),
  };
}

function message(turn) {
  if (turn.results) return { role: 'user', content: turn.results.map(([call, content]) => ({ type: 'tool_result', tool_use_id: call.id, content })) };
  if (turn.native) return { role: 'assistant', content: turn.native };
  if (!turn.image) return { role: 'user', content: turn.user };
  const source = { type: 'base64', media_type: 'image/png', data: turn.image.toString('base64') };
  return { role: 'user', content: [{ type: 'image', source }, { type: 'text', text: turn.user }] };
}

export function read(answer) {
  const join = (type, field) => answer.content.filter((b) => b.type === type).map((b) => b[field]).join('');
  return {
    text: join('text', 'text'),
    calls: answer.content.filter((b) => b.type === 'tool_use').map((b) => ({ id: b.id, name: b.name, arguments: b.input })),
    thinking: join('thinking', 'thinking'),
    signature: join('thinking', 'signature'),
    finish: answer.stop_reason,
    inputTokens: answer.usage.input_tokens,
    outputTokens: answer.usage.output_tokens,
    native: answer.content.map(({ parsed_output, ...block }) => block),
  };
}
