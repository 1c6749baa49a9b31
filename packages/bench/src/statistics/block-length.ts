import { mean } from "./perplexity.js";

/** Deviations smaller than this share of the mean are of rounding. */
const ROUNDING = 1e-12;

/**
 * Length of the blocks that a moving-block bootstrap of the mean should draw from an autocorrelated series.
 *
 * The automatic choice of Politis and White (Econometric Reviews 23, 2004) with the correction of Patton, Politis and White
 * (28, 2009), in its form for the circular block bootstrap: the longer the series remembers, the longer the blocks.
 *
 * @returns At least 1; at most min(3·√n, n / 3), as the authors advise.
 */
export function automaticBlockLength(values: Float64Array): number {
  const { length } = values;
  if (length < 9) return 1;
  const logarithm = Math.log10(length);
  const quietLags = Math.max(5, Math.ceil(Math.sqrt(logarithm)));
  const longestLag = Math.min(length - 1, Math.ceil(Math.sqrt(length)) + quietLags);
  const covariances = autocovariances(values, longestLag);
  const variance = covariances[0] ?? 0;
  // What rounding leaves of a constant series remembers nothing.
  if (!(variance > (ROUNDING * mean(values)) ** 2)) return 1;

  const threshold = 2 * Math.sqrt(logarithm / length) * variance;
  let memory = 0;
  for (let lag = 1; lag <= longestLag && lag - memory <= quietLags; lag += 1) {
    if (Math.abs(covariances[lag] ?? 0) > threshold) memory = lag;
  }
  const bandwidth = Math.min(longestLag, 2 * Math.max(1, memory));

  let spectrum = variance;
  let slope = 0;
  for (let lag = 1; lag <= bandwidth; lag += 1) {
    const weighted = 2 * flatTop(lag / bandwidth) * (covariances[lag] ?? 0);
    spectrum += weighted;
    slope += weighted * lag;
  }
  const best = Math.cbrt(((2 * slope ** 2) / ((4 / 3) * spectrum ** 2)) * length);
  const most = Math.floor(Math.min(3 * Math.sqrt(length), length / 3));
  return Math.max(1, Math.min(Math.ceil(best), most));
}

function autocovariances(values: Float64Array, longestLag: number): Float64Array {
  const centre = mean(values);
  const centred = values.map((value) => value - centre);
  return Float64Array.from({ length: longestLag + 1 }, (_, lag) => {
    let sum = 0;
    for (let index = lag; index < centred.length; index += 1) {
      sum += (centred[index] ?? 0) * (centred[index - lag] ?? 0);
    }
    return sum / centred.length;
  });
}

/** 1 up to a half, then down to 0 at 1. */
function flatTop(share: number): number {
  return share <= 0.5 ? 1 : Math.max(0, 2 * (1 - share));
}
