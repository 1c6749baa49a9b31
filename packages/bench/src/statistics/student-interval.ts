import type { Interval } from "../results/header.js";
import { studentQuantile } from "./student.js";

/** A mean of independent values, and where the true one lies with a confidence of 95 % (Student's t); null for fewer than two values. */
export function studentInterval(values: readonly number[]): {
  readonly mean: number;
  readonly interval: Interval | null;
} {
  const { length } = values;
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  if (length < 2) return { mean, interval: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1);
  const half = studentQuantile(length - 1) * Math.sqrt(variance / length);
  return { mean, interval: { lower: mean - half, upper: mean + half } };
}
