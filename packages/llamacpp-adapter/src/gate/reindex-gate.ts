import type { Capability } from "@kvpolicy/core";

import { findObstacle, NO_CACHE, type Obstacle, type ReindexFacts } from "./reindex-rules.js";

const STILL_WORKS = "plans that recompute the survivors still work";

/**
 * Whether cached keys can be moved, by the metadata alone: `true`, or why not. It knows what is known to end the process, which cannot be
 * caught, and what is known to go silently wrong. Anything else is let through, to the self-test.
 */
export function checkReindex(facts: ReindexFacts): Capability {
  const obstacle = findObstacle(facts);
  return obstacle ? explainObstacle(facts.metadata.general.architecture, obstacle) : true;
}

/** Why keys cannot be moved, and what still works, as a capability says it. */
export function explainObstacle(
  architecture: string,
  { rule, reason }: Pick<Obstacle, "rule" | "reason">,
): string {
  return `${architecture}: ${reason}${rule === NO_CACHE ? "" : `; ${STILL_WORKS}`}`;
}
