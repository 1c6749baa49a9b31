import { z } from "zod";

import { count, figure, headerSchema, interval, sha256 } from "../../results/header.js";

const estimateSchema = z.object({ value: z.number(), interval: interval.nullable() });

const turnSchema = z.object({
  promptTokens: count,
  answerTokens: count,
  evaluatedTokens: count,
  evictions: count,
  cutExchanges: count.nullable(),
  firstTokenMilliseconds: figure,
  longestWaitMilliseconds: z.number(),
  milliseconds: z.number(),
  end: z.string(),
});

const timesSchema = z.object({
  turns: count,
  mean: estimateSchema,
  p50: z.number(),
  p95: z.number(),
});

const phaseSchema = z.object({
  turns: count,
  firstTokenMilliseconds: timesSchema.nullable(),
  longestWaitMilliseconds: timesSchema,
  milliseconds: timesSchema,
  evaluatedTokens: z.object({ mean: z.number(), max: count }),
  addedTokens: z.object({ mean: z.number() }),
});

const ratiosSchema = z.object({
  turns: count,
  firstTokenMilliseconds: estimateSchema.nullable(),
  longestWaitMilliseconds: estimateSchema.nullable(),
  milliseconds: estimateSchema.nullable(),
  evaluatedTokens: estimateSchema.nullable(),
});

const contenderSchema = z.object({
  name: z.string(),
  description: z.string(),
  status: z.enum(["complete", "partial", "failed"]),
  /** Where it stopped; turn 0 is before the first. */
  error: z.object({ turn: count, code: z.string(), message: z.string() }).nullable(),
  warnings: z.array(z.string()),
  cells: count.nullable(),
  contextBytes: count.nullable(),
  /** The first turn in which something left, counted from 1. */
  firstEvictionTurn: count.nullable(),
  evictions: count,
  cutTurns: count.nullable(),
  /** Answers that are word for word an earlier one of the same conversation. */
  repeatedAnswers: count,
  /** From the second turn to the last in which nothing had left. */
  before: phaseSchema.nullable(),
  /** From the first turn in which something left. */
  full: phaseSchema.nullable(),
  /** Over the same turns of the first contender; null for the first itself. */
  ratio: z
    .object({ reference: z.string(), before: ratiosSchema.nullable(), full: ratiosSchema.nullable() })
    .nullable(),
  turns: z.array(turnSchema),
});

/** The shape of the results of a chat evaluation. */
export const chatEvalResultsSchema = headerSchema.extend({
  experiment: z.literal("chat-eval"),
  settings: z.object({
    budget: count,
    turns: count,
    maxTokens: count,
    questions: z.object({ name: z.string(), sha256, count }),
    systemPrompt: z.string().nullable(),
    seed: z.int(),
  }),
  /** The first turn whose answers were not the same in all conversations, counted from 1. */
  firstDifferentTurn: count.nullable(),
  contenders: z.array(contenderSchema).min(1),
});

/**
 * What a chat evaluation says, as plain data.
 *
 * @interface
 */
export type ChatEvalResults = z.infer<typeof chatEvalResultsSchema>;
/** One contender in {@link ChatEvalResults}. */
export type ChatEvalContender = ChatEvalResults["contenders"][number];
/** One turn of a contender. */
export type ChatEvalTurn = z.infer<typeof turnSchema>;
/** Figures over the turns before something left, or from then on. */
export type ChatEvalPhase = z.infer<typeof phaseSchema>;
/** Figures of one contender over those of another, on the same turns. */
export type ChatEvalRatios = z.infer<typeof ratiosSchema>;
