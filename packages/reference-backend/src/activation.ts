import { roundToHalf } from "./half-precision.js";

/** The function between the two halves of a feed-forward network. */
export type Activation = (value: number) => number;

/** x · σ(x) = x / (1 + e⁻ˣ), also called Swish (Ramachandran et al., arXiv 1710.05941). */
export function silu(value: number): number {
  return value / (1 + Math.exp(-value));
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** The tanh form of GELU: ½x(1 + tanh(√(2/π)(x + 0.044715x³))) (Hendrycks and Gimpel, arXiv 1606.08415). */
export function gelu(value: number): number {
  return 0.5 * value * (1 + Math.tanh(SQRT_2_OVER_PI * (value + 0.044715 * value ** 3)));
}

/**
 * {@link gelu} as ggml computes it on a CPU: looked up in a table from F16 to F16, 0 from −10 down and the value itself from
 * 10 up. It rounds both ways, by up to 2⁻¹¹ of the value each.
 */
export function geluOfTable(value: number): number {
  if (value <= -10) return 0;
  if (value >= 10) return value;
  return roundToHalf(gelu(roundToHalf(value)));
}
