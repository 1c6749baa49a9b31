import { KVPolicyError, type KVCachePolicy, type StreamStats } from "@kvpolicy/core";

import type { Contender, ReadStream, TextHead } from "./contender.js";
import { StrideTimer, type Timings } from "./stride-timer.js";

/** What a reader needs beside its contender. */
export interface ReaderOptions {
  /** The text. */
  readonly tokens: Uint32Array;
  /** Cells that the evicting contenders may use: where the cache counts as full for all. */
  readonly budget: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
  /** Stops between two steps. */
  readonly signal: AbortSignal | undefined;
  /** Called after each step. */
  readonly onStep: () => void;
}

/** What became of one contender. */
export interface Reading {
  /** Its name. */
  readonly name: string;
  /** Its policy. */
  readonly policy: KVCachePolicy;
  /** `reading` while there is more to read, `complete` after the last token, `failed` with an error. */
  readonly status: "reading" | "complete" | "failed";
  /** Negative log-likelihoods (nats) of the tokens read so far, from the first of the text or what replaces it. */
  readonly nlls: Float64Array;
  /** Cells that its stream may use, null when it never opened. */
  readonly budget: number | null;
  /** Stream position of the first token of the text: 1 behind a beginning-of-sequence token or one put in its place, else 0. */
  readonly firstPosition: number;
  /** Sum of `nlls` over stream positions from the common budget on, kept up while reading. */
  readonly fullNll: number;
  /** Time spent in its steps. */
  readonly milliseconds: number;
  /** Whole strides once the cache was full. */
  readonly timings: Timings;
  /** The stream's counters, null when it never opened. */
  readonly stats: StreamStats | null;
  /** Mean cells that a token could see once the cache was full; null before. */
  readonly meanCells: number | null;
  /** Bytes that the engine allocated for its context, null when it does not tell. */
  readonly contextBytes: number | null;
  /** What works but may surprise. */
  readonly warnings: readonly string[];
  /** Why it failed. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

const SLICE_END = Symbol("the slice is over");

/** Reads the text with one contender, slice by slice, and measures. */
export class Reader implements Reading {
  readonly name: string;
  readonly policy: KVCachePolicy;
  status: Reading["status"] = "reading";
  budget: number | null = null;
  firstPosition = 0;
  fullNll = 0;
  milliseconds = 0;
  contextBytes: number | null = null;
  error: Reading["error"] = null;
  readonly warnings: string[] = [];
  readonly #contender: Contender;
  readonly #tokens: Uint32Array;
  readonly #options: ReaderOptions;
  readonly #nlls: Float64Array;
  readonly #timer = new StrideTimer();
  #stream: ReadStream | undefined;
  #stats: StreamStats | undefined;
  #statsWhenFull: StreamStats | undefined;
  #read = 0;

  constructor(contender: Contender, options: ReaderOptions) {
    this.name = contender.name;
    this.policy = contender.policy;
    this.#contender = contender;
    this.#options = options;
    this.#tokens = replaceHead(options.tokens, contender.head);
    this.#nlls = new Float64Array(options.tokens.length);
  }

  /** Whether it reads other first tokens than those of the text. */
  get hasHead(): boolean {
    return this.#contender.head !== undefined;
  }

  get nlls(): Float64Array {
    return this.#nlls.subarray(0, this.#read);
  }

  get timings(): Timings {
    return this.#timer.timings;
  }

  get stats(): StreamStats | null {
    return this.#stats ?? null;
  }

  get meanCells(): number | null {
    const [from, to] = [this.#statsWhenFull, this.#stats];
    if (!from || !to || from.tokens === to.tokens) return null;
    return (to.cellsSeen - from.cellsSeen) / (to.tokens - from.tokens);
  }

  async open(): Promise<void> {
    await this.#orFail(async () => {
      const stream = await this.#contender.open((message) => this.warnings.push(message));
      this.#stream = stream;
      await this.#readFront(stream);
      this.#stats = stream.stats;
      this.budget = stream.budget;
      this.firstPosition = stream.position;
      this.contextBytes = stream.contextBytes ?? null;
    });
  }

  /** Reads until `end` tokens of the text are read, and on to the end of the stride that this falls into. */
  async readTo(end: number): Promise<void> {
    const stream = this.#stream;
    if (!stream || this.status !== "reading" || this.#read >= end) return;
    const { budget, clock, signal, onStep } = this.#options;
    const tokens = this.#tokens;
    const start = this.#read;
    const limit = Math.min(tokens.length, end + budget);
    const slice = new AbortController();
    let before = clock();
    await this.#orFail(() =>
      stream.score(tokens.subarray(start, limit), {
        into: this.#nlls.subarray(start, limit),
        signal: slice.signal,
        onStep: (appended) => {
          this.#noteStep(stream, start + appended, clock() - before);
          onStep();
          const isDone = this.#read >= end && !this.#timer.isInsideStride;
          if (isDone || signal?.aborted) slice.abort(SLICE_END);
          before = clock();
        },
      }),
    );
    if (!this.error && this.#read === tokens.length) this.status = "complete";
  }

  async dispose(): Promise<void> {
    await this.#stream?.dispose();
    this.#stream = undefined;
  }

  /** Ends the reading with an error. */
  fail({ code, message }: KVPolicyError): void {
    this.status = "failed";
    this.error = { code, message };
  }

  /** Reads what a head puts in front of the text. It is measured as little as a beginning-of-sequence token is. */
  async #readFront(stream: ReadStream): Promise<void> {
    const { head } = this.#contender;
    if (!head) return;
    const tokens = Uint32Array.from(head.tokens);
    this.warnings.push(
      `Reads ${tokens.length} other tokens in place of the first ${head.replaces} of the text.`,
    );
    if (tokens.length > head.replaces) await stream.score(tokens.subarray(0, tokens.length - head.replaces));
  }

  #noteStep(stream: ReadStream, read: number, milliseconds: number): void {
    const { budget } = this.#options;
    const before = this.#stats;
    const stats = stream.stats;
    this.#timer.add({
      milliseconds,
      tokens: read - this.#read,
      evicted: stats.evictions !== before?.evictions,
      fills: stream.length === stream.budget,
      counts: this.firstPosition + this.#read >= budget,
    });
    this.milliseconds += milliseconds;
    for (let index = this.#read; index < read; index += 1) {
      if (this.firstPosition + index >= budget) this.fullNll += this.#nlls[index] ?? NaN;
    }
    this.#read = read;
    this.#stats = stats;
    if (this.firstPosition + read >= budget) this.#statsWhenFull ??= stats;
  }

  async #orFail(task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (error === SLICE_END) return;
      if (!KVPolicyError.isInstance(error)) throw error;
      this.fail(error);
    }
  }
}

/** The text as a contender reads it: the same array without a head, else a copy. */
function replaceHead(text: Uint32Array, head: TextHead | undefined): Uint32Array {
  if (!head) return text;
  const tokens = Uint32Array.from(head.tokens);
  const replaced = text.slice();
  replaced.set(tokens.subarray(tokens.length - head.replaces));
  return replaced;
}
