// The provider of this suite: the fake that the Go tests use. A model's name
// chooses how it behaves.
import { startFakes } from '../stage/fakes.mjs';

/** What it answers to a text. */
export const said = (text) => `You said: ${text}`;

/** Starts it. */
export async function startUpstream() {
  const { places, stop } = await startFakes();
  const { url, key, requests } = places.openai;
  return {
    url,
    key,
    stop,
    /** The requests for a model, the last one last. */
    seen: async (model) => (await fetch(`${requests}?model=${encodeURIComponent(model)}`)).json(),
    /** The body of the last request for a model. */
    async last(model) {
      return (await this.seen(model)).at(-1).body;
    },
  };
}
