import { KVPolicyError, type KVCacheBackend } from "@kvpolicy/core";

/**
 * A history of decoded tokens. Row r is the r-th token ever decoded; a token that is decoded again after a clear is a new row.
 */
export interface Trace {
  /** Token id of each row. */
  readonly tokens: Uint32Array;
  /**
   * For each row the rows that it attends to, in cache order, itself last. When row r looks, the position of a key is its
   * rank in visible[r], and r's own position is their number − 1: positions are counted inside the cache. The keys and
   * values of a row are those of the time when it was decoded, whatever was evicted since.
   */
  readonly visible: readonly Uint32Array[];
}

/**
 * An implementation to compare with. Answers, for each asked row of a trace, the log-probability (nats) of every token id
 * to come next.
 */
export type Oracle = (
  trace: Trace,
  rows: readonly number[],
) => Promise<readonly Float64Array[]> | readonly Float64Array[];

/** What {@link recordTrace} answers. */
export interface TraceRecorder<Sampling> {
  /** The backend to use in place of the one inside. */
  readonly backend: KVCacheBackend<Sampling>;
  /** Everything decoded so far. */
  readonly trace: () => Trace;
  /** The rows that the cells of this moment hold, in cache order. */
  readonly cells: () => readonly number[];
}

/**
 * A backend that notes the trace of everything done to the one inside, a fresh backend: cells that it held before would be in no
 * trace. A refused or failed call is not noted. It loads only states that it has saved itself, because the bytes do not say which
 * rows they hold.
 */
export function recordTrace<Sampling>(inside: KVCacheBackend<Sampling>): TraceRecorder<Sampling> {
  const tokens: number[] = [];
  const visible: Uint32Array[] = [];
  const saved = new WeakMap<Uint8Array, readonly number[]>();
  let cells: number[] = [];
  const saveState = inside.saveState?.bind(inside);
  const loadState = inside.loadState?.bind(inside);
  const backend: KVCacheBackend<Sampling> = {
    capabilities: inside.capabilities,
    decode: async (block, options) => {
      const scores = await inside.decode(block, options);
      for (const token of block) {
        cells.push(tokens.length);
        tokens.push(token);
        visible.push(Uint32Array.from(cells));
      }
      return scores;
    },
    nll: (target) => inside.nll(target),
    createSampler: (options) => inside.createSampler(options),
    evict: async (ranges) => {
      await inside.evict(ranges);
      cells = cells.filter((_, index) => !ranges.some(({ start, end }) => start <= index && index < end));
    },
    truncate: async (length) => {
      await inside.truncate(length);
      cells.length = length;
    },
    clear: async () => {
      await inside.clear();
      cells = [];
    },
    dispose: () => inside.dispose(),
    ...(saveState && {
      saveState: async () => {
        const state = await saveState();
        saved.set(state, [...cells]);
        return state;
      },
    }),
    ...(loadState && {
      loadState: async (state) => {
        const rows = saved.get(state);
        if (!rows) {
          throw new KVPolicyError({
            code: "unsupported",
            message: "A recorded backend loads only states that it has saved itself.",
            details: { feature: "loadState", reason: "the rows of the state are not known" },
          });
        }
        await loadState(state);
        cells = [...rows];
      },
    }),
  };
  return {
    backend,
    trace: () => ({ tokens: Uint32Array.from(tokens), visible: [...visible] }),
    cells: () => [...cells],
  };
}
