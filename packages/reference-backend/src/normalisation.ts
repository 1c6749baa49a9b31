/** How a layer's input is brought to unit size. */
export interface Normalisation {
  /**
   * `root-mean-square`: x / √(mean(x²) + ε) · w (Zhang and Sennrich, arXiv 1910.07467).
   * `layer`: (x − mean(x)) / √(var(x) + ε) · w + b (Ba et al., arXiv 1607.06450).
   */
  readonly kind: "root-mean-square" | "layer";
  /** The small number ε under the root. */
  readonly epsilon: number;
  /** Weights w, [width]. */
  readonly weights: Float32Array;
  /** Biases b, [width]; none is zero. */
  readonly biases: Float32Array | undefined;
}

/** Normalises each row of [rows × width]. The input stays as it is. */
export function normalise(normalisation: Normalisation, input: Float64Array, rows: number): Float64Array {
  const { kind, epsilon, weights, biases } = normalisation;
  const width = weights.length;
  const result = new Float64Array(rows * width);
  for (let row = 0; row < rows; row += 1) {
    const values = input.subarray(row * width, (row + 1) * width);
    const mean = kind === "layer" ? meanOf(values) : 0;
    let squares = 0;
    for (const value of values) squares += (value - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / width + epsilon);
    for (let index = 0; index < width; index += 1) {
      const scaled = (values[index]! - mean) * scale * weights[index]!;
      result[row * width + index] = scaled + (biases ? biases[index]! : 0);
    }
  }
  return result;
}

function meanOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
