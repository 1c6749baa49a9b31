import { sinkWindow } from "@kvpolicy/sink-window";

import { loadModel, openStream, type GgufSource } from "../src/index.js";

/** What a stream on the tiny model makes of a text, the same wherever it runs. */
export interface Reading {
  /** Tokens in the stream. */
  readonly position: number;
  /** Mean negative log-likelihood of the text's tokens, in nats. */
  readonly meanNll: number;
  /** What follows at temperature 0. */
  readonly continuation: string;
}

/** What Node reads; `tiny-models.test.ts` holds it against Node, `chromium.browser.test.ts` against a browser. */
export const EXPECTED: Reading = {
  position: 233,
  meanNll: 12.930382452123071,
  continuation: "ations.\n\n\nrangforation and ",
};

/** Reads a text under a policy that evicts, and generates. */
export async function read(source: GgufSource): Promise<Reading> {
  const model = await loadModel(source);
  await using stream = openStream(model, { policy: sinkWindow(), budget: 64 });
  const sentence = "The committee sent forty-two letters, and seven of them were answered.\n";
  for (let count = 0; count < 4; count += 1) await stream.appendText(sentence);
  const tokens = Array.from({ length: 100 }, (_, index) => 2 + index * 3);
  const nlls = await stream.score(tokens);
  let continuation = "";
  for await (const { text } of stream.generate({ maxTokens: 12 })) continuation += text;
  return {
    position: stream.position,
    meanNll: nlls.reduce((sum, nll) => sum + nll, 0) / nlls.length,
    continuation,
  };
}
