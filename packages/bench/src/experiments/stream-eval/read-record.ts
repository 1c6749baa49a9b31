import { KVPolicyError, type KVCachePolicy, type Snapshot } from "@kvpolicy/core";

import type { MeasuredModel, MeasuredStream } from "../../measure/measured-model.js";
import { disposeAll } from "../../measure/dispose-all.js";
import { isAbort } from "../../measure/is-abort.js";
import { findTruncateProblem, RecordCursor, type RecordCursorOptions } from "./record-cursor.js";
import type { Place, StreamEvalAnswer } from "./stream-eval-results.js";
import type { RecordQuery, StreamRecord } from "./write-record.js";

/** Options of {@link readRecord}. */
export interface ReadRecordOptions extends RecordCursorOptions {
  /** The model. */
  readonly model: MeasuredModel;
  /** Which tokens stay. */
  readonly policy: KVCachePolicy;
  /** Most cells in use. */
  readonly budget: number;
  /** What is read. */
  readonly record: StreamRecord;
  /** The queries that get a margin. */
  readonly withMargin: ReadonlySet<RecordQuery>;
}

/** What became of a record under one policy. It goes on changing until the reading is over. */
export interface RecordReading {
  /** `complete` after the last token, `failed` with an error. */
  status: "partial" | "complete" | "failed";
  /** Why it failed. */
  error: { readonly code: string; readonly message: string } | null;
  /** What works but may surprise. */
  readonly warnings: string[];
  /** Tokens of the record that were read. */
  tokens: number;
  /** Evictions on the way. */
  evictions: number;
  /** Tokens that the second stream read. */
  forkTokens: number;
  /** Why there are no margins; null when there are, or none were wanted. */
  marginProblem: string | null;
  /** Margins whose two streams held cells of other stream positions. */
  otherCells: number;
  /** One for each query that was asked, in order. */
  readonly answers: StreamEvalAnswer[];
}

/**
 * Reads a record under one policy and asks its queries. A margin takes a second stream: right before the line asked for, that becomes a
 * copy of the first, reads the same text with another value in that line, and is asked the same.
 *
 * Failures of the policy and of the engine do not throw: they are in the answer. So is what was read until the signal stopped it.
 */
export async function readRecord(options: ReadRecordOptions): Promise<RecordReading> {
  const reading: RecordReading = {
    status: "partial",
    error: null,
    warnings: [],
    tokens: 0,
    evictions: 0,
    forkTokens: 0,
    marginProblem: null,
    otherCells: 0,
    answers: [],
  };
  const { model, policy, budget, withMargin, signal } = options;
  const streams: MeasuredStream[] = [];
  const open = async (): Promise<MeasuredStream> => {
    const onWarning = (message: string): void => {
      if (!reading.warnings.includes(message)) reading.warnings.push(message);
    };
    const stream = await model.open({ policy, budget, onWarning });
    streams.push(stream);
    return stream;
  };
  try {
    const main = await open();
    const fork = withMargin.size > 0 ? await open() : undefined;
    await new RecordReader(options, reading).read(main, fork);
    reading.status = "complete";
  } catch (error) {
    if (isAbort(error, signal)) return reading;
    if (!KVPolicyError.isInstance(error)) throw error;
    reading.status = "failed";
    reading.error = { code: error.code, message: error.message };
  } finally {
    await disposeAll(streams);
  }
  return reading;
}

/** Where reading pauses: at a line that a margin will change, or at an answer. */
interface Stop {
  readonly at: number;
  readonly kind: "line" | "answer";
  readonly query: RecordQuery;
}

/** What the second stream made of a query. */
interface Fork {
  readonly nll: number | null;
  readonly positions: Float64Array;
}

class RecordReader {
  readonly #record: StreamRecord;
  readonly #reading: RecordReading;
  readonly #forks = new Map<RecordQuery, Fork>();
  readonly #withMargin: ReadonlySet<RecordQuery>;
  #options: RecordCursorOptions;

  constructor({ record, withMargin, accuracy, signal, onTokens }: ReadRecordOptions, reading: RecordReading) {
    this.#record = record;
    this.#reading = reading;
    this.#withMargin = withMargin;
    this.#options = { accuracy, signal, onTokens };
  }

