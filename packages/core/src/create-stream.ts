import { asyncDispose } from "./async-dispose.js";
import type { KVCacheBackend, Sampler, TokenCodec } from "./backend.js";
import { KVPolicyError } from "./errors.js";
import { findPinProblem } from "./find-pin-problem.js";
import { PINNED_MARK } from "./mark.js";
import { checkCount } from "./options.js";
import type { KVCachePolicy } from "./policy.js";
import type { CacheRange } from "./range.js";
import { outOfRange, unsupported } from "./refusals.js";
import { resolveBudget } from "./resolve-budget.js";
import { findSnapshotProblem } from "./snapshot-problem.js";
import { StreamGuard } from "./stream-guard.js";
import { StreamState } from "./stream-state.js";
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
 * @throws {KVPolicyError} `config` when there is no policy, or policy, budget and capacity contradict each other; `unsupported`
 * when the policy needs what the backend lacks. The backend is not touched then.
 */
export function createStream<Sampling = object>(options: StreamOptions<Sampling>): CacheStream<Sampling> {
  return new PolicyStream(options);
}

const NO_TOKENS = new Uint32Array(0);

/** The face of a {@link StreamState}: checks what comes from outside and lets one call in at a time. */
class PolicyStream<Sampling> implements CacheStream<Sampling> {
  readonly budget: number;
  readonly policy: KVCachePolicy;
  readonly #backend: KVCacheBackend<Sampling>;
  readonly #codec: TokenCodec | undefined;
  readonly #firstPosition: number;
  readonly #guard = new StreamGuard();
  readonly #state: StreamState;

  constructor({ backend, policy, budget, codec, bos }: StreamOptions<Sampling>) {
    this.#backend = backend;
    this.policy = policy;
    this.budget = resolveBudget(policy, backend.capabilities, budget);
    this.#codec = codec;
    this.#firstPosition = bos === undefined ? 0 : 1;
    if (bos !== undefined) this.#checkTokens([bos]);
    this.#state = new StreamState(backend, policy, this.budget, bos, this.#guard);
  }

  get position(): number {
    return this.#state.position;
  }

  get length(): number {
    return this.#state.mirror.length;
  }

