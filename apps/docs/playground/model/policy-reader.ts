import { createStream, KVPolicyError, type CacheStream, type StreamStats } from "@kvpolicy/core";
import { ReferenceBackend, type ReferenceModel, type Tokenizer } from "@kvpolicy/reference-backend";

import { createPolicy, fieldsOf, type FindTokens } from "../policies.js";
import type { PolicySetting } from "../policy-setting.js";
import { AttentionHistory } from "./attention-history.js";
import type { Failure, Participant, ParticipantReport } from "./worker-protocol.js";

/** What the readers of a reading have in common. */
export interface SharedReading {
  readonly model: ReferenceModel;
  readonly tokenizer: Tokenizer;
  /** The text. */
  readonly tokens: Uint32Array;
  readonly budget: number;
  readonly stride: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
}

/** Reads the text with one policy, piece by piece, and measures. */
export class PolicyReader {
  readonly id: number;
  readonly attention: AttentionHistory;
  status: ParticipantReport["status"] = "reading";
  /** Tokens of the text read so far. */
  read = 0;
  readonly #shared: SharedReading;
  readonly #nlls: Float64Array;
  readonly #cells: number;
  #stream: CacheStream | undefined;
  #failure: Failure | null = null;
  #reported = 0;
  #firstPosition = 0;
  #millisecondsWhenFull = 0;
  #stats: StreamStats | undefined;
  #statsWhenFull: StreamStats | undefined;
  #tokensWhenFull = 0;

  constructor({ id, setting }: Participant, shared: SharedReading) {
    const { model, tokens, budget } = shared;
    this.id = id;
    this.#shared = shared;
    this.#nlls = new Float64Array(tokens.length);
    // As in the demo, dense has a cell for every token and the one in front.
    this.#cells = setting.policy === "dense" ? tokens.length + 1 : budget;
    this.attention = new AttentionHistory(model.layers.length, model.shape.heads);
    this.#orFail(() => {
      this.#stream = this.#open(setting);
    });
    this.#firstPosition = this.#stream?.position ?? 0;
  }

  /** Reads until `end` tokens of the text are read; an abort stops it before that, between two steps. */
  async readTo(end: number, signal: AbortSignal): Promise<void> {
    const stream = this.#stream;
    if (!stream || this.status !== "reading") return;
    const { tokens, clock } = this.#shared;
    const start = this.read;
    let before = clock();
    try {
      await stream.score(tokens.subarray(start, end), {
        into: this.#nlls.subarray(start, end),
        signal,
        onStep: (appended) => {
          this.#noteStep(stream.stats, start + appended, clock() - before);
          before = clock();
        },
      });
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      this.#fail(error);
      return;
    }
    if (this.read === tokens.length) this.status = "complete";
  }

  /** What happened since it was last asked. */
  report(): ParticipantReport {
    const nlls = this.#nlls.slice(this.#reported, this.read);
    this.#reported = this.read;
    return {
      id: this.id,
      status: this.status,
      failure: this.#failure,
      read: this.read,
      nlls,
      budget: this.#cells,
      tokensWhenFull: this.#tokensWhenFull,
      millisecondsWhenFull: this.#millisecondsWhenFull,
      evaluatedWhenFull: this.#evaluatedWhenFull(),
    };
  }

  async dispose(): Promise<void> {
    await this.#stream?.dispose();
    this.#stream = undefined;
  }

  #open(setting: PolicySetting): CacheStream {
    const { model, tokenizer, stride } = this.#shared;
    const policy = createPolicy(withStride(setting, stride), findTokensOf(tokenizer));
    const backend = new ReferenceBackend(model, { capacity: this.#cells });
    backend.onAttention((map) => {
      this.attention.observe(map);
    });
    return createStream({ backend, policy, budget: this.#cells, bos: tokenizer.bos, codec: tokenizer });
  }

  #noteStep(stats: StreamStats, read: number, milliseconds: number): void {
    const { budget } = this.#shared;
    this.attention.keep(read - this.read);
    if (this.#statsWhenFull) {
      this.#tokensWhenFull += read - this.read;
      this.#millisecondsWhenFull += milliseconds;
    }
    this.read = read;
    this.#stats = stats;
    if (this.#firstPosition + read >= budget) this.#statsWhenFull ??= stats;
  }

  #evaluatedWhenFull(): number {
    const [from, to] = [this.#statsWhenFull, this.#stats];
    if (!from || !to) return 0;
    return to.tokens + to.recomputedTokens - from.tokens - from.recomputedTokens;
  }

  #orFail(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A policy that cannot go on ends its own reading and no other. Anything but a refusal is a defect, and everybody's. */
  #fail(error: unknown): void {
    if (!KVPolicyError.isInstance(error)) throw error;
    this.status = "failed";
    this.#failure = { code: error.code, message: error.message };
  }
}

/** The setting with the stride of the reading, where the policy takes one and none is named. */
function withStride(setting: PolicySetting, stride: number): PolicySetting {
  const takesStride = fieldsOf(setting.policy).some(({ name }) => name === "stride");
  if (!takesStride || "stride" in setting.options) return setting;
  return { ...setting, options: { ...setting.options, stride } };
}

function findTokensOf(tokenizer: Tokenizer): FindTokens {
  return (isWanted) =>
    Array.from({ length: tokenizer.vocabularySize }, (_, token) => token).filter((token) =>
      isWanted(tokenizer.decode([token])),
    );
}
