import { KVPolicyError } from "@kvpolicy/core";
import { GgmlType, type LlamaContext, type LlamaContextSequence, type Token } from "node-llama-cpp";

import { fingerprintModel, nameOf } from "./snapshot/model-fingerprint.js";
import { disposedModel } from "./refuse-disposed.js";
import type { LlamaSampling } from "./sampling.js";
import type { CellsOrigin } from "./snapshot/saved-cells.js";
import { ThreadTurns } from "./thread-turns.js";

/** A row of logits of the latest decode. */
export type LogitRow = number & { readonly logitRow: never };

/** A native sampler: its settings, its random state and one candidates buffer. Never use one twice at once. */
export interface NativeSampler {
  /** Changes the settings; the random state goes on unless the seed differs. */
  applyConfig(config: object): void;
  /** Frees it. */
  dispose(): void;
}

/** `[tokens, includeMax, includeMin, includeSelected, includeTop]`; of the four switches only includeSelected works. */
type LogitFilter = readonly [readonly number[], boolean, boolean, boolean, number];

/** What node-llama-cpp's addon offers on a context, beside its public interface. */
interface AddonContext {
  initBatch(size: number): void;
  addToBatch(
    sequenceId: number,
    firstPosition: number,
    tokens: Uint32Array,
    logitIndexes: Uint32Array,
  ): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(row: LogitRow, sampler: NativeSampler): Promise<number>;
  sampleToken(
    row: LogitRow,
    sampler: NativeSampler,
    probabilities: boolean,
    confidence: boolean,
    logits: LogitFilter,
    totalLogitWeight: boolean,
  ): Promise<
    [token: number, undefined, undefined, logits: number[] | undefined, totalLogitWeight: number | undefined]
  >;
  removeTokenCellsFromSequence(sequenceId: number, start: number, end: number): boolean;
  shiftSequenceTokenCells(sequenceId: number, start: number, end: number, delta: number): void;
  saveSequenceStateToFile(path: string, sequenceId: number, tokens: Uint32Array): Promise<number>;
  loadSequenceStateFromFile(path: string, sequenceId: number, mostTokens: number): Promise<Uint32Array>;
}

interface ContextInternals {
  readonly _ctx?: Partial<AddonContext>;
  readonly _backendContextDisposeGuard?: { createPreventDisposalHandle?(): { dispose(): void } };
  readonly _llama?: {
    readonly gpu?: unknown;
    readonly _bindings?: { readonly AddonSampler?: new (model: unknown) => NativeSampler };
  };
  readonly _model?: { readonly _model?: unknown };
}

interface SequenceInternals {
  readonly _sequenceId?: number;
  _resolveSamplerConfig?(options: LlamaSampling): object;
}

const END = -1;
/** A state file may list the tokens of its cells: the stream knows them already. */
const NO_TOKENS = new Uint32Array(0);

/** All streams of the process share the machine's cores. */
let turns: ThreadTurns | undefined;

/**
 * The one place that touches what node-llama-cpp does not publish: decoding at positions of our choice, removal and shift
 * from cell 0 on. It asks for the members that it needs, not for a version.
 *
 * Removal and shift run at once on the calling thread, without a lock of their own: the sequence must be the only one of its
 * context, and no decode may be under way.
 */
export class NativeSequence {
  readonly #context: LlamaContext;
  readonly #addon: AddonContext;
  readonly #sequenceId: number;
  readonly #preventDisposal: () => { dispose(): void };
  readonly #resolveSamplerConfig: (options: LlamaSampling) => object;
  readonly #createSampler: () => NativeSampler;
  readonly #turns: ThreadTurns;
  readonly #threads: number;

