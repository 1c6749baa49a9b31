import { formatCount, formatMebibytes, formatNumber } from "../../report/numbers.js";
import { NLL_TOLERANCE } from "./passes.js";
import type { SoakResults } from "./soak-results.js";
import { describeCount, describeRange, describeRatio, formatDifference } from "./soak-words.js";

const VERDICTS = {
  flat: "flat",
  "not shown": "not shown to be flat",
  grew: "it grew",
  fell: "it fell",
  drifted: "it drifted",
} as const;

/** The comparison with a young stream, in a sentence. */
export function describeSideBySide({ sideBySide, read }: SoakResults): string {
  if (!sideBySide) return "Time per token, old against young: not compared.";
  const { ratio, verdict, youngAge, oldMillisecondsPerToken, youngMillisecondsPerToken } = sideBySide;
  return (
    `Time per token, old against young: ${VERDICTS[verdict]}. After ${formatCount(read)} tokens the stream takes ${describeRatio(ratio)} times as long as ` +
    `one of ${formatCount(youngAge)} tokens, in turns (${formatNumber(oldMillisecondsPerToken)} and ${formatNumber(youngMillisecondsPerToken)} ms).`
  );
}

/** The time along the soak, in a sentence. */
export function describeTime({ latency }: SoakResults): string {
  if (!latency)
    return "Time per token along the soak: too little was read to compare its end with its beginning.";
  const { early, late, ratio, verdict } = latency;
  return (
    `Time per token along the soak: ${VERDICTS[verdict]}. Tokens ${describeRange(late)} took ${describeRatio(ratio)} times as long as tokens ` +
    `${describeRange(early)} (${formatNumber(late.millisecondsPerToken)} and ${formatNumber(early.millisecondsPerToken)} ms).`
  );
}

/** The memory, in a sentence. */
export function describeMemory({ memory }: SoakResults): string {
  if (!memory) return "Resident memory: not known, or too little was read to compare.";
  const { early, late, allowedBytes, verdict } = memory;
  return (
    `Resident memory: ${VERDICTS[verdict]}. ${formatMebibytes(late.residentBytes)} MiB over tokens ${describeRange(late)}, ` +
    `${formatMebibytes(early.residentBytes)} MiB over tokens ${describeRange(early)}; ${formatMebibytes(allowedBytes)} MiB may come and go.`
  );
}

/** The passes, in a sentence. */
export function describeLikelihood({ likelihood }: SoakResults): string {
  if (!likelihood) return "Likelihood: no pass after the second is long enough to be compared with it.";
  const { largest, judged, verdict } = likelihood;
  return (
    `Likelihood: ${VERDICTS[verdict]}. Of ${describeCount(judged, "pass")} after the second, pass ${largest.pass} differs most from pass 2: ` +
    `by ${formatDifference(largest.difference)} nats a token, where ±${NLL_TOLERANCE} is allowed.`
  );
}
