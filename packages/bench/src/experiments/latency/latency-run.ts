import { KVPolicyError, type StreamStats } from "@kvpolicy/core";

import type { MeasuredModel, MeasuredStream } from "../../measure/measured-model.js";
import { movingBlockBootstrap } from "../../statistics/bootstrap.js";
import { quantiles } from "../../statistics/quantiles.js";
import { isAbort } from "../../measure/is-abort.js";
import { evaluatedTokens, preparePolicy, unitTokens, type LatencyContender } from "./latency-contender.js";
import type { LatencyRow } from "./latency-results.js";

/** What the runs of a measurement share. */
export interface LatencyRunOptions {
  /** The model. */
  readonly model: MeasuredModel;
  /** Cells of the stream. */
  readonly budget: number;
  /** The text; read again from its start when it is over. */
  readonly tokens: Uint32Array;
  /** How far an interval may reach from its mean, as a share of it, to be narrow enough. */
  readonly precision: number;
  /** Seed of the intervals. */
  readonly seed: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
  /** Tells the memory that the process holds. */
  readonly residentBytes: (() => number) | undefined;
  /** Stops between two tokens. */
  readonly signal: AbortSignal | undefined;
  /** Called after each step, outside of what is timed. */
  readonly onStep: () => void;
}

/** Units that an interval rests on before it may end a measurement. */
const FEWEST_UNITS = 8;
/** A first unit that took longer counts: nothing that is cold matters in it. */
const LONGEST_WARM_UP = 10_000;
/** The interval is looked at again when there are so many times as many units: drawing it takes time, too. */
const NEXT_LOOK = 1.1;
/** Units are whole strides, not tokens of a text: they may be drawn one by one, as far as the automatic choice allows. */
const BOOTSTRAP = { shortestBlock: 1, fewestBlocks: 3 };

/** The time of one contender at one budget, unit by unit. */
export class LatencyRun {
  readonly contender: LatencyContender;
  /** Time of all turns so far, with what is not counted. */
  spent = 0;
  readonly #options: LatencyRunOptions;
  readonly #milliseconds: number[] = [];
  readonly #counted = { tokens: 0, cellsSeen: 0, recomputedTokens: 0 };
  readonly #warnings: string[] = [];
  #stream: MeasuredStream | undefined;
  #status: LatencyRow["status"] = "left-out";
  #reason: string | null = "the measurement was stopped before";
  #fill = { tokens: 0, milliseconds: 0 };
  #residentBytes: number | null = null;
  #latest: number | undefined;
  #nextLook = FEWEST_UNITS;
  #reached = Infinity;

  constructor(contender: LatencyContender, options: LatencyRunOptions) {
    this.contender = contender;
    this.#options = options;
  }

  /** Whether it can measure: its stream is open. */
  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** Whether its interval is narrow enough. */
  get isSettled(): boolean {
    return this.#reached <= this.#options.precision;
  }

  /** Units that count. */
  get units(): number {
    return this.#milliseconds.length;
  }

  /** Tokens that were filled in, and the time of that. */
  get fill(): { readonly tokens: number; readonly milliseconds: number } {
    return this.#fill;
  }

