// @google/genai, generateContent.
import { ApiError, GoogleGenAI } from '@google/genai';
import { kindsOf } from '../cells.mjs';

// The SDK has one class only; the status word that the body holds says the rest.
const FAULTS = {
  unauthenticated: 'ApiError', // Google itself says 400 INVALID_ARGUMENT
  notFound: 'NOT_FOUND',
  rateLimited: 'RESOURCE_EXHAUSTED',
  rejected: 'INVALID_ARGUMENT',
  contextExceeded: 'INVALID_ARGUMENT',
  unavailable: 'UNAVAILABLE',
  auth: 'INTERNAL',
  interrupted: 'ApiError',
};

export const connect = (place) => new GoogleGenAI({ apiKey: place.key, vertexai: false, httpOptions: { baseUrl: place.url + place.paths.gemini, timeout: 30_000 } });

export class Client {
  name = '@google/genai';
  dialect = 'gemini';
  faults = FAULTS;

  constructor(place) {
    this.sdk = connect(place);
  }

  fault(error) {
    if (!(error instanceof ApiError)) return null;
    const status = /"status":\s*"([A-Z_]+)"/.exec(error.message.replaceAll('\\"', '"'))?.[1];
    return { kinds: [status, ...kindsOf(error)], status: error.status, text: error.message };
  }

  async whole(ask) {
    const answer = await this.sdk.models.generateContent(parameters(ask));
    return read(answer.candidates[0].content.parts, answer, answer.candidates[0].finishReason);
  }

  async streamed(ask) {
    const parts = [];
    let last;
    let finish;
    let events = 0;
    for await (const chunk of await this.sdk.models.generateContentStream(parameters(ask))) {
      events++;
      last = chunk;
      for (const candidate of chunk.candidates ?? []) {
        parts.push(...(candidate.content?.parts ?? []));
        finish = candidate.finishReason ?? finish;
      }
    }
    return { ...read(parts, last, finish), events };
  }
}

function parameters({ model, turns, system, tools, schema, thinking, maxTokens }) {
  return {
    model,
    contents: turns.map(content),
    config: {
      maxOutputTokens: maxTokens,
      ...(system && { systemInstruction: system }),
      ...(tools && { tools: [{ functionDeclarations: tools.map(({ name, description, schema: parametersJsonSchema }) => ({ name, description, parametersJsonSchema })) }] }),
      ...(schema && { responseMimeType: 'application/json', responseJsonSchema: schema }),
      ...(thinking && { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } }),
    },
  };
}

function content(turn) {
  if (turn.results) return { role: 'user', parts: turn.results.map(([{ id, name }, result]) => ({ functionResponse: { ...(id && { id }), name, response: { result } } })) };
  if (turn.native) return { role: 'model', parts: turn.native };
  const image = turn.image ? [{ inlineData: { mimeType: 'image/png', data: turn.image.toString('base64') } }] : [];
  return { role: 'user', parts: [...image, { text: turn.user }] };
}

function read(parts, answer, finish) {
  const usage = answer.usageMetadata;
  return {
    text: parts.filter((p) => p.text && !p.thought).map((p) => p.text).join(''),
    calls: parts.filter((p) => p.functionCall).map(({ functionCall: c }) => ({ id: c.id ?? '', name: c.name, arguments: c.args })),
    thinking: parts.filter((p) => p.thought).map((p) => p.text).join(''),
    signature: parts.map((p) => p.thoughtSignature ?? '').join(''),
    finish,
    inputTokens: usage?.promptTokenCount,
    outputTokens: usage && (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
    native: parts,
  };
}
