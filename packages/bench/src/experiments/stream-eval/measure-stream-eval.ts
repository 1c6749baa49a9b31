import { checkCount, KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";

import type { ExperimentOptions } from "../experiment.js";
import type { PolicyChoice } from "../policy-choice.js";
import { chooseSpread } from "./choose-spread.js";
import { readRecord, type RecordReading } from "./read-record.js";
import type { StreamEvalPolicy, StreamEvalQuery, StreamEvalResults } from "./stream-eval-results.js";
import { summarizeAnswers } from "./summarize-answers.js";
import { writeRecord, type StreamRecord } from "./write-record.js";

/** What is taken when an option is left out. */
export const STREAM_EVAL_DEFAULTS = {
  digits: 5,
  every: 10,
  budgetsLong: 20,
  accuracy: true,
} as const;

/** Most digits of a value: more than the random numbers can tell apart otherwise. */
const MOST_DIGITS = 9;

/** Options of {@link measureStreamEval}. */
export interface StreamEvalOptions extends ExperimentOptions {
  /** The policies, each with streams of its own. `cells` of one is cut to what the record takes. */
  readonly policies: readonly PolicyChoice[];
  /** Cells that each may use. */
  readonly budget: number;
  /** Digits of a value, 1 to 9. Defaults to 5. */
  readonly digits?: number | undefined;
  /**
   * How many lines before the last one the line asked for stands; the queries take them in turn. Defaults to
   * two, of about 0.4 and 2.2 budgets: in a window of the budget, and where no cell of it has seen the value.
   */
  readonly distances?: readonly number[] | undefined;
  /** Lines between two queries. Defaults to 10. */
  readonly every?: number | undefined;
  /** Lines of the record. Defaults to as many as `tokens` takes. */
  readonly lines?: number | undefined;
  /** Fewest tokens of the record, where `lines` is left out. Defaults to 20 budgets. */
  readonly tokens?: number | undefined;
  /** Most queries that get a margin, shared out over the distances and spread evenly over the record. Defaults to all. */
  readonly margins?: number | undefined;
  /** Whether the likeliest answers are looked at, too. Defaults to true. */
  readonly accuracy?: boolean | undefined;
  /** Seed of the values. */
  readonly seed: number;
}

/**
 * StreamEval (Xiao et al., ICLR 2024, arXiv 2309.17453, figure 8): a stream of numbered lines, and after every few of them a query for
 * the value of an earlier one. Does a policy answer for lines in the cache, for lines outside of it, and as well at the end of the
 * stream as at its beginning?
 *
 * The stream goes on with the right answer, whatever the model would have said, so all of it is known beforehand. The margin of a query
 * is what the value in its line adds to the log-likelihood of the answer: it needs no model that is able to answer.
 *
 * @throws {KVPolicyError} `config` for options that cannot work, before anything is opened. Failures of a single policy do not throw:
 * its row says why.
 */
export async function measureStreamEval(options: StreamEvalOptions): Promise<StreamEvalResults> {
  const { model, surroundings, signal, clock = () => performance.now(), budget, seed, onProgress } = options;
  const settings = readSettings(options);
  const { digits, distances, every, accuracy } = settings;
  const record = writeRecord({ encode: (text) => model.encode(text), ...settings, seed });
  const contenders = createContenders(options, record);
  const withMargin = chooseSpread(record.queries, settings.margins);
  const workOfOne =
    record.tokens.length +
    [...withMargin].reduce((sum, { answer, lineStart }) => sum + answer.end - lineStart, 0);

  const start = clock();
  const queries = describeQueries(record, model.bos);
  const policies: StreamEvalPolicy[] = [];
  for (const [index, contender] of contenders.entries()) {
    const { name, policy, cells } = contender;
    let done = index * workOfOne;
    const onTokens = (count: number): void => {
      done += count;
      onProgress?.({ what: name, done, total: contenders.length * workOfOne });
    };
    const reading =
      policy && !signal?.aborted
        ? await readRecord({ model, policy, budget: cells, record, withMargin, accuracy, signal, onTokens })
        : undefined;
    policies.push(describeReading(contender, reading, { record, queries, budget, distances }));
  }
  return {
    ...surroundings,
    experiment: "stream-eval",
    partial: policies.some(({ status }) => status === "partial"),
    milliseconds: clock() - start,
    settings: {
      budget,
      digits,
      distances: [...distances],
      every,
      accuracy,
      margins: withMargin.size,
      seed,
    },
    record: { lines: record.lines, tokens: record.tokens.length, queries },
    policies,
  };
}

interface Contender {
  readonly name: string;
  readonly cells: number;
  /** Null where it could not be made, with the error. */
  readonly policy: KVCachePolicy | null;
  readonly error: StreamEvalPolicy["error"];
}

interface Settings {
  readonly digits: number;
  readonly distances: readonly number[];
  readonly every: number;
  readonly lines: number | undefined;
  readonly tokens: number;
  readonly margins: number;
  readonly accuracy: boolean;
}

/** The options with their defaults, checked. */
function readSettings(options: StreamEvalOptions): Settings {
  const owner = "measureStreamEval";
  const budget = checkCount(owner, "budget", options.budget, 1);
  const {
    digits = STREAM_EVAL_DEFAULTS.digits,
    every = STREAM_EVAL_DEFAULTS.every,
    tokens = STREAM_EVAL_DEFAULTS.budgetsLong * budget,
    accuracy = STREAM_EVAL_DEFAULTS.accuracy,
    margins = Number.MAX_SAFE_INTEGER,
    lines,
    policies,
    model,
  } = options;
  checkCount(owner, "digits", digits, 1);
  if (digits > MOST_DIGITS) throw refuse("digits", digits, `digits must be at most ${MOST_DIGITS}`);
  checkCount(owner, "every", every, 1);
  const { distances = defaultDistances({ encode: (text) => model.encode(text) }, budget, digits, every) } =
    options;
  for (const distance of distances) checkCount(owner, "distances", distance, 1);
  if (distances.length === 0) throw refuse("distances", distances, "there must be a distance");
  if (new Set(distances).size < distances.length)
    throw refuse("distances", distances, `no distance may come twice, as in ${distances.join(",")}`);
  checkCount(owner, "tokens", tokens, 1);
  checkCount(owner, "margins", margins, 0);
  if (lines !== undefined) checkCount(owner, "lines", lines, 1);
  const names = policies.map(({ name }) => name);
  if (names.length === 0) throw refuse("policies", names, "there must be a policy");
  if (new Set(names).size < names.length)
    throw refuse("policies", names, `two policies have the same name, of ${names.join(", ")}`);
  return { digits, distances, every, lines, tokens, margins, accuracy };
}

/**
 * A distance that is in the cache of a window, with room for lines of other lengths and for what a stride takes from the window; and one
 * of more than two budgets, where every cell of the window was computed when the value had left.
 */
function defaultDistances(
  { encode }: Pick<ExperimentOptions["model"], "encode">,
  budget: number,
  digits: number,
  every: number,
): number[] {
  const lines = 10 * every;
  const { tokens } = writeRecord({ encode, digits, every, lines, distances: [1], tokens: 1, seed: 1 });
  const tokensOfLine = tokens.length / lines;
  const near = Math.max(1, Math.floor((0.4 * budget) / tokensOfLine));
  return [near, Math.max(near + 1, Math.ceil((2.2 * budget) / tokensOfLine))];
}

function refuse(option: string, value: unknown, problem: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `measureStreamEval: ${problem}.`,
    details: { option, value },
  });
}