  async read(stream: MeasuredStream, fork: MeasuredStream | undefined): Promise<void> {
    await this.#checkAccuracy(stream);
    const { tokens } = this.#record;
    const cursor = new RecordCursor(stream, tokens, this.#options);
    try {
      const stops = this.#stops();
      for (const [index, stop] of stops.entries()) {
        await cursor.readTo(stop.at);
        if (stop.kind === "answer") await this.#answer(cursor, stop.query);
        else if (fork) await this.#readFork(cursor, fork, stops.slice(index));
      }
      await cursor.readTo(tokens.length);
    } finally {
      this.#reading.tokens = cursor.offset;
      this.#reading.evictions = stream.stats.evictions;
    }
  }

  /** Every pause, in order. */
  #stops(): Stop[] {
    const stops = this.#record.queries.flatMap((query): Stop[] => {
      const answer: Stop = { at: query.answer.start, kind: "answer", query };
      return this.#withMargin.has(query) ? [{ at: query.lineStart, kind: "line", query }, answer] : [answer];
    });
    return stops.sort((one, other) => one.at - other.at);
  }

  async #checkAccuracy(stream: MeasuredStream): Promise<void> {
    if (!this.#options.accuracy) return;
    const problem = await findTruncateProblem(stream);
    if (problem === undefined) return;
    this.#options = { ...this.#options, accuracy: false };
    this.#reading.warnings.push(`No accuracy: ${problem}`);
  }

  async #answer(cursor: RecordCursor, query: RecordQuery): Promise<void> {
    const before = cursor.countCells(query.value);
    const fork = this.#forks.get(query);
    this.#forks.delete(query);
    if (fork && !isSame(fork.positions, cursor.stream.cells().positions)) this.#reading.otherCells += 1;
    const answer = await cursor.readAnswer(query.answer);
    this.#reading.answers.push({
      query: this.#record.queries.indexOf(query),
      place: placeOf(query, before, cursor.countCells(query.value)),
      ...answer,
      margin: fork ? difference(fork.nll, answer.nll) : null,
    });
  }

  /** Reads from a line to its query with the other value; `stops` begin with the line. */
  async #readFork(cursor: RecordCursor, fork: MeasuredStream, stops: readonly Stop[]): Promise<void> {
    const [line, ...rest] = stops;
    const snapshot = await this.#save(cursor);
    if (!line || !snapshot) return;
    const { answer, value, counterfactual, lineStart } = line.query;
    const tokens = this.#record.tokens.slice(0, answer.end);
    tokens.set(counterfactual, value.start);
    await fork.restore(snapshot);
    const { onTokens } = this.#options;
    const counting: RecordCursorOptions = {
      ...this.#options,
      onTokens: (count) => {
        this.#reading.forkTokens += count;
        onTokens(count);
      },
    };
    try {
      await this.#askFork(new RecordCursor(fork, tokens, counting, lineStart), line.query, rest);
    } catch (error) {
      // The first stream will come to the same point, with answers on the way.
      if (!KVPolicyError.isInstance(error, "cache-full")) throw error;
    }
  }

  /** The same pauses as the first stream makes: the two differ in the value alone, not in how the tokens were cut. */
  async #askFork(fork: RecordCursor, query: RecordQuery, stops: readonly Stop[]): Promise<void> {
    for (const stop of stops) {
      await fork.readTo(stop.at);
      if (stop.query === query) {
        const { positions } = fork.stream.cells();
        const { nll } = await fork.readAnswer(query.answer);
        this.#forks.set(query, { nll, positions });
        return;
      }
      if (stop.kind === "answer") await fork.readAnswer(stop.query.answer);
      else await fork.save();
    }
  }

  /** The state of the stream; undefined when it cannot be had, which is noted. */
  async #save(cursor: RecordCursor): Promise<Snapshot | undefined> {
    if (this.#reading.marginProblem !== null) return undefined;
    try {
      return await cursor.save();
    } catch (error) {
      if (!KVPolicyError.isInstance(error, "unsupported")) throw error;
      this.#reading.marginProblem = error.message;
      return undefined;
    }
  }
}

function placeOf({ value }: RecordQuery, before: number, after: number): Place {
  const all = value.end - value.start;
  if (before === 0) return "outside";
  return before === all && after === all ? "inside" : "partial";
}

function difference(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one - other;
}

function isSame(one: Float64Array, other: Float64Array): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