  /** What the next unit will take in milliseconds: as much as the latest; before the first at least what evaluating its tokens took in the fill. */
  get expected(): number {
    if (this.#latest !== undefined) return this.#latest;
    const { tokens, milliseconds } = this.#fill;
    const pace = tokens === 0 ? 0 : milliseconds / tokens;
    return pace * evaluatedTokens(this.contender, this.#options.budget);
  }

  /** Milliseconds until the interval will be narrow enough, as far as can be told. */
  get expectedRest(): number {
    if (!this.isOpen || this.isSettled) return 0;
    const { units } = this;
    const ratio = this.#reached / this.#options.precision;
    const wanted = Number.isFinite(ratio) ? Math.ceil(units * ratio ** 2) : FEWEST_UNITS;
    return Math.max(1, wanted - units) * this.expected;
  }

  /** Opens its stream and fills the cache, if it has a place at this budget. */
  async open(): Promise<void> {
    const { model, budget, clock, residentBytes, signal, onStep } = this.#options;
    const before = residentBytes?.();
    await this.#orFail(async () => {
      const policy = preparePolicy(this.contender, budget);
      if (typeof policy === "string") {
        this.giveUp(policy);
        return;
      }
      const stream = await model.open({
        policy,
        budget,
        onWarning: (message) => this.#warnings.push(message),
      });
      this.#stream = stream;
      const start = clock();
      await stream.append(this.#take(stream.position, budget - stream.position), { signal, onStep });
      this.#fill = { tokens: budget, milliseconds: clock() - start };
    });
    if (this.isOpen && before !== undefined && residentBytes) this.#residentBytes = residentBytes() - before;
  }

  /** Measures one unit. The first is not counted unless it takes long; one that the signal interrupts never is. */
  async takeUnit(): Promise<void> {
    const { clock, signal } = this.#options;
    const start = clock();
    await this.#orFail(async () => {
      const stream = this.#stream;
      if (!stream) return;
      if (this.contender.kind === "dense") await this.#goBack(stream);
      const before = stream.stats;
      const milliseconds = await this.#readUnit(stream);
      if (signal?.aborted) return;
      this.#checkUnit(stream, before);
      const isWarmUp = this.#latest === undefined && milliseconds <= LONGEST_WARM_UP;
      this.#latest = clock() - start;
      if (!isWarmUp) this.#count(milliseconds, before, stream.stats);
    });
    this.spent += clock() - start;
  }

  /** Measures no further, and says why if there is nothing. */
  giveUp(reason: string): void {
    if (this.units === 0 && this.#status !== "failed") this.#reason = reason;
  }

  /** Frees the stream. */
  async dispose(): Promise<void> {
    await this.#stream?.dispose();
  }

  /** What was measured. */
  toRow(): LatencyRow {
    const { contender, units } = this;
    const { tokens, cellsSeen, recomputedTokens } = this.#counted;
    const perToken = this.#perToken();
    const [p50, p95] = units === 0 ? [null, null] : quantiles(perToken, [0.5, 0.95]);
    const estimate =
      units === 0 ? null : movingBlockBootstrap(perToken, { ...BOOTSTRAP, seed: this.#options.seed });
    return {
      contender: contender.name,
      kind: contender.kind,
      stride: contender.stride,
      status: this.#status,
      reason: this.#reason,
      warnings: [...this.#warnings],
      units,
      tokens,
      mean: estimate?.mean ?? null,
      interval: estimate?.interval ?? null,
      p50: p50 ?? null,
      p95: p95 ?? null,
      reached: estimate && reachOf(estimate),
      evaluatedPerToken: tokens === 0 ? null : 1 + recomputedTokens / tokens,
      meanCells: tokens === 0 ? null : cellsSeen / tokens,
      contextBytes: this.#stream?.contextBytes ?? null,
      residentBytes: this.#residentBytes,
    };
  }

  /** Takes off what dense is to read. The token before it was taken off with it: that is decoded again before the clock starts. */
  async #goBack(stream: MeasuredStream): Promise<void> {
    await stream.truncate(stream.position - this.#unitTokens);
    await stream.append([]);
  }

  /** Appends a unit token by token, as generating does, and answers the time of that alone. */
  async #readUnit(stream: MeasuredStream): Promise<number> {
    const { clock, signal, onStep } = this.#options;
    let milliseconds = 0;
    for (let index = 0; index < this.#unitTokens && !signal?.aborted; index += 1) {
      const token = this.#take(stream.position, 1);
      const before = clock();
      await stream.append(token);
      milliseconds += clock() - before;
      onStep();
    }
    return milliseconds;
  }

  /** A unit that is no whole stride would be a figure of something else. */
  #checkUnit(stream: MeasuredStream, before: StreamStats): void {
    const { name, kind, stride } = this.contender;
    const evictions = stream.stats.evictions - before.evictions;
    if (evictions === (kind === "dense" ? 0 : 1) && stream.length === stream.budget) return;
    throw new KVPolicyError({
      code: "config",
      message:
        `"${name}" evicted ${evictions} times in ${this.#unitTokens} tokens and then held ${stream.length} of ${stream.budget} cells: ` +
        "that is no whole stride.",
      details: { option: "stride", value: stride },
    });
  }

  #count(milliseconds: number, before: StreamStats, after: StreamStats): void {
    this.#status = "measured";
    this.#reason = null;
    this.#milliseconds.push(milliseconds);
    this.#counted.tokens += after.tokens - before.tokens;
    this.#counted.cellsSeen += after.cellsSeen - before.cellsSeen;
    this.#counted.recomputedTokens += after.recomputedTokens - before.recomputedTokens;
    if (this.units < this.#nextLook) return;
    this.#nextLook = Math.ceil(this.units * NEXT_LOOK);
    this.#reached =
      reachOf(movingBlockBootstrap(this.#perToken(), { ...BOOTSTRAP, seed: this.#options.seed })) ?? Infinity;
  }

  #perToken(): Float64Array {
    return Float64Array.from(this.#milliseconds, (milliseconds) => milliseconds / this.#unitTokens);
  }

  get #unitTokens(): number {
    return unitTokens(this.contender, this.#options.budget);
  }

  #take(start: number, count: number): Uint32Array {
    const { tokens } = this.#options;
    return Uint32Array.from({ length: count }, (_, index) => tokens[(start + index) % tokens.length] ?? 0);
  }

  async #orFail(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (isAbort(error, this.#options.signal)) return;
      if (!KVPolicyError.isInstance(error)) throw error;
      await this.#fail(error);
    }
  }

  /** What was measured before stays. */
  async #fail({ message }: KVPolicyError): Promise<void> {
    this.#status = "failed";
    this.#reason = message;
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.dispose();
  }
}

function reachOf({ mean, interval }: { mean: number; interval: LatencyRow["interval"] }): number | null {
  if (!interval || mean <= 0) return null;
  return Math.max(mean - interval.lower, interval.upper - mean) / mean;
}
