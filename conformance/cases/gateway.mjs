// The gateway of this suite: a target that answers, and one that is overloaded.
import OpenAI from 'openai';
import { startGateway } from '../stage/gateway.mjs';

// What clients ask for, and how the provider then behaves.
const MODELS = {
  'gpt-4o-mini': 'gpt-4o-mini', // it has a price, so that budgets bite
  'text-embedding-3-small': 'text-embedding-3-small',
  parallel: 'gpt-4o-mini~parallel-tools',
  cached: 'gpt-4o-mini~cached',
  unknown: 'gpt-4o-mini~unknown-fields',
  stalls: 'gpt-4o-mini~stall',
  cut: 'gpt-4o-mini~cut',
  broken: 'gpt-4o-mini~server-error',
  refuses: 'gpt-4o-mini~rejected',
};

function configuration(upstream) {
  const target = { provider: 'openai', base_url: `${upstream.url}/v1`, api_key: '${CONFORMANCE_UPSTREAM_KEY}', retries: 0 };
  const targets = [
    { name: 'main', ...target, models: MODELS },
    { name: 'dead', ...target, provider: 'openai-compatible', models: { 'gpt-4o-mini': 'overloaded' } },
  ];
  const routes = [
    ...Object.keys(MODELS).map((model) => ({ model, targets: ['main'] })),
    { model: 'resilient', strategy: 'priority', targets: [{ name: 'dead', model: 'gpt-4o-mini' }, { name: 'main', model: 'gpt-4o-mini' }] },
  ];
  return `targets: ${JSON.stringify(targets)}\nroutes: ${JSON.stringify(routes)}\n`;
}

/** Starts it. Its client does not retry, so that each test sees the first answer. */
export async function start(upstream) {
  const gateway = await startGateway(configuration(upstream), { CONFORMANCE_UPSTREAM_KEY: upstream.key });
  gateway.client = (apiKey = gateway.adminKey) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0, timeout: 30_000 });
  return gateway;
}