function createContenders(
  { policies, budget, model }: StreamEvalOptions,
  { tokens }: StreamRecord,
): Contender[] {
  const most = tokens.length + (model.bos === undefined ? 0 : 1);
  return policies.map(({ name, create, cells }) => {
    const own = cells === undefined ? budget : Math.min(cells, most);
    return { name, cells: own, ...createPolicy(() => create(own)) };
  });
}

function createPolicy(create: () => KVCachePolicy): Pick<Contender, "policy" | "error"> {
  try {
    return { policy: create(), error: null };
  } catch (error) {
    if (!KVPolicyError.isInstance(error)) throw error;
    return { policy: null, error: { code: error.code, message: error.message } };
  }
}

function describeQueries({ queries }: StreamRecord, bos: number | undefined): StreamEvalQuery[] {
  const base = bos === undefined ? 0 : 1;
  return queries.map(({ line, distance, lines, tokens, answer }) => ({
    line,
    distance,
    lines,
    tokens,
    position: base + answer.start,
  }));
}

interface ReadingContext {
  readonly record: StreamRecord;
  readonly queries: readonly StreamEvalQuery[];
  readonly budget: number;
  readonly distances: readonly number[];
}

function describeReading(
  { name, policy, cells, error }: Contender,
  reading: RecordReading | undefined,
  { record, queries, budget, distances }: ReadingContext,
): StreamEvalPolicy {
  const answers = reading?.answers ?? [];
  return {
    name,
    description: policy?.describe(cells) ?? { name, shape: "opaque", options: {} },
    status: reading?.status ?? (error ? "failed" : "partial"),
    error: reading?.error ?? error,
    warnings: reading?.warnings ?? [],
    budget: cells,
    tokens: reading?.tokens ?? 0,
    evictions: reading?.evictions ?? 0,
    forkTokens: reading?.forkTokens ?? 0,
    marginProblem: reading?.marginProblem ?? null,
    otherCells: reading?.otherCells ?? 0,
    answers,
    ...summarizeAnswers(answers, {
      queries,
      distances,
      answerTokens: record.queries.map(({ answer }) => answer.end - answer.start),
      start: budget,
    }),
  };
}
