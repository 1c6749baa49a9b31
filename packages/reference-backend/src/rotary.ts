import { checkCount, KVPolicyError } from "@kvpolicy/core";

/** Which dimensions of a head form a pair: 2j and 2j + 1 (llama.cpp's NORM), or j and j + dimensions / 2 (its NEOX). */
export type RotaryPairing = "interleaved" | "halves";

/** What a rotary embedding is made of. */
export interface RotaryOptions {
  /** Which dimensions form a pair. */
  readonly pairing: RotaryPairing;
  /** Dimensions of a head that are rotated, an even number; the rest pass. */
  readonly dimensions: number;
  /** Base of the angles: 10,000 in the paper. */
  readonly base: number;
  /** What positions are multiplied by (linear scaling). Defaults to 1. */
  readonly scale?: number | undefined;
  /** A divisor for each pair's angle, [dimensions / 2], as Llama 3.1's `rope_freqs`. Defaults to 1 for all. */
  readonly factors?: Float32Array | undefined;
}

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864): each pair of a head's dimensions is rotated by an angle that is
 * proportional to the position, so that the product of a query and a key depends on the distance between them alone.
 */
export class Rotary {
  /** Angle of each pair for one position, in radians, [dimensions / 2]: scale · base^(−2j / dimensions) / factor_j. */
  readonly frequencies: Float64Array;
  /** The two dimensions of each pair, within a head. */
  readonly pairs: readonly (readonly [first: number, second: number])[];
  /** Cosine and sine of every pair's angle at a position, [positions][pairs × 2], as far as they were asked for. */
  readonly #angles: Float64Array[] = [];

  /** @throws {KVPolicyError} `config` when the dimensions are no even number of at least 2. */
  constructor({ pairing, dimensions, base, scale = 1, factors }: RotaryOptions) {
    checkCount("Rotary", "dimensions", dimensions, 2);
    if (dimensions % 2 !== 0) {
      throw new KVPolicyError({
        code: "config",
        message: `Rotary: dimensions are rotated in pairs, and ${dimensions} is odd.`,
        details: { option: "dimensions", value: dimensions },
      });
    }
    const count = dimensions / 2;
    this.frequencies = Float64Array.from(
      { length: count },
      (_, pair) => (scale * base ** ((-2 * pair) / dimensions)) / (factors?.[pair] ?? 1),
    );
    this.pairs = Array.from({ length: count }, (_, pair) =>
      pairing === "interleaved" ? ([2 * pair, 2 * pair + 1] as const) : ([pair, pair + count] as const),
    );
  }

  /**
   * Rotates every head of one token's queries or keys to a position, in place: (a, b) → (a·cos φ − b·sin φ, a·sin φ + b·cos φ)
   * with φ = position · frequency.
   *
   * @param vectors - [heads × headSize], the token's.
   */
  rotate(vectors: Float64Array, headSize: number, position: number): void {
    const angles = this.anglesAt(position);
    for (let pair = 0; pair < this.pairs.length; pair += 1) {
      const [first, second] = this.pairs[pair]!;
      const cosine = angles[2 * pair]!;
      const sine = angles[2 * pair + 1]!;
      for (let head = 0; head < vectors.length; head += headSize) {
        const a = vectors[head + first]!;
        const b = vectors[head + second]!;
        vectors[head + first] = a * cosine - b * sine;
        vectors[head + second] = a * sine + b * cosine;
      }
    }
  }

  /** Cosine and sine of each pair's angle at a position, [pairs × 2]. */
  anglesAt(position: number): Float64Array {
    return (this.#angles[position] ??= Float64Array.from({ length: 2 * this.pairs.length }, (_, index) => {
      const angle = position * this.frequencies[index >> 1]!;
      return index % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
    }));
  }
}