  constructor(context: LlamaContext, sequence: LlamaContextSequence) {
    const {
      _ctx,
      _backendContextDisposeGuard: guard,
      _llama,
      _model,
    } = context as unknown as ContextInternals;
    const sequenceInternals = sequence as unknown as SequenceInternals;
    const methods = [
      "initBatch",
      "addToBatch",
      "decodeBatch",
      "sampleToken",
      "removeTokenCellsFromSequence",
      "shiftSequenceTokenCells",
      "saveSequenceStateToFile",
      "loadSequenceStateFromFile",
    ] as const;
    const missing: string[] = methods.filter((method) => typeof _ctx?.[method] !== "function");
    const AddonSampler = _llama?._bindings?.AddonSampler;
    if (typeof sequenceInternals._sequenceId !== "number") missing.push("sequenceId");
    if (typeof sequenceInternals._resolveSamplerConfig !== "function") missing.push("resolveSamplerConfig");
    if (typeof guard?.createPreventDisposalHandle !== "function") missing.push("createPreventDisposalHandle");
    if (typeof AddonSampler !== "function" || _model?._model === undefined) missing.push("AddonSampler");
    if (missing.length > 0 || !AddonSampler) {
      const reason = `this version of node-llama-cpp lacks ${missing.join(", ")}`;
      throw new KVPolicyError({
        code: "unsupported",
        message: `Cannot drive the sequence: ${reason}. Versions 3.22.1 and later of the 3.x line are known to work.`,
        details: { feature: "native calls", reason },
      });
    }
    this.#context = context;
    this.#addon = _ctx as AddonContext;
    this.#sequenceId = sequenceInternals._sequenceId ?? 0;
    this.#preventDisposal = () => guard?.createPreventDisposalHandle?.() ?? { dispose: () => undefined };
    this.#resolveSamplerConfig = (options) => sequenceInternals._resolveSamplerConfig?.(options) ?? {};
    this.#createSampler = () => new AddonSampler(_model?._model);
    this.#turns = turns ??= new ThreadTurns(context.model.llama.cpuMathCores);
    // node-llama-cpp crashes the process when two contexts decode on Vulkan at once; its own lock cannot be reached from here.
    this.#threads = _llama.gpu === "vulkan" ? Infinity : context.idealThreads;
  }

