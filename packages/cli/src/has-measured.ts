import type { ExperimentResults } from "@kvpolicy/bench";

/** Whether anything was measured at all: some policies may fail and leave figures of the others. */
export function hasMeasured(results: ExperimentResults): boolean {
  const parts = partsOf(results);
  return parts.length === 0 || parts.some(Boolean);
}

/** Whether each part of an experiment that may fail alone was measured, at least for some tokens. */
function partsOf(results: ExperimentResults): readonly boolean[] {
  switch (results.experiment) {
    case "stream":
    case "stream-eval":
      return results.policies.map(hasRead);
    case "perplexity":
      return results.comparisons.flatMap(({ policies }) => policies.map(hasRead));
    case "probe":
    case "sinks":
    case "budgets":
      return results.comparison.policies.map(hasRead);
    case "latency":
      return results.budgets.flatMap(({ rows }) =>
        rows.map(({ status, tokens }) => status === "measured" || tokens > 0),
      );
    case "chat-eval":
      return results.contenders.map(({ status, turns }) => status !== "failed" || turns.length > 0);
    case "reproduce":
      return results.parts.map(({ status }) => status === "done" || status === "partial");
    case "soak":
      // A soak that cannot be run throws.
      return [];
  }
}

function hasRead({ status, tokens }: { readonly status: string; readonly tokens: number }): boolean {
  return status !== "failed" || tokens > 0;
}
