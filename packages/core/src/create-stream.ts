import type { KVCacheBackend, Sampler, TokenCodec } from "./backend.js";
import { CacheMirror } from "./cache-mirror.js";
import { findPlanProblem } from "./check-plan.js";
import { KVPolicyError } from "./errors.js";
import { BOS_MARK } from "./mark.js";
import { Mutex } from "./mutex.js";
import { checkCount } from "./options.js";
import type { EvictionPlan, KVCachePolicy } from "./policy.js";
import { countCells, type CacheRange } from "./range.js";
import { resolveBudget } from "./resolve-budget.js";
import type {
  AppendOptions,
  CacheStream,
  EvictionEvent,
  GeneratedToken,
  GenerateOptions,
  GenerationEnd,
  ScoreOptions,
  Snapshot,
  StreamOptions,
  StreamStats,
} from "./stream.js";

/**
 * Binds a policy to a backend.
 *
 * @throws {KVPolicyError} `config` when policy, budget and capacity contradict each other; `unsupported` when the policy
 * needs what the backend lacks. The backend is not touched then.
 */
export function createStream<Sampling = object>(options: StreamOptions<Sampling>): CacheStream<Sampling> {
  return new PolicyStream(
    options,
    resolveBudget(options.policy, options.backend.capabilities, options.budget),
  );
}

type HeldToken = NonNullable<Snapshot["held"]>;

const NO_TOKENS = new Uint32Array(0);
const SCORE_FROM_SECOND = { scoreFrom: 1 };

/**
 * Invariants between two steps, unless broken: the mirror equals the backend's cells; when cells are in use and no token is
 * held, the backend's pending position is valid.
 */