  get stats(): StreamStats {
    return { ...this.#state.stats };
  }

  cells(): { tokens: Uint32Array; positions: Float64Array } {
    const { tokens, positions, length } = this.#state.mirror;
    return { tokens: tokens.slice(0, length), positions: positions.slice(0, length) };
  }

  async append(tokens: ArrayLike<number>, options?: AppendOptions): Promise<void> {
    const checked = this.#checkTokens(tokens);
    await this.#guard.run(() => this.#state.append(checked, options));
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
      throw outOfRange("length of into", scores.length, checked.length, Number.MAX_SAFE_INTEGER);
    }
    await this.#guard.run(() => this.#state.append(checked, options, scores));
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
      for (let count = 0; count < maxTokens; count += 1) {
        const generated = await this.#guard.run(() => {
          options?.signal?.throwIfAborted();
          return this.#draw(() => (sampler ??= this.#backend.createSampler(options)));
        });
        if (!generated) return { reason: "end", text: decoder?.flush() ?? "" };
        yield { ...generated, text: decoder?.push(generated.token) ?? "" };
      }
      return { reason: "length", text: decoder?.flush() ?? "" };
    } finally {
      sampler?.dispose();
    }
  }

  mark(name: string, { start, end }: CacheRange): void {
    this.#guard.refuseDisposed();
    const { mirror, held, position } = this.#state;
    if (!Number.isSafeInteger(start) || start < 0) {
      throw outOfRange("start of the mark", start, 0, Number.MAX_SAFE_INTEGER);
    }
    if (!Number.isSafeInteger(end) || end <= start) {
      throw outOfRange("end of the mark", end, start + 1, Number.MAX_SAFE_INTEGER);
    }
    const isHeld = held !== undefined && start <= held.position && held.position < end;
    if (end <= position && !isHeld && mirror.indexOf(start) === mirror.indexOf(end)) {
      throw new KVPolicyError({
        code: "evicted",
        message: `Every token of the range [${start}, ${end}) was evicted: the mark "${name}" would name nothing.`,
        details: { start, end, position },
      });
    }
    if (name === PINNED_MARK) {
      const problem = findPinProblem(this.policy, mirror, held?.position ?? position, { start, end });
      if (problem) throw problem;
    }
    mirror.addMark({ name, start, end });
  }

  async truncate(position: number): Promise<{ exact: boolean }> {
    return this.#guard.run(async () => {
      const state = this.#state;
      this.#requireTruncate("truncate");
      if (!Number.isSafeInteger(position) || position < this.#firstPosition || position > state.position) {
        throw outOfRange("position", position, this.#firstPosition, state.position);
      }
      return { exact: await state.goBack(position) };
    });
  }

  async clear(): Promise<void> {
    await this.#guard.runOnBroken(() => this.#state.clear());
  }

  async snapshot(): Promise<Snapshot> {
    return this.#guard.run(async () => {
      const saveState = this.#backend.saveState?.bind(this.#backend);
      if (!saveState) throw unsupported("snapshot", "the backend cannot save its cells");
      const { mirror, position, held, lastEviction } = this.#state;
      return {
        version: 1,
        policy: this.policy.describe(this.budget),
        budget: this.budget,
        position,
        ...this.cells(),
        nlls: mirror.nlls?.slice(0, mirror.length) ?? null,
        marks: mirror.marks.map((mark) => ({ ...mark })),
        held: held ?? null,
        lastEviction,
        state: await this.#guard.call("saveState", () => saveState()),
      };
    });
  }

  async restore(snapshot: Snapshot): Promise<void> {
    await this.#guard.runOnBroken(async () => {
      const loadState = this.#backend.loadState?.bind(this.#backend);
      if (!loadState) throw unsupported("restore", "the backend cannot load saved cells");
      if (!snapshot.held) this.#requireTruncate("restore");
      const problem = findSnapshotProblem(
        snapshot,
        this.budget,
        this.#state.mirror.nlls !== undefined,
        this.#backend.capabilities.vocabularySize,
      );
      if (problem !== undefined) {
        throw new KVPolicyError({
          code: "config",
          message: `The snapshot does not fit this stream: ${problem}.`,
          details: { option: "snapshot", value: { version: snapshot.version, budget: snapshot.budget } },
        });
      }
      await this.#guard.replace("loadState", () => loadState(snapshot.state));
      await this.#state.resume(snapshot);
    });
  }

  onEvict(listener: (event: EvictionEvent) => void): () => void {
    this.#state.listeners.add(listener);
    return () => {
      this.#state.listeners.delete(listener);
    };
  }

  async dispose(): Promise<void> {
    await this.#guard.dispose(() => this.#backend.dispose());
  }

  async [asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Draws one token and holds it; `undefined` when it ends the generation. */
  async #draw(sampler: () => Sampler): Promise<{ token: number; position: number } | undefined> {
    const state = this.#state;
    await state.append(NO_TOKENS);
    if (state.mirror.length === 0) {
      throw new KVPolicyError({
        code: "empty",
        message: "There is nothing to generate from: append at least one token first.",
        details: { what: "stream" },
      });
    }
    const token = await this.#guard.call("sample", async () => {
      const drawn = await sampler().sample();
      if (this.#isToken(drawn)) return drawn;
      throw new Error(`the sampler drew ${drawn}, which is no token id`);
    });
    if (this.#codec?.isEndOfGeneration(token)) return undefined;
    const nll = state.mirror.nlls ? await this.#guard.call("nll", () => this.#backend.nll(token)) : NaN;
    return { token, position: state.hold(token, nll) };
  }

  #requireTruncate(feature: string): void {
    const { truncate } = this.#backend.capabilities;
    if (truncate !== true) throw unsupported(feature, truncate);
  }

  #isToken(token: number): boolean {
    return Number.isInteger(token) && token >= 0 && token < this.#backend.capabilities.vocabularySize;
  }

  #checkTokens(tokens: ArrayLike<number>): Uint32Array {
    const checked = new Uint32Array(tokens.length);
    for (let index = 0; index < tokens.length; index += 1) {
      const token = tokens[index] ?? NaN;
      if (!this.#isToken(token)) {
        throw outOfRange(`token at index ${index}`, token, 0, this.#backend.capabilities.vocabularySize - 1);
      }
      checked[index] = token;
    }
    return checked;
  }
}
