import type { CacheType } from "../cache-types.js";
import type { LogitRow, NativeSequence } from "../native-sequence.js";

/** What the self-test measured. An error is ‖difference‖ / ‖logits‖ of logits minus their mean; NaN when one of them is no number. */
export interface ShiftSelfTest {
  /** Error after all tokens were moved: the smallest of the rounds, since what is wrong is wrong in each. */
  readonly error: number;
  /** Error after they were moved there and back: what rounding does. The largest of the rounds. */
  readonly noise: number;
  /** Largest error of a model whose keys are moved well. */
  readonly threshold: number;
  /** Largest noise that is rounding. */
  readonly largestNoise: number;
  /** Whether both are within their bounds. */
  readonly passed: boolean;
}

/** What the self-test has to know of the context. */
export interface ShiftSelfTestOptions {
  /** Type of the cached keys; see {@link isTestable}. */
  readonly keyType: CacheType;
  /** Most tokens that one decode takes. */
  readonly batch: number;
  /** Whether matrices of the model are quantised. */
  readonly quantisedWeights: boolean;
  /** Tokens in the vocabulary. */
  readonly vocabularySize: number;
  /** Positions that the model was trained on: none beyond them is used. */
  readonly trainedLength: number;
}

const NO_ROWS = new Uint32Array(0);
/** Tokens that are decoded, at most. */
const LENGTH = 40;
/** Positions by which all of them are moved, at most. */
const DISTANCE = 24;
/** Moves there and back, at most. */
const ROUNDS = 2;
/** Tokens whose logits are compared, at most. */
const PROBES = 256;

/**
 * Errors measured with llama.cpp v0.5.0 on a CPU, over seeds, depths and scores of random models, and on SmolLM2-135M (Q4_1):
 *
 * | weights | keys | moved well | layers without rotation | normalised after rotation | scaled: error, noise |
 * | --- | --- | --- | --- | --- | --- |
 * | F32, F16 | F32, F16 | 0 … 2e-3 | 9e-2 … 5e-1 | 4e-2 … 9e-2 | 5e-2 … 2e-1, 1e-1 … 6e-1 |
 * | F32, F16 | Q8_0 | 3e-3 … 4e-2 | 9e-2 … 5e-1 | | 5e-2 … 2e-1, 1e-1 … 6e-1 |
 * | Q8_0, Q4_1, Q4_0 | F32, F16, Q8_0 | 0 … 7e-2 | 8e-2 … 5e-1 | 4e-2 … 9e-2 | 5e-2 … 2e-1, 2e-1 … 6e-1 |
 *
 * With quantised weights llama.cpp rounds activations to 8 bits, and a difference in the last bit of a key grows to per cents on its way
 * through the layers: SmolLM2 is at 3e-2 to 7e-2 although nothing is wrong. There the test misses what is less wrong than that, and the
 * metadata have to say it.
 */
const EXACT = { error: 5e-3, noise: 5e-3 };
const ROUNDED = { error: 8e-2, noise: 0.2 };
/** An error of no more than so many times the noise may be rounding: a deeper model may have more of it than any that was measured. */
const NOISE_FACTOR = 2;

/**
 * Whether the self-test can tell good from broken with keys of this type. With Q4_0 it cannot: keys that are moved well differ by up to
 * 5.2e-1, more than many that are not.
 */
export function isTestable(keyType: CacheType): boolean {
  return keyType !== "Q4_0";
}

/**
 * The shift-invariance self-test: what a model predicts depends on the distances of the tokens alone, so that moving all of them by the
 * same number of positions must change nothing. Decodes some tokens, moves them there and back, decodes the last one again after each
 * move, and compares. The sequence must be empty, and is empty afterwards.
 *
 * It catches what goes silently wrong. What ends the process must have been refused before.
 */
export async function runShiftSelfTest(
  sequence: NativeSequence,
  { keyType, batch, quantisedWeights, vocabularySize, trainedLength }: ShiftSelfTestOptions,
): Promise<ShiftSelfTest> {
  const length = Math.max(2, Math.min(LENGTH, Math.ceil((trainedLength * LENGTH) / (LENGTH + DISTANCE))));
  const distance = Math.max(1, Math.min(DISTANCE, trainedLength - length));
  const tokens = spread(length, vocabularySize);
  const probes = Array.from(spread(Math.min(PROBES, vocabularySize), vocabularySize));
  const greedy = sequence.createGreedySampler();
  const last = length - 1;
  const predictAt = async (position: number): Promise<Float64Array> => {
    const [row] = Array.from(await sequence.decode(position, tokens.subarray(last), Uint32Array.of(0)));
    sequence.removeTail(position);
    return sequence.logits(row as LogitRow, probes, greedy);
  };
  const isExact = !quantisedWeights && (keyType === "F32" || keyType === "F16");
  const bounds = isExact ? EXACT : ROUNDED;
  let [error, noise] = [Infinity, 0];
  try {
    for (let start = 0; start < last; start += batch)
      await sequence.decode(start, tokens.subarray(start, Math.min(start + batch, last)), NO_ROWS);
    const before = await predictAt(last);
    for (let round = 0; round < ROUNDS; round += 1) {
      sequence.shift(distance);
      error = Math.min(error, relativeError(await predictAt(last + distance), before));
      sequence.shift(-distance);
      noise = Math.max(noise, relativeError(await predictAt(last), before));
      if (error <= EXACT.error && noise <= EXACT.noise) break;
    }
  } finally {
    sequence.removeTail(0);
    greedy.dispose();
  }
  const threshold = isExact ? bounds.error : Math.max(bounds.error, NOISE_FACTOR * noise);
  const passed = error <= threshold && noise <= bounds.noise;
  return { error, noise, threshold, largestNoise: bounds.noise, passed };
}

/** Different tokens from all over the vocabulary, the same for the same numbers. */
function spread(count: number, vocabularySize: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) =>
    Math.floor(((index + 0.5) * vocabularySize) / count),
  );
}

/** ‖difference‖ / ‖expected‖ of logits minus their mean: softmax does not see a constant. */
function relativeError(actual: Float64Array, expected: Float64Array): number {
  const [measured, wanted] = [centre(actual), centre(expected)];
  const difference = Math.hypot(...measured.map((value, index) => value - (wanted[index] ?? NaN)));
  return difference === 0 ? 0 : difference / Math.hypot(...wanted);
}

function centre(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}
