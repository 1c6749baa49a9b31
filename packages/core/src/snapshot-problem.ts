import type { Snapshot } from "./stream.js";

/** Why a snapshot cannot be restored into a stream, in words, or `undefined`. */
export function findSnapshotProblem(
  snapshot: Snapshot,
  budget: number,
  needsNlls: boolean,
  vocabularySize: number,
): string | undefined {
  const version: number = snapshot.version;
  if (version !== 1) return `its version is ${version}, not 1`;
  if (snapshot.budget !== budget) return `its budget is ${snapshot.budget} cells, this stream's is ${budget}`;
  const { tokens, positions, nlls } = snapshot;
  if (needsNlls && !nlls) return "it carries no negative log-likelihoods, which the policy requires";
  const lengths = [tokens.length, positions.length, nlls?.length ?? tokens.length];
  if (lengths.some((length) => length !== tokens.length) || tokens.length > budget) {
    return `its cells do not agree: ${lengths.join(", ")} of a budget of ${budget}`;
  }
  if (tokens.some((token) => token >= vocabularySize))
    return `it has tokens beyond the ${vocabularySize} known`;
  const ascends = positions.every((at, index) => at > (positions[index - 1] ?? -1) && at < snapshot.position);
  return ascends ? undefined : "its stream positions do not ascend";
}
