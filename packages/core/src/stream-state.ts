import { askPolicy } from "./ask-policy.js";
import type { KVCacheBackend } from "./backend.js";
import { CacheMirror } from "./cache-mirror.js";
import { BOS_MARK } from "./mark.js";
import type { EvictionPlan, KVCachePolicy } from "./policy.js";
import { countCells } from "./range.js";
import type { AppendOptions, EvictionEvent, Snapshot, StreamStats } from "./stream.js";
import type { StreamGuard } from "./stream-guard.js";

type HeldToken = NonNullable<Snapshot["held"]>;

const SCORE_FROM_SECOND = { scoreFrom: 1 };

/**
 * An unbounded stream over a bounded cache, without the lock: who calls it holds that.
 *
 * Invariants between two steps, unless broken: the mirror equals the backend's cells; when cells are in use and no token is
 * held, the backend's pending position is valid.
 */
export class StreamState {
  readonly mirror: CacheMirror;
  readonly listeners = new Set<(event: EvictionEvent) => void>();
  readonly stats: { -readonly [Counter in keyof StreamStats]: StreamStats[Counter] } = {
    tokens: 0,
    cellsSeen: 0,
    peakCells: 0,
    evictions: 0,
    evictedTokens: 0,
    recomputedTokens: 0,
  };
  /** Stream position of the next token that comes from outside. */
  position = 0;
  /** A token that belongs to the stream and is not in the cache yet. */
  held: HeldToken | undefined;
  /** Stream position of the token that needed the latest eviction. */
  lastEviction = -1;
  readonly #backend: KVCacheBackend<never>;
  readonly #policy: KVCachePolicy;
  readonly #bos: number | undefined;
  readonly #guard: StreamGuard;
  readonly #single = new Uint32Array(1);

  constructor(
    backend: KVCacheBackend<never>,
    policy: KVCachePolicy,
    budget: number,
    bos: number | undefined,
    guard: StreamGuard,
  ) {
    this.mirror = new CacheMirror(budget, policy.requires.includes("nll"));
    this.#backend = backend;
    this.#policy = policy;
    this.#bos = bos;
    this.#guard = guard;
    this.#begin();
  }

  /** Decodes the held token, then these; `scores` takes the negative log-likelihoods of these. */
  async append(
    input: Uint32Array,
    { signal, onStep }: AppendOptions = {},
    scores?: Float64Array,
  ): Promise<void> {
    const ahead = this.held ? 1 : 0;
    const tokens = this.held ? this.#behindHeld(this.held, input) : input;
    for (let offset = 0; offset < tokens.length;) {
      signal?.throwIfAborted();
      this.#guard.refuseDisposed();
      const { count, event } = await this.#step(tokens, offset, offset - ahead, scores);
      offset += count;
      this.#guard.appended = offset - ahead;
      if (event) this.#tell(event);
      onStep?.(offset - ahead);
    }
  }

  /** A new token belongs to the stream; it is decoded with what comes next. */
  hold(token: number, nll: number): number {
    const { position } = this;
    this.held = { token, position, nll };
    this.position += 1;
    return position;
  }

