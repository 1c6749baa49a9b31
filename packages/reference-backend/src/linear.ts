/** A linear map: `outputs` weighted sums of `inputs` numbers, each with a bias if there are biases. */
export interface Linear {
  /** Weights, [outputs × inputs], one row an output. */
  readonly weights: Float32Array;
  /** Biases, [outputs]. */
  readonly biases: Float32Array | undefined;
  /** Numbers that go in. */
  readonly inputs: number;
  /** Numbers that come out. */
  readonly outputs: number;
}

/**
 * y = W·x + b for several rows at once: [rows × inputs] → [rows × outputs].
 *
 * Weights are F32, sums are F64. A row of weights is used for four rows of input before the next is read, which is what
 * makes a block of tokens cheaper than the same tokens one by one; the sums are the same either way.
 */
export function applyLinear(linear: Linear, input: Float64Array, rows: number): Float64Array {
  const { weights, biases, inputs, outputs } = linear;
  const result = new Float64Array(rows * outputs);
  for (let output = 0; output < outputs; output += 1) {
    const start = output * inputs;
    const bias = biases ? (biases[output] ?? 0) : 0;
    let row = 0;
    for (; row + 4 <= rows; row += 4) {
      const first = row * inputs;
      const second = first + inputs;
      const third = second + inputs;
      const fourth = third + inputs;
      let [sum1, sum2, sum3, sum4] = [bias, bias, bias, bias];
      for (let index = 0; index < inputs; index += 1) {
        const weight = weights[start + index]!;
        sum1 += weight * input[first + index]!;
        sum2 += weight * input[second + index]!;
        sum3 += weight * input[third + index]!;
        sum4 += weight * input[fourth + index]!;
      }
      result[row * outputs + output] = sum1;
      result[(row + 1) * outputs + output] = sum2;
      result[(row + 2) * outputs + output] = sum3;
      result[(row + 3) * outputs + output] = sum4;
    }
    for (; row < rows; row += 1) {
      const first = row * inputs;
      let sum = bias;
      for (let index = 0; index < inputs; index += 1) sum += weights[start + index]! * input[first + index]!;
      result[row * outputs + output] = sum;
    }
  }
  return result;
}
