/**
 * What a stream costs beside the same work written by hand on node-llama-cpp's calls: append (read a text), score (its
 * negative log-likelihoods) and generate. In turn, the same tokens, the same context settings; the ratio is by hand ÷ stream,
 * so 1 is no overhead and below 1 the stream is slower. Both must make the same: the token ids that are generated, and likelihoods but
 * for rounding (`meanDifference`).
 */
import { openStream, type LlamaStream } from "@kvpolicy/llamacpp-adapter";
import { dense } from "@kvpolicy/dense";
import type { LlamaContextSequence, Token } from "node-llama-cpp";

import { quantiles } from "@kvpolicy/bench";

import { loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const CELLS = 512;
/** Rounds of a pair: more of a small model, which a short disturbance moves most. */
const FEWEST_ROUNDS = 9;
const MOST_ROUNDS = 61;
/** Milliseconds after which the fewest rounds are enough. */
const ENOUGH = 10_000;
const GENERATED = 128;
/** Tokens in front of what is generated. */
const PROMPT = 16;

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

/** What a side made, for the other to be held against: token ids, or negative log-likelihoods. */
type Made = ArrayLike<number>;

interface Outcome {
  readonly milliseconds: number;
  readonly made: Made;
}

interface Pair {
  /** Tokens of the task: read, or generated. */
  readonly tokens: number;
  readonly stream: () => Promise<Outcome>;
  readonly hand: () => Promise<Outcome>;
  /** Most that what the two sides made may differ by, on average: where weights are quantised, the size of a batch changes the rounding. */
  readonly tolerance: number;
}

async function measure(task: () => Promise<Made>): Promise<Outcome> {
  let made: Made = [];
  const milliseconds = await time(async () => {
    made = await task();
  });
  return { milliseconds, made };
}

async function byStream(task: (stream: LlamaStream) => Promise<Made>): Promise<Outcome> {
  await using stream = await openStream(model, {
    policy: dense(),
    budget: CELLS,
    bos: false,
    threads: THREADS,
    onWarning: () => undefined,
  });
  return await measure(() => task(stream));
}

async function byHand(task: (sequence: LlamaContextSequence) => Promise<Made>): Promise<Outcome> {
  await using context = await model.createContext(settings);
  const sequence = context.getSequence();
  return await measure(() => task(sequence));
}

/** Generates by hand, as text; answers the token ids. */
async function generateByHand(sequence: LlamaContextSequence, prompt: readonly Token[]): Promise<Token[]> {
  const pieces: string[] = [];
  const generated: Token[] = [];
  for await (const token of sequence.evaluate([...prompt])) {
    pieces.push(model.detokenize([token], false, generated.slice(-3)));
    generated.push(token);
    if (generated.length === GENERATED) break;
  }
  return generated;
}

/**
 * A part of the text after which the model writes on and on. No bias can forbid it to end: node-llama-cpp ignores one against tokens that
 * end a generation.
 */
async function findPrompt(): Promise<readonly Token[]> {
  for (let start = 0; start + PROMPT <= tokens.length; start += PROMPT) {
    const prompt = book.slice(start, start + PROMPT);
    const { made } = await byHand((sequence) => generateByHand(sequence, prompt));
    if (made.length === GENERATED) return prompt;
  }
  throw new Error(`After no part of the text the model writes ${GENERATED} tokens.`);
}

const book = [...tokens] as Token[];
const prompt = await findPrompt();
const pairs: Record<string, Pair> = {
  append: {
    tokens: tokens.length,
    tolerance: 0,
    stream: () =>
      byStream(async (stream) => {
        await stream.append(tokens);
        return [];
      }),
    hand: () =>
      byHand(async (sequence) => {
        await sequence.evaluateWithoutGeneratingNewTokens(book);
        return [];
      }),
  },
  score: {
    tokens: tokens.length,
    tolerance: 0.1,
    // Nothing predicts the first token.
    stream: () => byStream(async (stream) => (await stream.score(tokens)).subarray(1)),
    hand: () =>
      byHand(async (sequence) => {
        const outputs = await sequence.controlledEvaluate(
          book.map((token, index) => {
            const target = book[index + 1];
            if (target === undefined) return token;
            const logits = { filter: { tokens: [target], includeSelected: true } };
            return [token, { generateNext: { token: true, logits, totalLogitWeight: true } }];
          }),
        );
        return outputs.slice(0, book.length - 1).map((output, index) => {
          const { token, logits, totalLogitWeight } = output?.next ?? {};
          const [selected, target] = [logits?.get(token!), logits?.get(book[index + 1]!)];
          return (selected ?? NaN) - (target ?? NaN) + Math.log(totalLogitWeight ?? NaN);
        });
      }),
  },
  generate: {
    tokens: GENERATED,
    tolerance: 0,
    stream: () =>
      byStream(async (stream) => {
        const pieces: string[] = [];
        const generated: number[] = [];
        await stream.append(prompt);
        for await (const { token, text } of stream.generate({ maxTokens: GENERATED })) {
          pieces.push(text);
          generated.push(token);
        }
        return generated;
      }),
    hand: () => byHand((sequence) => generateByHand(sequence, prompt)),
  },
};

/** How far what the two sides made lies apart, on average; an error when it is not the same work. */
function compare(name: string, { tolerance }: Pair, [one, other]: readonly [Made, Made]): number {
  const distances = Array.from(one, (value, index) => Math.abs(value - (other[index] ?? NaN)));
  const distance = distances.reduce((sum, value) => sum + value, 0) / Math.max(1, distances.length);
  if (one.length === other.length && distance <= tolerance) return distance;
  throw new Error(`${name}: by hand and by stream is not the same work; they differ by ${distance}.`);
}

const figures: Record<string, object> = {};
for (const [name, pair] of Object.entries(pairs)) {
  const difference = compare(name, pair, [(await pair.stream()).made, (await pair.hand()).made]);
  const ratios: number[] = [];
  const [streams, hands]: [number[], number[]] = [[], []];
  const start = performance.now();
  const isEnough = (rounds: number): boolean =>
    rounds >= MOST_ROUNDS || (rounds >= FEWEST_ROUNDS && performance.now() - start >= ENOUGH);
  for (let turn = 0; !isEnough(turn); turn += 1) {
    const first = turn % 2 === 0;
    if (first) streams.push((await pair.stream()).milliseconds);
    hands.push((await pair.hand()).milliseconds);
    if (!first) streams.push((await pair.stream()).milliseconds);
    ratios.push((hands[turn] ?? NaN) / (streams[turn] ?? NaN));
  }
  const middle = (values: number[]): number => quantiles(values, [0.5])[0] ?? NaN;
  const [minimum = NaN, lowerQuartile = NaN, median = NaN, upperQuartile = NaN, maximum = NaN] = quantiles(
    ratios,
    [0, 0.25, 0.5, 0.75, 1],
  );
  figures[name] = {
    rounds: ratios.length,
    tokens: pair.tokens,
    meanDifference: round(difference),
    streamMillisecondsPerToken: round(middle(streams) / pair.tokens),
    handMillisecondsPerToken: round(middle(hands) / pair.tokens),
    handDividedByStream: {
      median: round(median),
      lowerQuartile: round(lowerQuartile),
      upperQuartile: round(upperQuartile),
      minimum: round(minimum),
      maximum: round(maximum),
    },
  };
}
await writeResults("overhead", loaded, figures);
