// The cells of the grid: what is asked, and what must come back.
//
// The providers behind the gateway answer by fixed rules: they quote what the
// user said last, the pictures they saw and the results of tools, they call the
// tools in their order with values that follow from the schemas, and they count
// words as tokens. So each expectation here is a value and not only a status.
//
// An ask is {model, turns, system, tools, schema, thinking, maxTokens}; a turn is
// {user, image}, {results: [[call, text]]} or an answer. An answer is {text,
// calls: [{id, name, arguments}], thinking, signature, finish, inputTokens,
// outputTokens, events, native}. No SDK's own form is known here.
import assert from 'node:assert/strict';
import { crc32 } from './crc32.mjs';
import { deflateSync } from 'node:zlib';

/** A small red picture that any decoder opens. */
export function png(side = 3) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const out = Buffer.alloc(8);
    out.writeUInt32BE(data.length);
    out.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([out.subarray(0, 4), body, out.subarray(4)]);
  };
  const row = Buffer.from([0, ...Array.from({ length: side }, () => [255, 0, 0]).flat()]);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.concat(Array.from({ length: side }, () => row)));
  // Its base64 has "+" and "/" in it, wherever it begins.
  const odd = Buffer.from(`Comment\0${Array(3).fill('\xfb\xef\xbe\xfb\xef\xbe\0\xff\xff\xff\xff\xff\xff').join('\0')}`, 'latin1');
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('tEXt', odd), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

/** How the providers behind the gateway count tokens. */
export const words = (...texts) => texts.reduce((n, text) => n + text.split(/\s+/).filter(Boolean).length, 0);

/** Runs the cells of one client against one family. */
export class Cells {
  constructor(matrix, client, stranger, model, family, direct) {
    Object.assign(this, { matrix, client, stranger, model, family, direct, texts: matrix.texts });
    this.dialect = matrix.dialects[client.dialect];
    this.toolbox = matrix.tools.map(({ name, description, schema }) => ({ name, description, schema }));
  }

  run(column) {
    return this[column]();
  }

  ask(turns, { behaviour, ...more } = {}) {
    return { model: behaviour ? `${this.model}~${behaviour}` : this.model, turns, maxTokens: 4096, ...more };
  }

  /** Asks whole and streamed; both must say the same. */
  async both(ask) {
    const whole = await this.client.whole(ask);
    const live = await this.client.streamed(ask);
    assert.ok(live.events > 1, `the stream had ${live.events} events`);
    for (const what of ['text', 'thinking', 'finish', 'inputTokens', 'outputTokens']) {
      assert.deepEqual(live[what], whole[what], `streamed ${what}`);
    }
    // Other formats wrap it, with what differs from answer to answer.
    if (this.own()) assert.equal(live.signature, whole.signature, 'streamed signature');
    const said = (got) => got.calls.map((c) => [c.name, c.arguments]);
    assert.deepEqual(said(live), said(whole), 'streamed calls');
    return live;
  }

  /** Whether the provider speaks the client's dialect. */
  own() {
    return this.matrix.families[this.dialect.fake] === this.family;
  }

  /** What the client is shown of the model's thoughts. */
  thought(text) {
    return this.texts.thought + text;
  }

  check(got, text, end = 'end') {
    assert.equal(got.text, text, 'text');
    assert.equal(got.finish, this.dialect.finish[end], 'finish');
  }

  async plain(answer = (ask) => this.client.whole(ask)) {
    const { hello, said } = this.texts;
    const system = this.dialect.noSystem ? '' : this.texts.system;
    const got = await answer(this.ask([{ user: hello }], { system }));
    this.check(got, said + hello);
    assert.equal(got.inputTokens, words(system, hello), 'input tokens');
    assert.equal(got.outputTokens, words(got.text), 'output tokens');
    this.check(await answer(this.ask([{ user: hello }], { maxTokens: 3 })), 'You said: Grüezi, ', 'length');
  }

  async stream() {
    await this.plain((ask) => this.client.streamed(ask));
    if (this.direct) return; // not every SDK reads what follows; the gateway must, and pass it on tidied up
    // Events in pieces of three bytes, CRLF, comments, a byte order mark.
    const got = await this.client.streamed(this.ask([{ user: this.texts.hello }], { behaviour: 'awkward' }));
    this.check(got, this.texts.said + this.texts.hello);
  }

  /** Checks calls: which tool, and which sample of its arguments. */
  calls(got, ...want) {
    const named = want.map(([tool, nth]) => [this.matrix.tools[tool].name, this.matrix.tools[tool].arguments[nth]]);
    assert.deepEqual(got.calls.map((c) => [c.name, c.arguments]), named, 'calls');
    assert.equal(got.finish, this.dialect.finish.tools, 'finish');
    const ids = got.calls.map((c) => c.id).filter(Boolean); // Gemini's calls may have none
    assert.equal(new Set(ids).size, ids.length, 'two calls have one id');
  }

  results(got) {
    return got.calls.map((call) => [call, this.matrix.tools.find((t) => t.name === call.name).result]);
  }

  quoted(results, text) {
    return `The tools said: ${results.map(([, said]) => said).join(' | ')}. ${this.texts.said}${text}`;
  }

  /** A call, its results, and the answer that quotes them. */
  async use(text, want, more) {
    const ask = this.ask([{ user: text }], { tools: this.toolbox, ...more });
    const first = await this.both(ask);
    this.calls(first, ...want);
    const results = this.results(first);
    const last = await this.both({ ...ask, turns: [{ user: text }, first, { results }] });
    this.check(last, this.quoted(results, text));
  }

