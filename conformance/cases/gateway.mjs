// The gateway of this suite: one provider that answers, and one that is dead.
import OpenAI from 'openai';
import { startGateway } from '../stage/gateway.mjs';
import { KEY } from '../upstream.mjs';

const MODELS = ['gpt-4o-mini', 'endless', 'cut', 'broken', 'refuses', 'text-embedding-3-small'];

function configuration(upstream) {
  const route = (model, targets) => `  - {model: ${model}, targets: [${targets}]}`;
  return `
targets:
  - name: main
    provider: openai # its models have prices, so that budgets bite
    base_url: ${upstream}/v1
    api_key: \${CONFORMANCE_UPSTREAM_KEY}
    models: [${MODELS}]
    retries: 0
  - name: dead
    provider: openai-compatible
    base_url: ${upstream}/dead/v1
    api_key: \${CONFORMANCE_UPSTREAM_KEY}
    models: [gpt-4o-mini]
    retries: 0
routes:
${MODELS.map((model) => route(model, 'main')).join('\n')}
  - model: resilient
    strategy: priority
    targets: [{name: dead, model: gpt-4o-mini}, {name: main, model: gpt-4o-mini}]
`;
}

/** Starts it. Its client does not retry, so that each test sees the first answer. */
export async function start(upstream) {
  const gateway = await startGateway(configuration(upstream), { CONFORMANCE_UPSTREAM_KEY: KEY });
  gateway.client = (apiKey = gateway.adminKey) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0, timeout: 30_000 });
  return gateway;
}
