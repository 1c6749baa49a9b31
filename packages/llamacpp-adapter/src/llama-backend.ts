import { readFile, writeFile } from "node:fs/promises";

import {
  checkDecode,
  checkEviction,
  checkSupported,
  checkToken,
  checkTruncation,
  disposedBackend,
  disposedSampler,
  nothingPending,
  type BackendCapabilities,
  type CacheRange,
  type KVCacheBackend,
  type Sampler,
} from "@kvpolicy/core";

import type { LogitRow, NativeSampler, NativeSequence } from "./native-sequence.js";
import type { LlamaSampling } from "./sampling.js";
import { sealCells, unsealCells, type CellsOrigin } from "./snapshot/saved-cells.js";
import { useTemporaryFile } from "./snapshot/temporary-file.js";

/**
 * Logits that one decode may keep, 16 MiB of them, but rows for 32 tokens at least: 512 rows of a 128k vocabulary would be
 * 262 MB, and more than a few dozen gain nothing on a model that large.
 */
const MOST_LOGITS = 2 ** 22;
const FEWEST_ROWS = 32;
/** What is decoded to make llama.cpp move its keys, and thrown away again: any token will do. */
const THROW_AWAY = Uint32Array.of(0);
const NO_ROWS = new Uint32Array(0);

/**
 * llama.cpp as a backend: cell index = position in the sequence, one sequence that owns its context. K-shift is lazy in
 * llama.cpp: an eviction only notes the new positions, and the next decode rotates the keys before it computes.
 *
 * Everything is checked before a native call, because a failed assertion in llama.cpp ends the process. Saved cells, too, carry what
 * they are tied to and a digest, and the addon's own bytes travel through a temporary file, the only way that it has.
 */
export class LlamaBackend implements KVCacheBackend<LlamaSampling> {
  readonly capabilities: BackendCapabilities;
  readonly #sequence: NativeSequence;
  readonly #release: () => Promise<void>;
  readonly #greedy: NativeSampler;
  readonly #mostRows: number;
  #length = 0;
  #pending: LogitRow | undefined;
  /** Whether keys have new positions that they are not rotated to yet. */
  #hasUnmovedKeys = false;
  #disposal: Promise<void> | undefined;

  constructor(sequence: NativeSequence, capabilities: BackendCapabilities, release: () => Promise<void>) {
    this.#sequence = sequence;
    this.capabilities = capabilities;
    this.#release = release;
    this.#greedy = sequence.createGreedySampler();
    this.#mostRows = Math.max(FEWEST_ROWS, Math.floor(MOST_LOGITS / capabilities.vocabularySize));
  }

  async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    this.#refuseDisposed();
    checkDecode(tokens, options, this.#length, this.capabilities);
    this.#pending = undefined;
    const last = tokens.length - 1;
    // The row before a scored token predicts it, and the last row is the pending one.
    const firstRow = options ? options.scoreFrom - 1 : last;
    const nlls = options && new Float64Array(tokens.length - options.scoreFrom);
    for (let start = 0; start < tokens.length;) {
      const rowStart = Math.max(start, firstRow);
      const end = Math.min(start + this.capabilities.batch, rowStart + this.#mostRows, tokens.length);
      const rowIndexes = Uint32Array.from(
        { length: Math.max(0, end - rowStart) },
        (_, row) => rowStart - start + row,
      );
      const rows = await this.#sequence.decode(this.#length, tokens.subarray(start, end), rowIndexes);
      this.#hasUnmovedKeys = false;
      this.#length += end - start;
      for (let token = rowStart; token < end; token += 1) {
        const row = rows[token - rowStart] as LogitRow;
        if (token === last) this.#pending = row;
        else if (nlls)
          nlls[token - firstRow] = await this.#sequence.nll(row, tokens[token + 1] ?? 0, this.#greedy);
      }
      start = end;
    }
    return nlls;
  }

  async nll(target: number): Promise<number> {
    this.#refuseDisposed();
    checkSupported("nll", this.capabilities.nll);
    checkToken(target, this.capabilities.vocabularySize);
    return this.#sequence.nll(this.#pendingRow(), target, this.#greedy);
  }

  createSampler(options: LlamaSampling = {}): Sampler {
    this.#refuseDisposed();
    const native = this.#sequence.createSampler();
    let isDisposed = false;
    const seeded = { ...options, seed: options.seed ?? Math.floor(Math.random() * 2 ** 32) };
    return {
      sample: async () => {
        this.#refuseDisposed();
        if (isDisposed) throw disposedSampler();
        const row = this.#pendingRow();
        this.#sequence.configure(native, seeded);
        return this.#sequence.sample(row, native);
      },
      dispose: () => {
        isDisposed = true;
        native.dispose();
      },
    };
  }

  evict(ranges: readonly CacheRange[]): Promise<void> {
    return this.#change(() => {
      checkSupported("evict", this.capabilities.reindex);
      checkEviction(ranges, this.#length);
      this.#forgetPending();
      for (const { start, end } of [...ranges].reverse()) {
        this.#hasUnmovedKeys ||= end < this.#length;
        this.#sequence.removeAndShift(start, end, this.#length);
        this.#length -= end - start;
      }
    });
  }

