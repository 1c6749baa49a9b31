import { KVPolicyError, type CacheRange, type Snapshot } from "@kvpolicy/core";

import type { MeasuredStream } from "../../measure/measured-model.js";

/** How a {@link RecordCursor} reads. */
export interface RecordCursorOptions {
  /** Whether the likeliest token is looked at, too. */
  readonly accuracy: boolean;
  /** Stops between two steps. */
  readonly signal: AbortSignal | undefined;
  /** Told of tokens read. */
  readonly onTokens: (count: number) => void;
}

/** What a stream makes of an answer that it is given. */
export interface GivenAnswer {
  /** Negative log-likelihood of all its tokens, in nats; null where the model has no finite one. */
  readonly nll: number | null;
  /** How many of its tokens were the likeliest, each after those before it; null when nobody looked. */
  readonly tokensRight: number | null;
}

/** A stream that reads a record. Two that make the same calls on the same tokens do the same arithmetic, to the last bit. */
export class RecordCursor {
  readonly stream: MeasuredStream;
  readonly #tokens: Uint32Array;
  readonly #options: RecordCursorOptions;
  /** Stream position of the first token of the record. */
  readonly #base: number;

  /** `offset` is what of the record the stream has read already. */
  constructor(stream: MeasuredStream, tokens: Uint32Array, options: RecordCursorOptions, offset = 0) {
    this.stream = stream;
    this.#tokens = tokens;
    this.#options = options;
    this.#base = stream.position - offset;
  }

  /** Tokens of the record that were read. */
  get offset(): number {
    return this.stream.position - this.#base;
  }

  /** Stream position of a token of the record. */
  positionOf(index: number): number {
    return this.#base + index;
  }

  /** Reads up to a token. */
  async readTo(end: number): Promise<void> {
    const { signal, onTokens } = this.#options;
    let told = 0;
    await this.stream.append(this.#tokens.subarray(this.offset, end), {
      signal,
      onStep: (appended) => {
        onTokens(appended - told);
        told = appended;
      },
    });
  }

  /** Saves the stream and takes it up again: it goes on as every stream does that the snapshot is restored into. */
  async save(): Promise<Snapshot> {
    const snapshot = await this.stream.snapshot();
    await this.stream.restore(snapshot);
    return snapshot;
  }

  /** Reads the answer, whatever the model would have said. */
  async readAnswer({ start, end }: CacheRange): Promise<GivenAnswer> {
    const answer = this.#tokens.subarray(start, end);
    const { accuracy, signal, onTokens } = this.#options;
    const nlls: number[] = [];
    let right = 0;
    for (const token of accuracy ? answer : []) {
      if ((await this.#likeliestToken()) === token) right += 1;
      nlls.push(...(await this.stream.score([token], { signal })));
    }
    if (!accuracy) nlls.push(...(await this.stream.score(answer, { signal })));
    onTokens(answer.length);
    const nll = nlls.reduce((sum, value) => sum + value, 0);
    return { nll: Number.isFinite(nll) ? nll : null, tokensRight: accuracy ? right : null };
  }

  /** How many tokens of a range of the record are in the cache. */
  countCells({ start, end }: CacheRange): number {
    const [from, to] = [this.positionOf(start), this.positionOf(end)];
    return this.stream.cells().positions.filter((position) => position >= from && position < to).length;
  }

  /** The likeliest next token; undefined where it ends the generation. The stream is as if nobody had asked. */
  async #likeliestToken(): Promise<number | undefined> {
    const { signal } = this.#options;
    const { position } = this.stream;
    let likeliest: number | undefined;
    for await (const { token } of this.stream.generate({ temperature: 0, maxTokens: 1, signal })) {
      likeliest = token;
    }
    if (likeliest !== undefined) await this.stream.truncate(position);
    return likeliest;
  }
}

/** Why a stream cannot go back over a token, in words; undefined when it can. */
export async function findTruncateProblem(stream: MeasuredStream): Promise<string | undefined> {
  try {
    await stream.truncate(stream.position);
    return undefined;
  } catch (error) {
    if (KVPolicyError.isInstance(error, "unsupported")) return error.message;
    throw error;
  }
}