  /**
   * Decodes tokens at positions `firstPosition` … in one batch, and answers the logit rows of those asked for.
   * `logitIndexes` are ascending indexes into `tokens`.
   */
  async decode(
    firstPosition: number,
    tokens: Uint32Array,
    logitIndexes: Uint32Array,
  ): Promise<ArrayLike<number>> {
    return this.#alive(async () => {
      this.#addon.initBatch(tokens.length);
      const rows = this.#addon.addToBatch(this.#sequenceId, firstPosition, tokens, logitIndexes);
      await this.#turns.run(this.#threads, () => this.#addon.decodeBatch());
      return rows;
    });
  }

  /** Draws a token from a row of the latest decode, and accepts it into the sampler. */
  async sample(row: LogitRow, sampler: NativeSampler): Promise<Token> {
    const token = await this.#alive(() => this.#addon.sampleToken(row, sampler));
    if (token < 0)
      throw new Error("no token is left to choose from: the sampling options exclude every candidate");
    return token as Token;
  }

  /**
   * Negative log-likelihood of a token at a row of the latest decode. Asks a greedy sampler for two logits and the total
   * weight Σ exp(logit − largest logit), so that the vocabulary is never copied to JavaScript.
   */
  async nll(row: LogitRow, target: number, greedy: NativeSampler): Promise<number> {
    const [selected, , , logits, weight] = await this.#alive(() =>
      this.#addon.sampleToken(row, greedy, false, false, [[target], false, false, true, 0], true),
    );
    const targetLogit = logitOf(logits, target);
    const selectedLogit = logitOf(logits, selected);
    if (targetLogit === undefined || selectedLogit === undefined || weight === undefined) {
      throw new Error(`the engine gave no logit for token ${target}`);
    }
    return selectedLogit - targetLogit + Math.log(weight);
  }

  /** Logits of some tokens at a row of the latest decode, in their order, by one native call; NaN for a token that has none. */
  async logits(row: LogitRow, tokens: readonly number[], greedy: NativeSampler): Promise<Float64Array> {
    const [, , , pairs = []] = await this.#alive(() =>
      this.#addon.sampleToken(row, greedy, false, false, [tokens, false, false, false, 0], false),
    );
    const found = new Map<number, number>();
    for (let index = 0; index + 1 < pairs.length; index += 2)
      found.set(pairs[index] ?? NaN, pairs[index + 1] ?? NaN);
    return Float64Array.from(tokens, (token) => found.get(token) ?? NaN);
  }

  /** Moves every cell up by `distance` positions. Keys are rotated by the next decode. */
  shift(distance: number): void {
    this.#keepAlive().dispose();
    this.#addon.shiftSequenceTokenCells(this.#sequenceId, 0, END, distance);
  }

  /** Removes the cells at positions start … end − 1 and moves those behind them down. */
  removeAndShift(start: number, end: number, length: number): void {
    this.#remove(start, end);
    if (end < length) this.#addon.shiftSequenceTokenCells(this.#sequenceId, end, END, start - end);
  }

  /** Removes the cells at positions start … . */
  removeTail(start: number): void {
    this.#remove(start, END);
  }

  /** What the cells are tied to. Reads samples of the model's file the first time; throws as {@link fingerprintModel}. */
  async origin(): Promise<CellsOrigin> {
    const { model, kvCacheKeyType, kvCacheValueType, flashAttention } = this.#context;
    return {
      model: await fingerprintModel(model),
      modelName: nameOf(model),
      keyType: GgmlType[kvCacheKeyType],
      valueType: GgmlType[kvCacheValueType],
      flashAttention: flashAttention === true,
    };
  }

  /** Writes the cells to a file. Keys are written as they lie in memory: a shift that no decode followed is lost. */
  async save(path: string): Promise<void> {
    await this.#aloneOnVulkan(() => this.#addon.saveSequenceStateToFile(path, this.#sequenceId, NO_TOKENS));
  }

  /**
   * Puts the cells of a file in place of the present ones; a failure leaves them unknown. Only for bytes that {@link save} wrote, of at
   * least one cell, from the same {@link origin}, with no more cells than fit: llama.cpp may end the process on others.
   */
  async load(path: string): Promise<void> {
    // With room for no token llama.cpp would only count them, and load nothing without a word.
    await this.#aloneOnVulkan(() => this.#addon.loadSequenceStateFromFile(path, this.#sequenceId, 1));
  }

  /** A sampler that always takes the likeliest token. */
  createGreedySampler(): NativeSampler {
    const sampler = this.createSampler();
    sampler.applyConfig({ temperature: 0 });
    return sampler;
  }

  /** A sampler to be configured by {@link NativeSequence.configure} before every draw. */
  createSampler(): NativeSampler {
    this.#keepAlive().dispose();
    return this.#createSampler();
  }

  /** Applies node-llama-cpp's own sampling options; functions among them are called anew. */
  configure(sampler: NativeSampler, options: LlamaSampling): void {
    this.#keepAlive().dispose();
    sampler.applyConfig(this.#resolveSamplerConfig(options));
  }

  #remove(start: number, end: number): void {
    this.#keepAlive().dispose();
    if (this.#addon.removeTokenCellsFromSequence(this.#sequenceId, start, end)) return;
    throw new Error(
      `llama.cpp refused to remove the cells from ${start} to ${end === END ? "the end" : end}`,
    );
  }

  /** Holds off the disposal of the context, and of the model under it. */
  #keepAlive(): { dispose(): void } {
    try {
      return this.#preventDisposal();
    } catch (cause) {
      throw disposedModel(cause);
    }
  }

  /** Native work that takes one thread of a CPU, but a turn of its own on Vulkan. */
  #aloneOnVulkan<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.#alive(() => this.#turns.run(this.#threads === Infinity ? Infinity : 1, task));
  }

  /** Runs native work on another thread while the context, and the model under it, cannot be disposed. */
  async #alive<Result>(task: () => Promise<Result>): Promise<Result> {
    const handle = this.#keepAlive();
    try {
      return await task();
    } finally {
      handle.dispose();
    }
  }
}

function logitOf(pairs: readonly number[] | undefined, token: number): number | undefined {
  if (!pairs) return undefined;
  for (let index = 0; index + 1 < pairs.length; index += 2)
    if (pairs[index] === token) return pairs[index + 1];
  return undefined;
}
