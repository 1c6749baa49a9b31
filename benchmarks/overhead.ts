/**
 * What a stream costs beside the same work written by hand on node-llama-cpp's calls: append (read a text), score (its
 * negative log-likelihoods) and generate. In turn, the same tokens, the same context settings; the ratio is by hand ÷ stream,
 * so 1 is no overhead and below 1 the stream is slower.
 */
import { openStream, type LlamaStream } from "@kvpolicy/llamacpp-adapter";
import { dense } from "@kvpolicy/dense";
import { TokenBias, type LlamaContextSequence, type Token } from "node-llama-cpp";

import { quantiles } from "@kvpolicy/bench";

import { loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const CELLS = 512;
const ROUNDS = 9;
const GENERATED = 128;

await using loaded = await loadNamedModel();
const { model } = loaded;
const tokens = await readTokens(model, 256);
const settings = {
  contextSize: CELLS,
  batchSize: CELLS,
  flashAttention: false,
  sequences: 1,
  threads: THREADS,
} as const;

/** A bias against every token that ends a generation, so that both sides generate as many tokens. */
const neverEnd = TokenBias.for(model);
model.fileInfo.metadata.tokenizer.ggml.tokens.forEach((_, token) => {
  if (model.isEogToken(token as Token)) neverEnd.set(token as Token, "never");
});

async function byStream(task: (stream: LlamaStream) => Promise<unknown>): Promise<number> {
  await using stream = await openStream(model, {
    policy: dense(),
    budget: CELLS,
    bos: false,
    threads: THREADS,
    onWarning: () => undefined,
  });
  return await time(() => task(stream));
}

async function byHand(task: (sequence: LlamaContextSequence) => Promise<unknown>): Promise<number> {
  await using context = await model.createContext(settings);
  const sequence = context.getSequence();
  return await time(() => task(sequence));
}

const prompt = [...tokens] as Token[];
const pairs: Record<string, { stream: () => Promise<number>; hand: () => Promise<number>; tokens: number }> =
  {
    append: {
      tokens: tokens.length,
      stream: () => byStream((stream) => stream.append(tokens)),
      hand: () => byHand((sequence) => sequence.evaluateWithoutGeneratingNewTokens(prompt)),
    },
    score: {
      tokens: tokens.length,
      stream: () => byStream((stream) => stream.score(tokens)),
      hand: () =>
        byHand(async (sequence) => {
          const outputs = await sequence.controlledEvaluate(
            prompt.map((token, index) => {
              const target = prompt[index + 1];
              if (target === undefined) return token;
              const logits = { filter: { tokens: [target], includeSelected: true } };
              return [token, { generateNext: { token: true, logits, totalLogitWeight: true } }];
            }),
          );
          return outputs.map((output, index) => {
            const { token, logits, totalLogitWeight } = output?.next ?? {};
            const [selected, target] = [logits?.get(token!), logits?.get(prompt[index + 1]!)];
            return (selected ?? NaN) - (target ?? NaN) + Math.log(totalLogitWeight ?? NaN);
          });
        }),
    },
    generate: {
      tokens: GENERATED,
      stream: () =>
        byStream(async (stream) => {
          const pieces: string[] = [];
          await stream.append(tokens.subarray(0, 16));
          const generated = stream.generate({ maxTokens: GENERATED, tokenBias: neverEnd });
          for await (const { text } of generated) pieces.push(text);
        }),
      hand: () =>
        byHand(async (sequence) => {
          const pieces: string[] = [];
          const generated: Token[] = [];
          for await (const token of sequence.evaluate(prompt.slice(0, 16), { tokenBias: neverEnd })) {
            pieces.push(model.detokenize([token], false, generated.slice(-3)));
            generated.push(token);
            if (generated.length === GENERATED) break;
          }
        }),
    },
  };

const figures: Record<string, object> = {};
for (const [name, pair] of Object.entries(pairs)) {
  await pair.stream();
  await pair.hand();
  const ratios: number[] = [];
  const [streams, hands]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = round % 2 === 0;
    if (first) streams.push(await pair.stream());
    hands.push(await pair.hand());
    if (!first) streams.push(await pair.stream());
    ratios.push((hands[round] ?? NaN) / (streams[round] ?? NaN));
  }
  const middle = (values: number[]): number => quantiles(values, [0.5])[0] ?? NaN;
  const [low = NaN, mid = NaN, high = NaN] = quantiles(ratios, [0, 0.5, 1]);
  figures[name] = {
    rounds: ROUNDS,
    streamMillisecondsPerToken: round(middle(streams) / pair.tokens),
    handMillisecondsPerToken: round(middle(hands) / pair.tokens),
    handDividedByStream: { median: round(mid), minimum: round(low), maximum: round(high) },
  };
}
await writeResults("overhead", loaded, figures);
