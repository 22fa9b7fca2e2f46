import { test } from 'node:test';
import assert from 'node:assert/strict';
import { said } from './upstream.mjs';

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string', enum: ['Paris', 'Zürich'] } }, required: ['city'] },
  },
};
const ask = (more = {}) => ({ model: 'parallel', messages: [{ role: 'user', content: 'How is the weather?' }], tools: [weather], ...more });

const calls = (message) => message.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments).city]);
const want = [['get_weather', 'Paris'], ['get_weather', 'Zürich']];

const TEXT = `The tools said: 18 degrees | 18 degrees. ${said('How is the weather?')}`;

export function tools(env) {
  test('calls and their results', async () => {
    const client = env.gateway.client();
    const first = await client.chat.completions.create(ask());
    const { message } = first.choices[0];
    assert.equal(first.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(calls(message), want);
    const results = message.tool_calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: '18 degrees' }));
    const second = await client.chat.completions.create(ask({ messages: [...ask().messages, message, ...results] }));
    assert.equal(second.choices[0].message.content, TEXT);
    const sent = await env.upstream.last('gpt-4o-mini~parallel-tools');
    assert.deepEqual(sent.messages.slice(-2), results);
    assert.deepEqual(sent.tools, [weather]);
  });

  test('streamed calls, their arguments in pieces', async () => {
    const whole = await env.gateway.client().chat.completions.stream(ask({ stream: true })).finalChatCompletion();
    assert.equal(whole.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(calls(whole.choices[0].message), want);
  });

  test('the runner of the SDK goes the whole way', async () => {
    const asked = [];
    const runner = env.gateway.client().chat.completions.runTools(ask({
      tools: [{
        type: 'function',
        function: {
          ...weather.function,
          parse: JSON.parse,
          function: ({ city }) => {
            asked.push(city);
            return '18 degrees';
          },
        },
      }],
    }));
    assert.equal(await runner.finalContent(), TEXT);
    assert.deepEqual(asked.sort(), ['Paris', 'Zürich']);
  });
}
