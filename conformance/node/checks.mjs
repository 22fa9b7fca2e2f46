// What stands beside the grid: calls that have no provider family.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockClient, ListFoundationModelsCommand } from '@aws-sdk/client-bedrock';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { AzureOpenAI } from 'openai';
import { words } from './cells.mjs';
import * as bedrock from './clients/bedrock-converse.mjs';
import * as gemini from './clients/gemini.mjs';
import * as openai from './clients/openai-chat.mjs';

/** Lists {client, family, what, run}. */
export function every(matrix, gateway) {
  const model = (family) => matrix.families[family].model;
  const checks = [
    ['openai', 'AzureOpenAI: deployments in the path', () => azure(gateway, model('anthropic'))],
    ['openai', 'responses.create with previous_response_id', () => previousResponse(gateway, model('anthropic'))],
    ['@anthropic-ai/sdk', 'messages.countTokens', () => countTokens(gateway, model('anthropic'))],
    ['@aws-sdk/client-bedrock', 'ListFoundationModels', () => listFoundationModels(gateway)],
    ['@aws-sdk/client-bedrock-runtime', 'Converse with a bearer token', () => bearer(gateway, model('bedrock'))],
    ['@google/genai', 'models.countTokens', () => geminiCountTokens(gateway, model('gemini'))],
    ['@google/genai', 'models.embedContent', () => geminiEmbed(gateway, matrix.embeddings.gemini[0])],
  ];
  return checks.map(([client, what, run]) => ({ client, family: 'gateway', what, run }));
}

async function azure(gateway, model) {
  const sdk = new AzureOpenAI({ endpoint: gateway.url, apiVersion: '2024-10-21', apiKey: gateway.key, maxRetries: 0 });
  const answer = await sdk.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello' }] });
  assert.equal(answer.choices[0].message.content, 'You said: Hello');
}

async function previousResponse(gateway, model) {
  const sdk = openai.connect(gateway);
  const first = await sdk.responses.create({ model, input: 'one two three' });
  const second = await sdk.responses.create({ model, input: 'four', previous_response_id: first.id });
  assert.equal(second.output_text, 'You said: four');
  assert.equal(second.usage.input_tokens, words('one two three', first.output_text, 'four'));
}

async function countTokens(gateway, model) {
  const sdk = new Anthropic({ baseURL: gateway.url + gateway.paths.anthropic, apiKey: gateway.key, maxRetries: 0 });
  const got = await sdk.messages.countTokens({ model, messages: [{ role: 'user', content: 'one two three' }] });
  assert.ok(got.input_tokens >= 3, JSON.stringify(got));
}

async function listFoundationModels(gateway) {
  const { modelSummaries } = await bedrock.connect(gateway, BedrockClient).send(new ListFoundationModelsCommand({}));
  assert.ok(modelSummaries.length > 0 && modelSummaries.every((m) => m.modelId && m.modelArn), JSON.stringify(modelSummaries));
}

async function bearer(gateway, modelId) {
  const sdk = bedrock.connect(gateway, BedrockRuntimeClient, {
    credentials: undefined, token: { token: gateway.key }, authSchemePreference: ['httpBearerAuth'],
  });
  const answer = await sdk.send(new ConverseCommand({ modelId, messages: [{ role: 'user', content: [{ text: 'one' }] }] }));
  assert.equal(answer.output.message.content[0].text, 'You said: one');
}

async function geminiCountTokens(gateway, model) {
  const got = await gemini.connect(gateway).models.countTokens({ model, contents: 'one two three' });
  assert.ok(got.totalTokens >= 3, JSON.stringify(got));
}

async function geminiEmbed(gateway, model) {
  const got = await gemini.connect(gateway).models.embedContent({ model, contents: ['one two', 'three'] });
  assert.equal(got.embeddings.length, 2);
  assert.notDeepEqual(got.embeddings[0].values, got.embeddings[1].values);
}
