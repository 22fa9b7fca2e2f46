// A provider that speaks the OpenAI wire format as the real one does: it checks
// what it is sent, and a model's name chooses how it behaves.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export const KEY = 'sk-upstream-0123456789';
const WORDS = ['The', ' gate', ' opens', ' when', ' the', ' toll', ' is', ' paid', '.'];
export const TEXT = WORDS.join('');
const PROMPT_TOKENS = 21;

/** Starts the provider on a free port of loopback. */
export async function startUpstream() {
  const state = { requests: [], closedEarly: 0 };
  const server = createServer((req, res) => {
    answer(state, req, res).catch((err) => {
      if (!res.headersSent) fail(res, 500, 'server_error', err.message);
      else res.destroy();
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** The bodies of the requests for a model, the last one last. */
    seen: (model) => state.requests.filter((r) => r.body.model === model),
    closedEarly: () => state.closedEarly,
    stop: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

async function answer(state, req, res) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  if (req.headers.authorization !== `Bearer ${KEY}`) {
    return fail(res, 401, 'invalid_request_error', 'Incorrect API key provided.', null, 'invalid_api_key');
  }
  const path = new URL(req.url, 'http://upstream').pathname;
  if (path.startsWith('/dead/')) return fail(res, 503, 'server_error', 'overloaded');
  if (req.method !== 'POST') return fail(res, 404, 'invalid_request_error', `no ${path}`);
  const body = JSON.parse(Buffer.concat(chunks).toString());
  state.requests.push({ path, body, headers: req.headers });
  if (path === '/v1/embeddings') return embeddings(res, body);
  if (path === '/v1/chat/completions') return chat(state, req, res, body);
  fail(res, 404, 'invalid_request_error', `no ${path}`);
}

function fail(res, status, type, message, param = null, code = null, headers = {}) {
  send(res, { error: { message, type, param, code } }, status, headers);
}

function send(res, body, status = 200, headers = {}) {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(JSON.stringify(body));
}

async function chat(state, req, res, body) {
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    return fail(res, 400, 'invalid_request_error', 'messages is required', 'messages');
  }
  if (body.model === 'broken') return fail(res, 500, 'server_error', `the server at ${req.headers.host} had an error`);
  if (body.model === 'refuses') {
    return fail(res, 400, 'invalid_request_error', 'Unsupported value: top_p', 'top_p', 'unsupported_value');
  }
  if (body.stream) return stream(state, res, body);
  const choices = [];
  for (let index = 0; index < (body.n ?? 1); index++) choices.push({ index, ...choice(body), logprobs: null });
  send(res, { ...head(body, 'chat.completion'), choices, usage: usage(body), x_region: 'mars-1' });
}

function head(body, object) {
  return { id: 'chatcmpl-0001', object, created: 1760000000, model: `${body.model}-2026-01-01`, system_fingerprint: 'fp_1', service_tier: 'default' };
}

function usage(body) {
  const completion = WORDS.length * (body.n ?? 1);
  return {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: completion,
    total_tokens: PROMPT_TOKENS + completion,
    prompt_tokens_details: { cached_tokens: 8 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

/** What the model says: a tool call if it has tools and no result yet, JSON if it was asked for, text otherwise. */
function choice(body) {
  const calls = toolCalls(body);
  if (calls) return { message: { role: 'assistant', content: null, refusal: null, tool_calls: calls }, finish_reason: 'tool_calls' };
  const schema = body.response_format?.json_schema;
  const content = schema ? JSON.stringify({ toll: 3, paid: true }) : TEXT;
  return { message: { role: 'assistant', content, refusal: null, annotations: [] }, finish_reason: 'stop' };
}

function toolCalls(body) {
  if (!body.tools?.length || body.messages.some((m) => m.role === 'tool')) return null;
  return ['Paris', 'Zürich'].map((city, i) => ({
    id: `call_${i}`,
    type: 'function',
    function: { name: body.tools[0].function.name, arguments: JSON.stringify({ city }) },
  }));
}

async function stream(state, res, body) {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  let over = false;
  res.on('close', () => {
    if (!over) state.closedEarly++;
  });
  const frame = (choices, extra = {}) =>
    res.write(`data: ${JSON.stringify({ ...head(body, 'chat.completion.chunk'), choices, ...extra })}\n\n`);
  const nothing = body.stream_options?.include_usage ? { usage: null } : {};
  for (let index = 0; index < (body.n ?? 1); index++) {
    for (const delta of deltas(body)) {
      if (res.destroyed) return;
      frame([{ index, delta, logprobs: null, finish_reason: null }], nothing);
      await sleep(body.model === 'endless' ? 20 : 1);
    }
    if (body.model === 'cut') return res.destroy(); // in the middle of an answer
    frame([{ index, delta: {}, logprobs: null, finish_reason: toolCalls(body) ? 'tool_calls' : 'stop' }], nothing);
  }
  if (body.stream_options?.include_usage) frame([], { usage: usage(body) });
  over = true;
  res.end('data: [DONE]\n\n');
}

function* deltas(body) {
  const calls = toolCalls(body);
  if (!calls) {
    yield { role: 'assistant', content: '', refusal: null };
    const rounds = body.model === 'endless' ? 1000 : 1;
    for (let i = 0; i < rounds; i++) for (const content of WORDS) yield { content };
    return;
  }
  yield { role: 'assistant', content: null };
  for (const [index, call] of calls.entries()) {
    const { name, arguments: whole } = call.function;
    yield { tool_calls: [{ index, id: call.id, type: 'function', function: { name, arguments: '' } }] };
    for (let i = 0; i < whole.length; i += 3) {
      yield { tool_calls: [{ index, function: { arguments: whole.slice(i, i + 3) } }] };
    }
  }
}

function embeddings(res, body) {
  const inputs = Array.isArray(body.input) ? body.input : [body.input];
  const data = inputs.map((_, index) => {
    const vector = Float32Array.from({ length: body.dimensions ?? 4 }, (_, i) => (index + 1) / (i + 2));
    const embedding = body.encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector];
    return { object: 'embedding', index, embedding };
  });
  send(res, { object: 'list', model: body.model, data, usage: { prompt_tokens: 5 * inputs.length, total_tokens: 5 * inputs.length } });
}