class PolicyStream<Sampling> implements CacheStream<Sampling> {
  readonly budget: number;
  readonly policy: KVCachePolicy;
  readonly #backend: KVCacheBackend<Sampling>;
  readonly #codec: TokenCodec | undefined;
  readonly #bos: number | undefined;
  readonly #mirror: CacheMirror;
  readonly #mutex = new Mutex();
  readonly #listeners = new Set<(event: EvictionEvent) => void>();
  readonly #stats = {
    tokens: 0,
    cellsSeen: 0,
    peakCells: 0,
    evictions: 0,
    evictedTokens: 0,
    recomputedTokens: 0,
  };
  readonly #single = new Uint32Array(1);
  #position = 0;
  #held: HeldToken | undefined;
  #lastEviction = -1;
  #brokenBy: string | undefined;
  #disposal: Promise<void> | undefined;

  constructor({ backend, policy, codec, bos }: StreamOptions<Sampling>, budget: number) {
    this.#backend = backend;
    this.policy = policy;
    this.budget = budget;
    this.#codec = codec;
    this.#bos = bos;
    this.#mirror = new CacheMirror(budget, policy.requires.includes("nll"));
    if (bos !== undefined) this.#checkTokens([bos]);
    this.#begin();
  }

  get position(): number {
    return this.#position;
  }

  get length(): number {
    return this.#mirror.length;
  }

  get stats(): StreamStats {
    return { ...this.#stats };
  }

  cells(): { tokens: Uint32Array; positions: Float64Array } {
    const { tokens, positions, length } = this.#mirror;
    return { tokens: tokens.slice(0, length), positions: positions.slice(0, length) };
  }

  async append(tokens: ArrayLike<number>, options: AppendOptions = {}): Promise<void> {
    const checked = this.#checkTokens(tokens);
    await this.#exclusively(() => this.#appendAll(checked, options));
  }

  async appendText(text: string, options?: AppendOptions): Promise<void> {
    if (!this.#codec) throw unsupported("appendText", "the stream was opened without a codec");
    await this.append(this.#codec.encode(text), options);
  }

  async score(tokens: ArrayLike<number>, options: ScoreOptions = {}): Promise<Float64Array> {
    const { nll } = this.#backend.capabilities;
    if (nll !== true) throw unsupported("score", nll);
    const checked = this.#checkTokens(tokens);
    const scores = options.into ?? new Float64Array(checked.length);
    if (scores.length < checked.length) {
      throw rangeError("length of into", scores.length, checked.length, Number.MAX_SAFE_INTEGER);
    }
    await this.#exclusively(() => this.#appendAll(checked, options, scores));
    return scores;
  }

  async *generate(
    options?: GenerateOptions & Sampling,
  ): AsyncGenerator<GeneratedToken, GenerationEnd, undefined> {
    const maxTokens = options?.maxTokens ?? Infinity;
    if (maxTokens !== Infinity) checkCount("generate", "maxTokens", maxTokens, 0);
    const decoder = this.#codec?.createDecoder();
    let sampler: Sampler | undefined;
    try {
      for (let count = 1; count <= maxTokens; count += 1) {
        const token = await this.#exclusively(async () => {
          options?.signal?.throwIfAborted();
          await this.#appendAll(NO_TOKENS, {});
          if (this.#mirror.length === 0) {
            throw new KVPolicyError({
              code: "empty",
              message: "There is nothing to generate from: append at least one token first.",
              details: { what: "stream" },
            });
          }
          const active = (sampler ??= this.#backend.createSampler(options));
          const sampled = await this.#guard("sample", 0, () => this.#sample(active));
          if (this.#codec?.isEndOfGeneration(sampled)) return undefined;
          const nll = this.#mirror.nlls ? await this.#guard("nll", 0, () => this.#backend.nll(sampled)) : NaN;
          const position = this.#position;
          this.#held = { token: sampled, position, nll };
          this.#position += 1;
          return { token: sampled, position };
        });
        if (token === undefined) return { reason: "end", text: decoder?.flush() ?? "" };
        let text = decoder?.push(token.token) ?? "";
        if (count === maxTokens) text += decoder?.flush() ?? "";
        yield { ...token, text };
      }
      return { reason: "length", text: "" };
    } finally {
      sampler?.dispose();
    }
  }

  mark(name: string, { start, end }: CacheRange): void {
    if (this.#disposal) throw disposed();
    if (!Number.isSafeInteger(start) || start < 0)
      throw rangeError("start of the mark", start, 0, Number.MAX_SAFE_INTEGER);
    if (!Number.isSafeInteger(end) || end <= start)
      throw rangeError("end of the mark", end, start + 1, Number.MAX_SAFE_INTEGER);
    this.#mirror.addMark({ name, start, end });
  }

  async truncate(position: number): Promise<{ exact: boolean }> {
    return this.#exclusively(async () => {
      this.#requireTruncate("truncate");
      const minimum = this.#bos === undefined ? 0 : 1;
      if (!Number.isSafeInteger(position) || position < minimum || position > this.#position) {
        throw rangeError("position", position, minimum, this.#position);
      }
      const exact = position > this.#lastEviction;
      if (position === this.#position) return { exact };
      await this.#holdLastBefore(position);
      this.#mirror.forgetMarksFrom(position);
      this.#position = position;
      this.#lastEviction = Math.min(this.#lastEviction, position - 1);
      return { exact };
    });
  }

  async clear(): Promise<void> {
    await this.#mending(async () => {
      await this.#change("clear", 0, () => this.#backend.clear());
      this.#mirror.clear();
      this.#begin();
    });
  }

  async snapshot(): Promise<Snapshot> {
    return this.#exclusively(async () => {
      const saveState = this.#backend.saveState?.bind(this.#backend);
      if (!saveState) throw unsupported("snapshot", "the backend cannot save its cells");
      const { length, tokens, positions, nlls, marks } = this.#mirror;
      return {
        version: 1,
        policy: this.policy.describe(),
        budget: this.budget,
        position: this.#position,
        tokens: tokens.slice(0, length),
        positions: positions.slice(0, length),
        nlls: nlls?.slice(0, length) ?? null,
        marks: marks.map((mark) => ({ ...mark })),
        held: this.#held ?? null,
        lastEviction: this.#lastEviction,
        state: await this.#guard("saveState", 0, () => saveState()),
      };
    });
  }

  async restore(snapshot: Snapshot): Promise<void> {
    await this.#mending(async () => {
      const loadState = this.#backend.loadState?.bind(this.#backend);
      if (!loadState) throw unsupported("restore", "the backend cannot load saved cells");
      const mirror = this.#mirror;
      if (!snapshot.held) this.#requireTruncate("restore");
      const problem = findSnapshotProblem(snapshot, this.budget, mirror.nlls !== undefined);
      if (problem !== undefined) {
        throw new KVPolicyError({
          code: "config",
          message: `The snapshot does not fit this stream: ${problem}.`,
          details: { option: "snapshot", value: { version: snapshot.version, budget: snapshot.budget } },
        });
      }
      await this.#change("loadState", 0, () => loadState(snapshot.state));
      mirror.clear();
      snapshot.tokens.forEach((token, index) => {
        mirror.push(token, snapshot.positions[index] ?? NaN, snapshot.nlls?.[index] ?? NaN);
      });
      snapshot.marks.forEach((mark) => {
        mirror.addMark(mark);
      });
      this.#position = snapshot.position;
      this.#lastEviction = snapshot.lastEviction;
      this.#held = snapshot.held ?? undefined;
      await this.#holdLastBefore(snapshot.position);
    });
  }

  onEvict(listener: (event: EvictionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async dispose(): Promise<void> {
    this.#disposal ??= this.#mutex.run(() => this.#guard("dispose", 0, () => this.#backend.dispose()));
    await this.#disposal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** The state of an empty stream; the backend's cells are gone already. */
  #begin(): void {
    this.#position = 0;
    this.#lastEviction = -1;
    this.#held = undefined;
    if (this.#bos === undefined) return;
    this.#held = { token: this.#bos, position: 0, nll: NaN };
    this.#position = 1;
    this.#mirror.addMark({ name: BOS_MARK, start: 0, end: 1 });
  }

  async #appendAll(
    input: Uint32Array,
    { signal, onStep }: AppendOptions,
    scores?: Float64Array,
  ): Promise<void> {
    let tokens = input;
    let ahead = 0;
    if (this.#held) {
      ahead = 1;
      tokens = this.#single;
      if (input.length > 0) {
        tokens = new Uint32Array(input.length + 1);
        tokens.set(input, 1);
      }
      tokens[0] = this.#held.token;
    }
    for (let decoded = 0; decoded < tokens.length;) {
      signal?.throwIfAborted();
      if (this.#disposal) throw disposed();
      decoded += await this.#step(tokens, decoded, ahead, scores);
      onStep?.(decoded - ahead);
    }
  }

  /**
   * One step: read what is pending → plan → check → evict, or clear → decode. Decodes tokens[offset …] as far as room and
   * the backend's batch reach and answers how many. `ahead` leading tokens are no input of the caller's.
   */
  async #step(
    tokens: Uint32Array,
    offset: number,
    ahead: number,
    scores: Float64Array | undefined,
  ): Promise<number> {
    const mirror = this.#mirror;
    const { batch } = this.#backend.capabilities;
    const appended = Math.max(0, offset - ahead);
    const remaining = tokens.length - offset;
    const scoring = scores !== undefined || mirror.nlls !== undefined;

    let firstNll = NaN;
    if (this.#held) firstNll = this.#held.nll;
    else if (scoring && mirror.length > 0) {
      firstNll = await this.#guard("nll", appended, () => this.#backend.nll(tokens[offset] ?? 0));
    }

    const plan =
      mirror.length === this.budget ? this.#plan(appended, tokens.length - ahead - appended) : undefined;
    const recompute = plan?.survivors === "recompute";
    const room = plan ? countCells(plan.evict) : this.budget - mirror.length;
    const count = Math.min(remaining, room, recompute ? Infinity : Math.max(1, batch));
    const block = offset === 0 && count === tokens.length ? tokens : tokens.subarray(offset, offset + count);
    const event = plan && this.#listeners.size > 0 ? this.#describeEviction(plan) : undefined;

    if (plan && !recompute) await this.#change("evict", appended, () => this.#backend.evict(plan.evict));
    if (plan) this.#noteEviction(plan, room);
    const survivors = recompute ? mirror.length : 0;
    let nlls: Float64Array | undefined;
    if (recompute) {
      await this.#change("clear", appended, () => this.#backend.clear());
      const all = new Uint32Array(survivors + count);
      all.set(mirror.tokens.subarray(0, survivors));
      all.set(block, survivors);
      const from = scoring && count > 1 ? { scoreFrom: survivors + 1 } : undefined;
      nlls = await this.#change("decode", appended, () => this.#backend.decode(all, from));
      this.#stats.recomputedTokens += survivors;
    } else {
      const from = scoring && count > 1 ? SCORE_FROM_SECOND : undefined;
      nlls = await this.#change("decode", appended, () => this.#backend.decode(block, from));
    }

    this.#noteTokens(count);
    for (let index = 0; index < count; index += 1) {
      const nll = index === 0 ? firstNll : (nlls?.[index - 1] ?? NaN);
      const input = offset + index - ahead;
      if (scores && input >= 0) scores[input] = nll;
      mirror.push(block[index] ?? 0, this.#nextDecoded, nll);
      if (this.#held) this.#held = undefined;
      else this.#position += 1;
    }
    if (event) for (const listener of this.#listeners) listener(event);
    return count;
  }

  #plan(appended: number, remaining: number): EvictionPlan {
    const view = this.#mirror.view();
    const { name } = this.policy;
    const invalid = (problem: string, plan: unknown, cause?: unknown): KVPolicyError =>
      new KVPolicyError({
        code: "invalid-plan",
        message: `Policy "${name}" answered with an invalid plan: ${problem}. ${appended} tokens of this call had been appended.`,
        details: { policy: name, problem, plan, length: view.length, required: view.required, appended },
        cause,
      });
    let plan: EvictionPlan | null;
    try {
      plan = this.policy.plan(view);
    } catch (cause) {
      throw invalid("plan() threw", undefined, cause);
    }
    if (plan === null) {
      throw new KVPolicyError({
        code: "cache-full",
        message:
          `Policy "${name}" lets nothing leave and all ${this.budget} cells are in use: ` +
          `${appended} tokens of this call were appended, ${remaining} were not.`,
        details: { policy: name, budget: this.budget, appended, remaining },
      });
    }
    const problem = findPlanProblem(plan, view, this.#backend.capabilities.reindex);
    if (problem !== undefined) throw invalid(problem, plan);
    return plan;
  }

  #describeEviction({ evict, survivors }: EvictionPlan): EvictionEvent {
    const tokens = new Uint32Array(countCells(evict));
    const positions = new Float64Array(tokens.length);
    let offset = 0;
    for (const { start, end } of evict) {
      tokens.set(this.#mirror.tokens.subarray(start, end), offset);
      positions.set(this.#mirror.positions.subarray(start, end), offset);
      offset += end - start;
    }
    const ranges = evict.map(({ start, end }) => ({ start, end }));
    return {
      policy: this.policy.name,
      reason: "cache-full",
      ranges,
      tokens,
      positions,
      survivors,
      position: this.#nextDecoded,
    };
  }

  /** Stream position of the next token that enters the cache. */
  get #nextDecoded(): number {
    return this.#held?.position ?? this.#position;
  }

  #noteEviction({ evict }: EvictionPlan, freed: number): void {
    this.#mirror.evict(evict, this.#nextDecoded);
    this.#lastEviction = this.#nextDecoded;
    this.#stats.evictions += 1;
    this.#stats.evictedTokens += freed;
  }

  #noteTokens(count: number): void {
    const { length } = this.#mirror;
    this.#stats.tokens += count;
    this.#stats.cellsSeen += count * length + (count * (count + 1)) / 2;
    this.#stats.peakCells = Math.max(this.#stats.peakCells, length + count);
  }

  /**
   * Keeps the cells below a stream position. The last of them leaves the cache too and is held: decoding it again is what
   * makes the prediction after it readable. A token that is held already and lies below the position stays so: it is the
   * last one then.
   */
  async #holdLastBefore(position: number): Promise<void> {
    if (this.#held && this.#held.position < position) return;
    const mirror = this.#mirror;
    const last = mirror.indexOf(position) - 1;
    const held =
      last < 0
        ? undefined
        : {
            token: mirror.at(mirror.tokens, last),
            position: mirror.at(mirror.positions, last),
            nll: mirror.nlls?.[last] ?? NaN,
          };
    const length = Math.max(0, last);
    await this.#change("truncate", 0, () =>
      length === 0 ? this.#backend.clear() : this.#backend.truncate(length),
    );
    mirror.truncate(length);
    this.#held = held;
  }

  #requireTruncate(feature: string): void {
    const { truncate } = this.#backend.capabilities;
    if (truncate !== true) throw unsupported(feature, truncate);
  }

  async #sample(sampler: Sampler): Promise<number> {
    const token = await sampler.sample();
    if (this.#isToken(token)) return token;
    throw new Error(`the sampler drew ${token}, which is no token id`);
  }

  #isToken(token: number): boolean {
    return Number.isInteger(token) && token >= 0 && token < this.#backend.capabilities.vocabularySize;
  }

  #checkTokens(tokens: ArrayLike<number>): Uint32Array {
    const checked = new Uint32Array(tokens.length);
    for (let index = 0; index < tokens.length; index += 1) {
      const token = tokens[index] ?? NaN;
      if (!this.#isToken(token)) {
        throw rangeError(`token at index ${index}`, token, 0, this.#backend.capabilities.vocabularySize - 1);
      }
      checked[index] = token;
    }
    return checked;
  }

  /** Takes the lock for a call that needs a working stream. */
  #exclusively<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.#mending(() => {
      if (this.#brokenBy !== undefined) {
        throw new KVPolicyError({
          code: "broken",
          message: `The stream is broken since ${this.#brokenBy} failed: clear or restore it, or dispose it.`,
          details: { operation: this.#brokenBy },
        });
      }
      return task();
    });
  }

  /** Takes the lock for a call that also works on a broken stream. */
  #mending<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.#mutex.run(async () => {
      if (this.#disposal) throw disposed();
      return task();
    });
  }

  /** Runs a change of the backend's cells: after a failure nobody knows them. */
  async #change<Result>(operation: string, appended: number, task: () => Promise<Result>): Promise<Result> {
    this.#brokenBy = operation;
    const result = await this.#guard(operation, appended, task);
    this.#brokenBy = undefined;
    return result;
  }

  async #guard<Result>(operation: string, appended: number, task: () => Promise<Result>): Promise<Result> {
    try {
      return await task();
    } catch (cause) {
      if (KVPolicyError.isInstance(cause)) throw cause;
      throw new KVPolicyError({
        code: "backend-failed",
        message: `The backend failed in ${operation}: ${cause instanceof Error ? cause.message : String(cause)}. ${appended} tokens of this call are in the stream.`,
        details: { operation, appended },
        cause,
      });
    }
  }
}

function findSnapshotProblem(snapshot: Snapshot, budget: number, needsNlls: boolean): string | undefined {
  const version: number = snapshot.version;
  if (version !== 1) return `its version is ${version}, not 1`;
  if (snapshot.budget !== budget) return `its budget is ${snapshot.budget} cells, this stream's is ${budget}`;
  if (needsNlls && !snapshot.nlls) return "it carries no negative log-likelihoods, which the policy requires";
  return undefined;
}

function unsupported(feature: string, reason: string): KVPolicyError {
  return new KVPolicyError({
    code: "unsupported",
    message: `${feature} is not supported: ${reason}.`,
    details: { feature, reason },
  });
}

function disposed(): KVPolicyError {
  return new KVPolicyError({
    code: "disposed",
    message: "The stream was disposed.",
    details: { what: "stream" },
  });
}

function rangeError(what: string, value: number, minimum: number, maximum: number): KVPolicyError {
  return new KVPolicyError({
    code: "range",
    message: `The ${what} is ${value}, not a whole number between ${minimum} and ${maximum}.`,
    details: { what, value, minimum, maximum },
  });
}