  truncate(length: number): Promise<void> {
    return this.#change(() => {
      checkSupported("truncate", this.capabilities.truncate);
      checkTruncation(length, this.#length);
      this.#keepFirst(length);
    });
  }

  clear(): Promise<void> {
    return this.#change(() => {
      this.#keepFirst(0);
    });
  }

  /** What the cells are tied to. */
  origin(): Promise<CellsOrigin> {
    return this.#sequence.origin();
  }

  async saveState(): Promise<Uint8Array> {
    this.#refuseDisposed();
    const origin = await this.#sequence.origin();
    if (this.#hasUnmovedKeys) await this.#moveKeys();
    if (this.#length === 0) return sealCells(origin, 0, new Uint8Array(0));
    const native = await useTemporaryFile(async (path) => {
      await this.#sequence.save(path);
      return readFile(path);
    });
    return sealCells(origin, this.#length, native);
  }

  async loadState(state: Uint8Array): Promise<void> {
    this.#refuseDisposed();
    const { cells, native } = unsealCells(state, await this.#sequence.origin(), this.capabilities.capacity);
    if (cells === 0) {
      // llama.cpp takes a state without cells for nothing to be done, and leaves the present ones.
      this.#keepFirst(0);
      return;
    }
    await useTemporaryFile(async (path) => {
      await writeFile(path, native);
      this.#forgetPending();
      this.#hasUnmovedKeys = false;
      try {
        await this.#sequence.load(path);
        this.#length = cells;
      } catch (error) {
        this.#keepFirst(0);
        throw error;
      }
    });
  }

  async dispose(): Promise<void> {
    this.#disposal ??= this.#free();
    await this.#disposal;
  }

  async #free(): Promise<void> {
    this.#pending = undefined;
    try {
      this.#greedy.dispose();
    } finally {
      await this.#release();
    }
  }

  #change(task: () => void): Promise<void> {
    return Promise.resolve().then(() => {
      this.#refuseDisposed();
      task();
    });
  }

  /** Nothing but a decode makes llama.cpp move its keys. After an eviction there is room for one token, and nothing is pending. */
  async #moveKeys(): Promise<void> {
    try {
      await this.#sequence.decode(this.#length, THROW_AWAY, NO_ROWS);
      this.#hasUnmovedKeys = false;
    } finally {
      this.#sequence.removeTail(this.#length);
    }
  }

  #keepFirst(length: number): void {
    this.#forgetPending();
    this.#sequence.removeTail(length);
    this.#length = length;
    this.#hasUnmovedKeys &&= length > 0;
  }

  /** llama.cpp keeps the logits of the last decode: reading them now would silently answer for cells that are gone. */
  #forgetPending(): void {
    this.#pending = undefined;
  }

  #pendingRow(): LogitRow {
    if (this.#pending === undefined) throw nothingPending();
    return this.#pending;
  }

  #refuseDisposed(): void {
    if (this.#disposal) throw disposedBackend();
  }
}
