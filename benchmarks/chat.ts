/**
 * A long conversation in a small cache: `openChat`, which adds what is new and evicts whole exchanges, and node-llama-cpp's own
 * `LlamaChatSession` with its default context shift, on the same messages, turn by turn in one run. For each: the time to the
 * first token, and the tokens that were evaluated. After every turn, token ids say whether a half of an exchange is left. `--only=openChat` leaves the other out.
 */
import { quantiles } from "@kvpolicy/bench";
import { openChat } from "@kvpolicy/llamacpp-adapter";
import { pinned } from "@kvpolicy/pinned";
import { sinkWindow } from "@kvpolicy/sink-window";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { LlamaChatSession, type Token } from "node-llama-cpp";

import { flag, loadNamedModel, round, THREADS, writeResults } from "./shared.js";

const BUDGET = 1024;
const TURNS = Number(flag("turns") ?? 200);
const ANSWER = 24;
/** Turns whose figures are averaged around a turn that is shown. */
const AROUND = 10;

const SYSTEM =
  "You are the keeper of a lighthouse on a small island. You answer the questions of travellers in one or two short sentences.";
const TOPICS = [
  ...[
    "the harbour",
    "the storm of last winter",
    "your lamp",
    "the old boat",
    "the gulls",
    "the road to the town",
  ],
  ...[
    "the captain",
    "the fog",
    "the nets",
    "the well",
    "the church bell",
    "the tides",
    "the market",
    "the bridge",
  ],
];
const QUESTIONS = [
  (topic: string, turn: number) => `Question ${turn}: what can you tell me about ${topic}?`,
  (topic: string) => `And do you like ${topic}, or would you rather be somewhere else?`,
  (topic: string) => `Who was it that spoke of ${topic} yesterday, and what did they want?`,
  (topic: string, turn: number) => `I have asked you ${turn} things by now. One more: how old is ${topic}?`,
  (topic: string) => `Thank you. Please say something kind about ${topic}.`,
];

interface Turn {
  readonly firstTokenMilliseconds: number;
  readonly turnMilliseconds: number;
  readonly evaluated: number;
  readonly added: number;
}

await using loaded = await loadNamedModel();
const { model } = loaded;
await using chat = await openChat(model, {
  policy: pinned(turnAligned(sinkWindow())),
  systemPrompt: SYSTEM,
  budget: BUDGET,
  threads: THREADS,
});
await using context = await model.createContext({
  contextSize: BUDGET,
  batchSize: 512,
  flashAttention: false,
  threads: THREADS,
});
const sequence = context.getSequence();
const session = new LlamaChatSession({ contextSequence: sequence, systemPrompt: SYSTEM });

/** Every token of the stream, by stream position. */
const said: number[] = [];
let halves = 0;
let exchangesKept = 0;

function inspectCells(): void {
  const { tokens, positions } = chat.stream.cells();
  positions.forEach((position, index) => (said[position] = tokens[index] ?? NaN));
  const opening = model.tokenize("<|im_start|>user", true);
  const starts = said.flatMap((_, position) =>
    opening.every((token, offset) => said[position + offset] === token) ? [position] : [],
  );
  if (starts.length === 0) throw new Error("the model's template is not ChatML: half turns cannot be told");
  const live = new Set(positions);
  exchangesKept = 0;
  starts.forEach((start, index) => {
    const end = starts[index + 1] ?? said.length;
    const left = Array.from({ length: end - start }, (_, offset) => start + offset).filter((position) =>
      live.has(position),
    ).length;
    if (left === end - start) exchangesKept += 1;
    else if (left > 0) halves += 1;
  });
}

async function measure(
  ask: (onTextChunk: () => void) => Promise<{ evaluated: number; added: number }>,
): Promise<Turn> {
  const begun = performance.now();
  let firstTokenMilliseconds = NaN;
  const counts = await ask(() => {
    if (Number.isNaN(firstTokenMilliseconds)) firstTokenMilliseconds = performance.now() - begun;
  });
  return { firstTokenMilliseconds, turnMilliseconds: performance.now() - begun, ...counts };
}

const ours: Turn[] = [];
const theirs: Turn[] = [];
for (let turn = 0; turn < TURNS; turn += 1) {
  const topic = TOPICS[(turn * 5) % TOPICS.length] ?? "";
  const message = (QUESTIONS[turn % QUESTIONS.length] ?? String)(topic, turn);
  ours.push(
    await measure(async (onTextChunk) => {
      const { usage } = await chat.promptWithMeta(message, { maxTokens: ANSWER, onTextChunk });
      return { evaluated: usage.evaluated, added: usage.input + usage.output };
    }),
  );
  inspectCells();
  if (flag("only") !== "openChat") {
    theirs.push(
      await measure(async (onTextChunk) => {
        const before = sequence.tokenMeter.getState();
        const onToken: Token[] = [];
        await session.prompt(message, {
          maxTokens: ANSWER,
          onTextChunk,
          onToken: (tokens) => void onToken.push(...tokens),
        });
        const { usedInputTokens, usedOutputTokens } = sequence.tokenMeter.diff(before);
        return { evaluated: usedInputTokens + usedOutputTokens, added: onToken.length };
      }),
    );
  }
  if (turn % 20 === 19) console.error(`turn ${turn + 1}`);
}

/** The figures around a turn, and their spread over all turns. */
function describe(turns: readonly Turn[]): object {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const firstToken = turns.map(({ firstTokenMilliseconds }) => firstTokenMilliseconds);
  const whole = turns.map(({ turnMilliseconds }) => turnMilliseconds);
  const evaluated = turns.map((turn) => turn.evaluated);
  const shown = [10, 30, 100, 200].filter((turn) => turn <= turns.length);
  return {
    around: shown.map((turn) => {
      const range = [Math.max(0, turn - AROUND), turn] as const;
      return {
        turn,
        firstTokenMilliseconds: round(quantiles(firstToken.slice(...range), [0.5])[0] ?? NaN),
        turnMilliseconds: round(mean(whole.slice(...range))),
        evaluatedTokens: round(mean(evaluated.slice(...range))),
      };
    }),
    firstTokenMilliseconds: quantiles(firstToken, [0.5, 0.95, 1]).map(round),
    turnMilliseconds: quantiles(whole, [0.5, 0.95, 1]).map(round),
    secondsInAll: round(whole.reduce((sum, value) => sum + value, 0) / 1000),
    evaluatedTokensInAll: evaluated.reduce((sum, value) => sum + value, 0),
    evaluatedTokensByTurn: evaluated,
  };
}

const { stats } = chat.stream;
await writeResults("chat", loaded, {
  budget: BUDGET,
  turns: TURNS,
  answerTokens: ANSWER,
  means: `of the ${AROUND} turns up to the one that is named: the median of the time to the first token, the means of the rest; then median, 95 % and largest of all`,
  openChat: {
    ...describe(ours),
    tokensAddedInAll: ours.reduce((sum, { added }) => sum + added, 0),
    evictions: stats.evictions,
    evictedTokens: stats.evictedTokens,
    halfExchangesAfterAnyTurn: halves,
    exchangesInTheCacheAtTheEnd: exchangesKept,
  },
  ...(theirs.length > 0 && { LlamaChatSession: describe(theirs) }),
});