  async tools() {
    await this.use(this.texts.tools, [[0, 0]], { system: this.texts.system });
    const odd = await this.both(this.ask([{ user: this.texts.tools }], { tools: this.toolbox.slice(0, 1), behaviour: 'odd-arguments' }));
    assert.deepEqual(odd.calls.map((c) => c.arguments), [this.matrix.oddArguments], 'odd arguments');
  }

  parallel() {
    return this.use(this.texts.tools, [[0, 0], [1, 1]], { behaviour: 'parallel-tools' });
  }

  async structured() {
    const got = await this.both(this.ask([{ user: this.texts.hello }], { schema: this.matrix.schema }));
    assert.deepEqual(JSON.parse(got.text), this.matrix.structured);
    assert.equal(got.finish, this.dialect.finish.end);
  }

  async image() {
    const user = { user: this.texts.image, image: png() };
    const seen = `I see image/png of ${user.image.length} bytes. ${this.texts.said}`;
    const first = await this.both(this.ask([user]));
    this.check(first, seen + user.user);
    // The picture is still there when the conversation goes on.
    this.check(await this.both(this.ask([user, first, { user: 'And now?' }])), `${seen}And now?`);
  }

  async thinking() {
    const text = this.texts.tools;
    const ask = this.ask([{ user: text }], { thinking: true, tools: this.toolbox, behaviour: 'thinking' });
    const first = await this.both(ask);
    assert.equal(first.thinking, this.thought(text), 'thinking');
    // Gemini signs what follows its thoughts: only its own dialect has a place for that.
    if (this.dialect.signs && (this.family.signs === 'thoughts' || this.own())) assert.ok(first.signature, 'the thinking is not signed');
    this.calls(first, [0, 0]);
    // The next turn holds what was thought, as the SDK gave it; the provider checks what it signed.
    const results = this.results(first);
    const last = await this.both({ ...ask, turns: [{ user: text }, first, { results }] });
    assert.equal(last.thinking, this.thought(text), 'thinking');
    this.check(last, this.quoted(results, text));
  }

  /** Four rounds of a question, two calls, their results and an answer. */
  async conversation() {
    const turns = [];
    let read = 0;
    for (let round = 0; round < 4; round++) {
      const user = { user: `Question ${round}: ${this.texts.tools}` };
      const ask = this.ask([...turns, user], { tools: this.toolbox, behaviour: 'parallel-tools', system: this.texts.system });
      const asked = await (round % 2 ? this.client.whole(ask) : this.client.streamed(ask));
      this.calls(asked, [0, 0], [1, 1]);
      assert.ok(asked.inputTokens > read, `round ${round} read ${asked.inputTokens} tokens, the one before ${read}`);
      const results = this.results(asked);
      const answered = await this.both({ ...ask, turns: [...turns, user, asked, { results }] });
      this.check(answered, this.quoted(results, user.user));
      turns.push(user, asked, { results }, answered);
      read = answered.inputTokens;
    }
    // Every word of all four rounds was read: what is lost is not counted.
    const least = words(this.texts.system) + 4 * words(this.texts.tools, ...this.matrix.tools.map((t) => t.result));
    assert.ok(read >= least, `only ${read} tokens were read of at least ${least}`);
  }

  async error() {
    const { faults } = this.client;
    const turns = [{ user: this.texts.hello }];
    const kinds = {
      'rate-limited': 'rateLimited', 'context-exceeded': 'contextExceeded', rejected: 'rejected', overloaded: 'unavailable',
      ...(this.direct ? { missing: 'notFound' } : { unauthorized: 'auth' }),
    };
    for (const [behaviour, kind] of Object.entries(kinds)) {
      for (const way of ['whole', 'streamed']) await this.fails(this.client, way, this.ask(turns, { behaviour }), faults[kind], behaviour);
    }
    await this.fails(this.stranger, 'whole', this.ask(turns), faults.unauthenticated, 'unknown key');
    if (!this.direct) await this.fails(this.client, 'whole', { ...this.ask(turns), model: 'no-such-model' }, faults.notFound, 'unknown model');
    // Where a connection ends within an answer, SDKs let their HTTP library speak; the gateway says it in a form of theirs.
    for (const behaviour of this.direct ? ['error-in-stream'] : ['cut', 'error-in-stream']) {
      await this.fails(this.client, 'streamed', this.ask(turns, { behaviour }), faults.interrupted, behaviour);
    }
  }

  async fails(client, way, ask, want, what) {
    let got;
    try {
      got = await client[way](ask);
    } catch (error) {
      const fault = client.fault(error);
      assert.ok(fault, `${what}: ${error?.constructor?.name} is not an error of the SDK: ${error}`);
      assert.ok(fault.kinds.includes(want), `${what}: ${fault.kinds} (${fault.status}) instead of ${want}: ${fault.text.slice(0, 200)}`);
      if (!this.direct) {
        for (const secret of ['sk-leaked', '10.1.2.3']) assert.ok(!fault.text.includes(secret), `${what}: the error shows what only the provider should know`);
      }
      return;
    }
    assert.fail(`${what}: no error but ${JSON.stringify(got.text)}`);
  }
}

/** The names of an error's classes, the nearest first. */
export function kindsOf(error) {
  const out = [];
  for (let type = error?.constructor; type && type !== Object; type = Object.getPrototypeOf(type)) if (type.name) out.push(type.name);
  return out;
}
