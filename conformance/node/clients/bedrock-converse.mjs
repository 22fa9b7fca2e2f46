// @aws-sdk/client-bedrock-runtime, Converse and ConverseStream.
import assert from 'node:assert/strict';
import { BedrockRuntimeClient, BedrockRuntimeServiceException, ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { kindsOf } from '../cells.mjs';

export const FAULTS = {
  unauthenticated: 'UnrecognizedClientException',
  notFound: 'ResourceNotFoundException',
  rateLimited: 'ThrottlingException',
  rejected: 'ValidationException',
  contextExceeded: 'ValidationException',
  unavailable: 'ServiceUnavailableException',
  auth: 'ModelErrorException',
  interrupted: 'BedrockRuntimeServiceException',
};

export function fault(error) {
  if (!(error instanceof BedrockRuntimeServiceException)) return null;
  return { kinds: [error.name, ...kindsOf(error)], status: error.$metadata?.httpStatusCode, text: error.message };
}

/** An AWS client; only its endpoint and its credentials are not Amazon's. */
export const connect = (place, Service = BedrockRuntimeClient, more = {}) => new Service({
  endpoint: place.url + place.paths.bedrock,
  region: 'us-east-1',
  credentials: { accessKeyId: place.awsAccessKeyId, secretAccessKey: place.awsSecretAccessKey },
  maxAttempts: 1,
  ...more,
});

export class Client {
  name = '@aws-sdk/client-bedrock-runtime';
  dialect = 'bedrock-converse';
  faults = FAULTS;
  fault = fault;

  constructor(place) {
    this.sdk = connect(place);
  }

  async whole(ask) {
    const answer = await this.sdk.send(new ConverseCommand(parameters(ask)));
    return read(answer.output.message, answer.stopReason, answer.usage);
  }

  async streamed(ask) {
    const message = { role: '', content: [] };
    let stop;
    let usage;
    let events = 0;
    const answer = await this.sdk.send(new ConverseStreamCommand(parameters(ask)));
    for await (const event of answer.stream) {
      events++;
      if (event.messageStart) message.role = event.messageStart.role;
      if (event.contentBlockStart) begin(message.content, event.contentBlockStart);
      if (event.contentBlockDelta) extend(message.content, event.contentBlockDelta);
      if (event.contentBlockStop) end(message.content[event.contentBlockStop.contentBlockIndex]);
      if (event.messageStop) stop = event.messageStop.stopReason;
      if (event.metadata) usage = event.metadata.usage;
    }
    assert.ok(stop, 'the stream has no messageStop');
    return { ...read(message, stop, usage), events };
  }
}

function begin(blocks, { contentBlockIndex, start }) {
  assert.equal(contentBlockIndex, blocks.length, 'the blocks are not in order');
  blocks.push(start?.toolUse ? { toolUse: { ...start.toolUse, input: '' } } : {});
}

function extend(blocks, { contentBlockIndex, delta }) {
  assert.ok(contentBlockIndex <= blocks.length, 'the blocks are not in order');
  if (contentBlockIndex === blocks.length) blocks.push({});
  const block = blocks[contentBlockIndex];
  if (delta.text !== undefined) block.text = (block.text ?? '') + delta.text;
  if (delta.toolUse) block.toolUse.input += delta.toolUse.input;
  const piece = delta.reasoningContent;
  if (piece?.redactedContent) block.reasoningContent = { redactedContent: piece.redactedContent };
  else if (piece) {
    block.reasoningContent ??= { reasoningText: { text: '' } };
    const { reasoningText } = block.reasoningContent;
    reasoningText.text += piece.text ?? '';
    if (piece.signature) reasoningText.signature = (reasoningText.signature ?? '') + piece.signature;
  }
}

function end(block) {
  if (block.toolUse) block.toolUse.input = JSON.parse(block.toolUse.input || '{}');
}

function parameters({ model, turns, system, tools, schema, thinking, maxTokens }) {
  return {
    modelId: model,
    messages: turns.map(message),
    inferenceConfig: { maxTokens },
    ...(system && { system: [{ text: system }] }),
    ...(tools && { toolConfig: { tools: tools.map(({ name, description, schema: json }) => ({ toolSpec: { name, description, inputSchema: { json } } })) } }),
    ...(schema && { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { name: 'answer', schema: JSON.stringify(schema) } } } } }),
    ...(thinking && { additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1024 } } }),
  };
}

function message(turn) {
  if (turn.results) return { role: 'user', content: turn.results.map(([call, text]) => ({ toolResult: { toolUseId: call.id, content: [{ text }] } })) };
  if (turn.native) return turn.native;
  const image = turn.image ? [{ image: { format: 'png', source: { bytes: turn.image } } }] : [];
  return { role: 'user', content: [...image, { text: turn.user }] };
}

function read(message, stop, usage) {
  const reasoning = message.content.map((b) => b.reasoningContent?.reasoningText).filter(Boolean);
  return {
    text: message.content.map((b) => b.text ?? '').join(''),
    calls: message.content.filter((b) => b.toolUse).map(({ toolUse: use }) => ({ id: use.toolUseId, name: use.name, arguments: use.input })),
    thinking: reasoning.map((r) => r.text).join(''),
    signature: reasoning.map((r) => r.signature ?? '').join(''),
    finish: stop,
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
    native: message,
  };
}
