import { checkCount, KVPolicyError } from "@kvpolicy/core";

import { disposeAll } from "./dispose-all.js";
import type { Contender, TextHead } from "./contender.js";
import { Reader, type Reading } from "./reader.js";

/** Options of {@link readText}. */
export interface ReadTextOptions {
  /** The text as token ids of the model, without a beginning-of-sequence token. */
  readonly tokens: ArrayLike<number>;
  /** The policies to compare, each with a stream of its own. */
  readonly contenders: readonly Contender[];
  /** Cells that the evicting contenders may use. Figures "once the cache is full" begin at this stream position for all. */
  readonly budget: number;
  /** Tokens that one contender reads before the next has its turn. Defaults to 64. */
  readonly slice?: number | undefined;
  /** Stops between two steps; what was measured is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Tells the time in milliseconds, from any start. Defaults to `performance.now`. */
  readonly clock?: (() => number) | undefined;
  /** Tells the memory that the process holds, in bytes. Defaults to none. */
  readonly residentBytes?: (() => number) | undefined;
  /** Called after each step of any contender, with objects that go on changing: read them at once. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** How far a comparison is. */
export interface Progress {
  /** Tokens of the text. */
  readonly total: number;
  /** The contenders in the order given. */
  readonly readings: readonly Reading[];
}

/** Memory of the whole process. */
export interface ResidentBytes {
  /** Before the first stream was opened; the model is loaded by then. */
  readonly start: number;
  /** Most at the end of any slice. */
  readonly peak: number;
  /** After the last token, all streams still open. */
  readonly end: number;
}

/** What {@link readText} measured. */
export interface Measurement {
  /** Cells that the evicting contenders could use. */
  readonly budget: number;
  /** Tokens of the text. */
  readonly total: number;
  /** Tokens that one contender read before the next had its turn. */
  readonly slice: number;
  /** Whether the signal stopped it before the end. */
  readonly partial: boolean;
  /** Time from the first opening to the last token. */
  readonly milliseconds: number;
  /** Memory of the process; null when nobody told. */
  readonly residentBytes: ResidentBytes | null;
  /** One for each contender, in the order given. */
  readonly readings: readonly Reading[];
}

/**
 * Reads one text with several policies side by side and measures quality and time.
 *
 * The contenders take turns, a slice of the text each, so that a machine that becomes slower does so for all. A slice ends
 * between two strides: no stride is cut in two.
 *
 * @throws {KVPolicyError} `empty` for a text without tokens, `config` for no contenders, two of one name, or a head that is longer than
 * the text, shorter than what it replaces, or not shorter than the budget. Failures of a single contender do not throw: they are in its
 * reading.
 */
export async function readText(options: ReadTextOptions): Promise<Measurement> {
  const { budget, contenders, slice = 64, signal, residentBytes, clock = () => performance.now() } = options;
  checkOptions(options);
  const tokens = Uint32Array.from(options.tokens);
  const readings: Reader[] = [];
  const onStep = (): void => options.onProgress?.({ total: tokens.length, readings });
  for (const contender of contenders) {
    readings.push(new Reader(contender, { tokens, budget, clock, signal, onStep }));
  }

  const memory = residentBytes && new MemoryWatch(residentBytes);
  const start = clock();
  try {
    for (const reader of readings) {
      if (!signal?.aborted) await reader.open();
    }
    failMisaligned(readings);
    for (let end = slice; readings.some(({ status }) => status === "reading"); end += slice) {
      for (const reader of readings) {
        if (signal?.aborted) break;
        await reader.readTo(Math.min(end, tokens.length));
        memory?.look();
      }
      if (signal?.aborted) break;
    }
    return {
      budget,
      total: tokens.length,
      slice,
      partial: readings.some(({ status }) => status === "reading"),
      milliseconds: clock() - start,
      residentBytes: memory?.finish() ?? null,
      readings,
    };
  } finally {
    await disposeAll(readings);
  }
}

class MemoryWatch {
  readonly #tell: () => number;
  readonly #start: number;
  #peak: number;

  constructor(tell: () => number) {
    this.#tell = tell;
    this.#start = tell();
    this.#peak = this.#start;
  }

  look(): number {
    const now = this.#tell();
    this.#peak = Math.max(this.#peak, now);
    return now;
  }

  finish(): ResidentBytes {
    const end = this.look();
    return { start: this.#start, peak: this.#peak, end };
  }
}

/** Fails the readers whose head moved the text: at one stream position they would read another token than the others. */
function failMisaligned(readings: readonly Reader[]): void {
  const opened = readings.filter(({ stats }) => stats !== null);
  const start = opened.find(({ hasHead }) => !hasHead)?.firstPosition;
  for (const reader of opened) {
    const { name, hasHead, firstPosition } = reader;
    if (!hasHead || start === undefined || firstPosition === start) continue;
    reader.fail(
      new KVPolicyError({
        code: "config",
        message: `With its head "${name}" has the text at stream position ${firstPosition}, the others at ${start}: nothing could be compared.`,
        details: { option: "head", value: firstPosition },
      }),
    );
  }
}

function checkOptions({ tokens, contenders, budget }: ReadTextOptions): void {
  if (tokens.length === 0) {
    throw new KVPolicyError({
      code: "empty",
      message: "The text is empty: there is nothing to read.",
      details: { what: "text" },
    });
  }
  for (const { name, head } of contenders) if (head) checkHead(name, head, tokens.length, budget);
  const names = contenders.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (names.length > 0 && twice === undefined) return;
  throw new KVPolicyError({
    code: "config",
    message: twice === undefined ? "There is no policy to measure." : `Two policies are called "${twice}".`,
    details: { option: "contenders", value: names },
  });
}

function checkHead(name: string, head: TextHead, length: number, budget: number): void {
  checkCount(name, "head.replaces", head.replaces, 0);
  const problem = findHeadProblem(head, length, budget);
  if (problem === undefined) return;
  throw new KVPolicyError({
    code: "config",
    message: `The head of "${name}" ${problem}.`,
    details: { option: "head", value: { tokens: head.tokens.length, replaces: head.replaces } },
  });
}

function findHeadProblem(
  { tokens: { length: count }, replaces }: TextHead,
  length: number,
  budget: number,
): string | undefined {
  if (replaces > length) return `replaces ${replaces} tokens, and the text has ${length}`;
  if (replaces > count) return `has ${count} tokens in place of ${replaces}, which would move the text`;
  // Not as many as the budget: a beginning-of-sequence token may stand in front.
  if (count >= budget)
    return `has ${count} tokens, which is too many before a budget of ${budget} cells is full`;
  return undefined;
}
