import { KVPolicyError } from "@kvpolicy/core";
import { z } from "zod";

import { budgetsResultsSchema, type BudgetsResults } from "../experiments/budgets/budgets-results.js";
import { perplexityResultsSchema, type PerplexityResults } from "../experiments/perplexity/perplexity-results.js";
import { probeResultsSchema, sinksResultsSchema, type ProbeResults, type SinksResults } from "../experiments/sinks/sinks-results.js";
import { reproduceResultsSchema, type ReproduceResults } from "../experiments/reproduce/reproduce-results.js";
import { chatEvalResultsSchema, type ChatEvalResults } from "../experiments/chat-eval/chat-eval-results.js";
import { latencyResultsSchema, type LatencyResults } from "../experiments/latency/latency-results.js";
import { soakResultsSchema, type SoakResults } from "../experiments/soak/soak-results.js";
import { streamEvalResultsSchema, type StreamEvalResults } from "../experiments/stream-eval/stream-eval-results.js";
import { streamResultsSchema, type StreamResults } from "../experiments/stream/stream-results.js";

/** Version of the format of `results.json`. */
const VERSION = 2;

const experimentResultsSchema = z.discriminatedUnion("experiment", [
  streamResultsSchema,
  perplexityResultsSchema,
  probeResultsSchema,
  sinksResultsSchema,
  budgetsResultsSchema,
  latencyResultsSchema,
  streamEvalResultsSchema,
  chatEvalResultsSchema,
  soakResultsSchema,
  reproduceResultsSchema,
]);

/** What one experiment found, as plain data. */
export type ExperimentResults =
  | StreamResults
  | PerplexityResults
  | ProbeResults
  | SinksResults
  | BudgetsResults
  | LatencyResults
  | StreamEvalResults
  | ChatEvalResults
  | SoakResults
  | ReproduceResults;

/** The shape of `results.json`. */
export const resultsFileSchema = z.object({
  schemaVersion: z.literal(VERSION),
  experiments: z.array(experimentResultsSchema).min(1),
});

/** What `results.json` holds. */
export interface ResultsFile {
  /** Version of the format: 2. */
  schemaVersion: typeof VERSION;
  /** Experiments, in the order in which the report shows them. */
  experiments: ExperimentResults[];
}

/** Place of an experiment among those of one model in a report. */
const PLACES: Readonly<Record<ExperimentResults["experiment"], number>> = {
  reproduce: 0,
  stream: 1,
  perplexity: 2,
  probe: 3,
  sinks: 4,
  budgets: 5,
  latency: 6,
  "stream-eval": 7,
  "chat-eval": 8,
  soak: 9,
};

/**
 * Reads results back from parsed JSON.
 *
 * @throws {KVPolicyError} `config` when the value is something else, or of another version; the message names the first field.
 */
export function parseResults(value: unknown): ResultsFile {
  const parsed = resultsFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") ?? "";
  throw new KVPolicyError({
    code: "config",
    message: `These are no results of version ${VERSION}: ${field === "" ? "" : `${field}: `}${issue?.message ?? "unknown"}.`,
    details: { option: "results", value: field },
  });
}

/**
 * Results with those of one more experiment, which replace those of the same experiment on the same model. The model comes first.
 *
 * Partial results do not replace complete ones: the file comes back as it is then.
 */
export function addResults(file: ResultsFile | undefined, results: ExperimentResults): ResultsFile {
  const isOfModel = ({ model }: ExperimentResults): boolean => model.sha256 === results.model.sha256;
  const isSame = (other: ExperimentResults): boolean =>
    other.experiment === results.experiment && isOfModel(other);
  const known = file?.experiments ?? [];
  if (file && results.partial && known.some((other) => isSame(other) && !other.partial)) return file;
  const others = known.filter((other) => !isSame(other));
  const own = [results, ...others.filter(isOfModel)].sort(
    (one, other) => PLACES[one.experiment] - PLACES[other.experiment],
  );
  return { schemaVersion: VERSION, experiments: [...own, ...others.filter((other) => !isOfModel(other))] };
}
