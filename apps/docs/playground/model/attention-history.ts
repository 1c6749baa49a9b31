import type { AttentionMap } from "@kvpolicy/reference-backend";

import type { AttentionReport } from "./worker-protocol.js";

/** Queries that are kept, the newest ones. */
export const KEPT_QUERIES = 48;

/** Most columns of a picture: beyond it, several cells share one. */
const MOST_COLUMNS = 256;

/** Attention of one query, [layers][heads][cells]. */
type Query = readonly (readonly Float64Array[])[];

/** The attention of the newest tokens of a stream. */
export class AttentionHistory {
  readonly #layers: number;
  readonly #heads: number;
  /** What was decoded since the last {@link keep}, [layers][heads][tokens], as far as it may be kept. */
  #decoded: Float64Array[][][];
  #queries: Query[] = [];

  constructor(layers: number, heads: number) {
    this.#layers = layers;
    this.#heads = heads;
    this.#decoded = this.#nothing();
  }

  /** Takes what the backend shows of a block that it decodes. */
  observe({ layer, probabilities }: AttentionMap): void {
    probabilities.forEach((tokens, head) => {
      const rows = this.#decoded[layer]?.[head];
      rows?.push(...tokens.slice(-KEPT_QUERIES));
      rows?.splice(0, rows.length - KEPT_QUERIES);
    });
  }

  /** Keeps the newest `count` tokens of what was decoded; what came before them are survivors that were evaluated again. */
  keep(count: number): void {
    const available = this.#decoded[0]?.[0]?.length ?? 0;
    for (let index = Math.max(0, available - count); index < available; index += 1) {
      this.#queries.push(
        this.#decoded.map((heads) => heads.map((tokens) => tokens[index] ?? new Float64Array())),
      );
    }
    this.#queries = this.#queries.slice(-KEPT_QUERIES);
    this.#decoded = this.#nothing();
  }

  /** The picture of one layer and head, and what every head gives to the first cell. */
  picture(layer: number, head: number): Omit<AttentionReport, "participant"> {
    const rows = this.#queries.map((query) => query[layer]?.[head] ?? new Float64Array());
    const widest = rows.reduce((most, { length }) => Math.max(most, length), 0);
    const cellsPerColumn = Math.max(1, Math.ceil(widest / MOST_COLUMNS));
    const columns = Math.ceil(widest / cellsPerColumn);
    const values = new Float32Array(rows.length * columns);
    rows.forEach((row, query) => {
      row.forEach((share, cell) => {
        const place = query * columns + Math.floor(cell / cellsPerColumn);
        values[place] = Math.max(values[place] ?? 0, share);
      });
    });
    return {
      layer,
      head,
      values,
      queries: rows.length,
      columns,
      cellsPerColumn,
      cells: widest,
      shares: this.#shares(),
    };
  }

  #shares(): number[][] {
    return Array.from({ length: this.#layers }, (_, layer) =>
      Array.from({ length: this.#heads }, (_, head) =>
        mean(this.#queries.map((query) => query[layer]?.[head]?.[0] ?? 0)),
      ),
    );
  }

  #nothing(): Float64Array[][][] {
    return Array.from({ length: this.#layers }, () => Array.from({ length: this.#heads }, () => []));
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