  /** Forgets everything from a stream position on. Answers whether the stream is what it was at that position. */
  async goBack(position: number): Promise<boolean> {
    if (position < this.position && position === (this.#bos === undefined ? 0 : 1)) {
      await this.clear();
      return true;
    }
    const exact = position > this.lastEviction;
    if (position < this.position) await this.#holdLastBefore(position);
    this.mirror.forgetMarksFrom(position);
    this.position = position;
    this.lastEviction = Math.min(this.lastEviction, position - 1);
    return exact;
  }

  async clear(): Promise<void> {
    await this.#guard.change("clear", () => this.#backend.clear());
    this.mirror.clear();
    this.#begin();
  }

  /** Becomes what a snapshot was, whose cells the backend has loaded. */
  async resume({ tokens, positions, nlls, marks, held, position, lastEviction }: Snapshot): Promise<void> {
    this.mirror.clear();
    tokens.forEach((token, index) => {
      this.mirror.push(token, positions[index] ?? NaN, nlls?.[index] ?? NaN);
    });
    for (const mark of marks) this.mirror.addMark({ ...mark });
    this.position = position;
    this.lastEviction = lastEviction;
    this.held = held ?? undefined;
    await this.#holdLastBefore(position);
  }

  /** The empty stream, once the backend's cells are gone. */
  #begin(): void {
    this.position = 0;
    this.lastEviction = -1;
    this.held = undefined;
    if (this.#bos === undefined) return;
    this.hold(this.#bos, NaN);
    this.mirror.addMark({ name: BOS_MARK, start: 0, end: 1 });
  }

  #behindHeld({ token }: HeldToken, input: Uint32Array): Uint32Array {
    const tokens = input.length === 0 ? this.#single : new Uint32Array(input.length + 1);
    tokens[0] = token;
    tokens.set(input, 1);
    return tokens;
  }

  /**
   * One step: read what is pending → plan → check → evict, or clear → decode. Decodes tokens[offset …] as far as room and
   * the backend's batch reach, and answers how many, with the eviction if someone listens. tokens[offset] is the caller's
   * input[inputOffset]; below 0 it is the held token.
   */
  async #step(
    tokens: Uint32Array,
    offset: number,
    inputOffset: number,
    scores: Float64Array | undefined,
  ): Promise<{ count: number; event: EvictionEvent | undefined }> {
    const { mirror } = this;
    const scoring = scores !== undefined || mirror.nlls !== undefined;
    const firstNll = await this.#firstNll(tokens[offset] ?? 0, scoring);

    const remaining = tokens.length - offset;
    const plan =
      mirror.length === mirror.budget ? this.#plan(remaining - Number(inputOffset < 0)) : undefined;
    const room = plan ? countCells(plan.evict) : mirror.budget - mirror.length;
    const recompute = plan?.survivors === "recompute";
    const batch = recompute ? Infinity : Math.max(1, this.#backend.capabilities.batch);
    const count = Math.min(remaining, room, batch);
    const block = count === tokens.length ? tokens : tokens.subarray(offset, offset + count);
    const event = plan && this.listeners.size > 0 ? this.#describeEviction(plan) : undefined;

    if (plan && !recompute) await this.#guard.change("evict", () => this.#backend.evict(plan.evict));
    if (plan) this.#noteEviction(plan, room);
    const nlls = recompute
      ? await this.#recompute(block, scoring)
      : await this.#decode(block, scoring ? 1 : undefined);

    this.#noteTokens(count);
    for (let index = 0; index < count; index += 1) {
      const nll = index === 0 ? firstNll : (nlls?.[index - 1] ?? NaN);
      if (scores && inputOffset + index >= 0) scores[inputOffset + index] = nll;
      mirror.push(block[index] ?? 0, this.#nextDecoded, nll);
      if (this.held) this.held = undefined;
      else this.position += 1;
    }
    return { count, event };
  }

  /** Tells every listener, and fails with what the first of them threw. */
  #tell(event: EvictionEvent): void {
    const failures: unknown[] = [];
    for (const listener of this.listeners) {
      try {
        listener(event);
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Stream position of the next token that enters the cache. */
  get #nextDecoded(): number {
    return this.held?.position ?? this.position;
  }

  async #firstNll(token: number, scoring: boolean): Promise<number> {
    if (this.held) return this.held.nll;
    if (!scoring || this.mirror.length === 0) return NaN;
    return this.#guard.call("nll", () => this.#backend.nll(token));
  }

  #plan(remaining: number): EvictionPlan {
    const { appended } = this.#guard;
    const { reindex } = this.#backend.capabilities;
    return askPolicy(this.#policy, this.mirror.view(), reindex, { appended, remaining });
  }

  /** The survivors and the block in one decode: a recomputation must not cost more than that. */
  async #recompute(block: Uint32Array, scoring: boolean): Promise<Float64Array | undefined> {
    const survivors = this.mirror.length;
    await this.#guard.change("clear", () => this.#backend.clear());
    const all = new Uint32Array(survivors + block.length);
    all.set(this.mirror.tokens.subarray(0, survivors));
    all.set(block, survivors);
    this.stats.recomputedTokens += survivors;
    return this.#decode(all, scoring ? survivors + 1 : undefined);
  }

  async #decode(tokens: Uint32Array, scoreFrom: number | undefined): Promise<Float64Array | undefined> {
    if (scoreFrom === undefined || scoreFrom >= tokens.length) {
      return this.#guard.change("decode", () => this.#backend.decode(tokens));
    }
    const options = scoreFrom === 1 ? SCORE_FROM_SECOND : { scoreFrom };
    return this.#guard.change("decode", async () => {
      const nlls = await this.#backend.decode(tokens, options);
      if (nlls?.length === tokens.length - scoreFrom) return nlls;
      throw new Error(
        `decode answered ${nlls?.length ?? 0} scores where ${tokens.length - scoreFrom} were asked for`,
      );
    });
  }

  #describeEviction({ evict, survivors, note }: EvictionPlan): EvictionEvent {
    const tokens = new Uint32Array(countCells(evict));
    const positions = new Float64Array(tokens.length);
    let offset = 0;
    for (const { start, end } of evict) {
      tokens.set(this.mirror.tokens.subarray(start, end), offset);
      positions.set(this.mirror.positions.subarray(start, end), offset);
      offset += end - start;
    }
    const ranges = evict.map(({ start, end }) => ({ start, end }));
    const policy = this.#policy.name;
    return {
      policy,
      reason: "cache-full",
      ranges,
      tokens,
      positions,
      survivors,
      position: this.#nextDecoded,
      ...(note !== undefined && { note }),
    };
  }

  #noteEviction({ evict }: EvictionPlan, freed: number): void {
    this.mirror.evict(evict, this.#nextDecoded);
    this.lastEviction = this.#nextDecoded;
    this.stats.evictions += 1;
    this.stats.evictedTokens += freed;
  }

  #noteTokens(count: number): void {
    const { length } = this.mirror;
    this.stats.tokens += count;
    this.stats.cellsSeen += count * length + (count * (count + 1)) / 2;
    this.stats.peakCells = Math.max(this.stats.peakCells, length + count);
  }

  /**
   * Keeps the cells below a stream position. The last of them leaves the cache too and is held: decoding it again is what
   * makes the prediction after it readable. A token that is held already and lies below the position stays so: it is the
   * last one then.
   */
  async #holdLastBefore(position: number): Promise<void> {
    if (this.held && this.held.position < position) return;
    const { mirror } = this;
    const last = mirror.indexOf(position) - 1;
    const length = Math.max(0, last);
    const held = last < 0 ? undefined : mirror.cell(last);
    await this.#guard.change("truncate", () =>
      length === 0 ? this.#backend.clear() : this.#backend.truncate(length),
    );
    mirror.truncate(length);
    this.held = held;
  }
}
