// openai-node, chat completions.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { kindsOf } from '../cells.mjs';

export const FAULTS = {
  unauthenticated: 'AuthenticationError',
  notFound: 'NotFoundError',
  rateLimited: 'RateLimitError',
  rejected: 'BadRequestError',
  contextExceeded: 'BadRequestError',
  unavailable: 'InternalServerError',
  auth: 'InternalServerError',
  interrupted: 'OpenAIError',
};

export function fault(error) {
  if (!(error instanceof OpenAI.OpenAIError)) return null;
  return { kinds: kindsOf(error), status: error.status, text: error.message };
}

export const connect = (place) => new OpenAI({ baseURL: place.url + place.paths.openai, apiKey: place.key, maxRetries: 0, timeout: 30_000 });

export class Client {
  name = 'openai';
  dialect = 'openai-chat';
  faults = FAULTS;
  fault = fault;

  constructor(place) {
    this.sdk = connect(place);
  }

  async whole(ask) {
    return read(await this.sdk.chat.completions.create(parameters(ask)));
  }

  async streamed(ask) {
    const stream = this.sdk.chat.completions.stream({ ...parameters(ask), stream_options: { include_usage: true } });
    const deltas = [];
    let thinking = '';
    let events = 0;
    stream.on('content', (delta) => deltas.push(delta));
    stream.on('chunk', (chunk) => {
      events++;
      thinking += chunk.choices[0]?.delta.reasoning_content ?? '';
    });
    let final;
    try {
      final = await stream.finalChatCompletion();
    } catch (error) {
      if (error.constructor.name !== 'LengthFinishReasonError') throw error;
      final = stream.currentChatCompletionSnapshot; // how the SDK's helper says max_tokens
    }
    const got = read(final);
    assert.equal(deltas.join(''), got.text, 'the deltas make up another text');
    // The helper keeps only the last piece of a field that it does not know.
    if (thinking) got.native.reasoning_content = thinking;
    return { ...got, thinking, events };
  }
}

function parameters({ model, turns, system, tools, schema, thinking, maxTokens }) {
  return {
    model,
    messages: [...(system ? [{ role: 'system', content: system }] : []), ...turns.flatMap(message)],
    max_completion_tokens: maxTokens,
    ...(tools && { tools: tools.map(({ name, description, schema: parameters }) => ({ type: 'function', function: { name, description, parameters } })) }),
    ...(schema && { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } }),
    ...(thinking && { reasoning_effort: 'medium' }),
  };
}

function message(turn) {
  if (turn.results) return turn.results.map(([call, content]) => ({ role: 'tool', tool_call_id: call.id, content }));
  if (turn.native) return [turn.native];
  if (!turn.image) return [{ role: 'user', content: turn.user }];
  const url = `data:image/png;base64,${turn.image.toString('base64')}`;
  return [{ role: 'user', content: [{ type: 'text', text: turn.user }, { type: 'image_url', image_url: { url } }] }];
}

function read(answer) {
  const [choice] = answer.choices;
  const { parsed, ...native } = choice.message; // the streaming helper adds it; it is not the API's
  if (native.tool_calls) native.tool_calls = native.tool_calls.map(({ id, type, function: f }) => ({ id, type, function: { name: f.name, arguments: f.arguments } }));
  return {
    text: native.content ?? '',
    calls: (native.tool_calls ?? []).map((c) => ({ id: c.id, name: c.function.name, arguments: JSON.parse(c.function.arguments) })),
    thinking: native.reasoning_content ?? '', // not OpenAI's: what servers with open models call it
    signature: '',
    finish: choice.finish_reason,
    inputTokens: answer.usage?.prompt_tokens,
    outputTokens: answer.usage?.completion_tokens,
    native,
  };
}
