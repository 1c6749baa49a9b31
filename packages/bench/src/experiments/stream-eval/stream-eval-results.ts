import { z } from "zod";

import { descriptionSchema } from "../../comparison/comparison-schema.js";
import { count, figure, headerSchema, interval } from "../../results/header.js";

const placeSchema = z.enum(["inside", "partial", "outside"]);

const querySchema = z.object({
  line: count,
  distance: count,
  lines: count,
  tokens: count,
  position: count,
});

const answerSchema = z.object({
  query: count,
  place: placeSchema,
  nll: figure,
  tokensRight: count.nullable(),
  margin: figure,
});

const meanSchema = z.object({ mean: z.number(), interval: interval.nullable() });

const groupSchema = z.object({
  queries: count,
  /** How many were answered right to the last token; null when nobody looked. */
  right: count.nullable(),
  /** Interval of the share that was. */
  rightInterval: interval.nullable(),
  /** Share of the tokens of the answers that were right, each given those before it. */
  tokensRight: figure,
  /** Mean negative log-likelihood of an answer. */
  nll: figure,
  /** Queries that have a margin. */
  margins: count,
  /** Mean of those. */
  margin: meanSchema.nullable(),
});

const distanceSchema = groupSchema.extend({
  distance: count,
  /** Mean distance in tokens. */
  tokens: z.number(),
  inside: count,
  partial: count,
  outside: count,
});

const flatnessSchema = z.object({
  first: meanSchema,
  last: meanSchema,
  difference: interval.nullable(),
  verdict: z.enum(["flat", "falls", "grows", "not shown"]),
});

const policySchema = z.object({
  name: z.string(),
  description: descriptionSchema,
  status: z.enum(["complete", "partial", "failed"]),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  warnings: z.array(z.string()),
  /** Cells that its streams may use. */
  budget: count,
  /** Tokens of the record that were read. */
  tokens: count,
  evictions: count,
  /** Tokens that the other streams read for the margins. */
  forkTokens: count,
  /** Why there are no margins; null when there are, or none were wanted. */
  marginProblem: z.string().nullable(),
  /** Margins whose two streams held cells of other stream positions when asked. */
  otherCells: count,
  answers: z.array(answerSchema),
  inside: groupSchema,
  partial: groupSchema,
  outside: groupSchema,
  distances: z.array(distanceSchema),
  recall: z.enum(["shown", "not shown"]).nullable(),
  leak: z.enum(["none", "something", "not shown"]).nullable(),
  /** The margin inside the cache in the last quarter of the stream against the first; null for too few queries. */
  flatness: flatnessSchema.nullable(),
});

/** What `stream-eval` writes. */
export const streamEvalResultsSchema = headerSchema.extend({
  experiment: z.literal("stream-eval"),
  settings: z.object({
    budget: count,
    digits: count,
    distances: z.array(count),
    every: count,
    accuracy: z.boolean(),
    margins: count,
    seed: z.int(),
  }),
  record: z.object({ lines: count, tokens: count, queries: z.array(querySchema) }),
  policies: z.array(policySchema).min(1),
});

/**
 * How well each policy answers for earlier lines of a stream, as plain data.
 *
 * @interface
 */
export type StreamEvalResults = z.infer<typeof streamEvalResultsSchema>;

/** One query. */
export type StreamEvalQuery = StreamEvalResults["record"]["queries"][number];

/** The row of one policy. */
export type StreamEvalPolicy = StreamEvalResults["policies"][number];

/** What one policy made of one query. */
export type StreamEvalAnswer = StreamEvalPolicy["answers"][number];

/** Figures over some queries of one policy. */
export type StreamEvalGroup = z.infer<typeof groupSchema>;

/** Where the value asked for is. */
export type Place = z.infer<typeof placeSchema>;
