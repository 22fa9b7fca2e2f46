// @aws-sdk/client-bedrock-runtime, InvokeModel and InvokeModelWithResponseStream
// with Titan's body.
import { InvokeModelCommand, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { FAULTS, connect, fault } from './bedrock-converse.mjs';

export class Client {
  name = '@aws-sdk/client-bedrock-runtime';
  dialect = 'bedrock-titan';
  faults = FAULTS;
  fault = fault;

  constructor(place) {
    this.sdk = connect(place);
  }

  async whole(ask) {
    const { body } = await this.sdk.send(new InvokeModelCommand(parameters(ask)));
    const answer = JSON.parse(body.transformToString());
    const [result] = answer.results;
    return { text: result.outputText, finish: result.completionReason, inputTokens: answer.inputTextTokenCount, outputTokens: result.tokenCount };
  }

  async streamed(ask) {
    const { body } = await this.sdk.send(new InvokeModelWithResponseStreamCommand(parameters(ask)));
    const got = { text: '', events: 0 };
    for await (const event of body) {
      const chunk = JSON.parse(Buffer.from(event.chunk.bytes).toString());
      got.events++;
      got.text += chunk.outputText;
      if (!chunk.completionReason) continue;
      got.finish = chunk.completionReason;
      got.inputTokens = chunk.inputTextTokenCount;
      got.outputTokens = chunk.totalOutputTextTokenCount;
    }
    return got;
  }
}

function parameters({ model, turns, maxTokens }) {
  const body = { inputText: turns.at(-1).user, textGenerationConfig: { maxTokenCount: maxTokens } };
  return { modelId: model, contentType: 'application/json', body: JSON.stringify(body) };
}
