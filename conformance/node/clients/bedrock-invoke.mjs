// @aws-sdk/client-bedrock-runtime, InvokeModel and InvokeModelWithResponseStream
// with Anthropic's body.
import assert from 'node:assert/strict';
import { InvokeModelCommand, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import * as anthropic from './anthropic.mjs';
import { FAULTS, connect, fault } from './bedrock-converse.mjs';

export class Client {
  name = '@aws-sdk/client-bedrock-runtime';
  dialect = 'bedrock-invoke';
  faults = FAULTS;
  fault = fault;

  constructor(place) {
    this.sdk = connect(place);
  }

  async whole(ask) {
    const answer = await this.sdk.send(new InvokeModelCommand(parameters(ask)));
    return anthropic.read(JSON.parse(answer.body.transformToString()));
  }

  async streamed(ask) {
    const answer = await this.sdk.send(new InvokeModelWithResponseStreamCommand(parameters(ask)));
    const kinds = [];
    const given = {};
    let message;
    for await (const { chunk } of answer.body) {
      const event = JSON.parse(Buffer.from(chunk.bytes).toString());
      kinds.push(event.type);
      message = apply(message, event, given);
    }
    assert.deepEqual([kinds[0], kinds.at(-1)], ['message_start', 'message_stop']);
    return { ...anthropic.read(message), events: kinds.length };
  }
}

/** Adds an event of Anthropic's stream to the message. */
function apply(message, event, given) {
  switch (event.type) {
    case 'message_start':
      return event.message;
    case 'content_block_start':
      assert.equal(event.index, message.content.length, 'the blocks are not in order');
      message.content.push(event.content_block);
      break;
    case 'content_block_delta':
      extend(message.content[event.index], event, given);
      break;
    case 'content_block_stop':
      if (event.index in given) message.content[event.index].input = JSON.parse(given[event.index] || '{}');
      break;
    case 'message_delta':
      Object.assign(message, event.delta);
      Object.assign(message.usage, event.usage);
      break;
  }
  return message;
}

function extend(block, { index, delta }, given) {
  if (delta.type === 'text_delta') block.text += delta.text;
  if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
  if (delta.type === 'signature_delta') block.signature = (block.signature ?? '') + delta.signature;
  if (delta.type === 'input_json_delta') given[index] = (given[index] ?? '') + delta.partial_json;
}

function parameters(ask) {
  const { model, ...body } = anthropic.parameters(ask);
  return { modelId: model, contentType: 'application/json', body: JSON.stringify({ ...body, anthropic_version: 'bedrock-2023-05-31' }) };
}
