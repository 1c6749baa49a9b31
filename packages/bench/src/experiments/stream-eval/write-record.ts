import { KVPolicyError, type CacheRange } from "@kvpolicy/core";

import { createRandom } from "../../statistics/random.js";
import { encodeApart } from "./encode-apart.js";

/** Text of a record, as Xiao et al. show it in figure 8. */
const TITLE = "Below is a record of lines I want you to remember.\n";
const OPENING = " <";
const CLOSING = ">\n";

/** Values that are drawn to learn how many tokens they have, and how often one of as many is looked for before there is none. */
const DRAWS = 1000;

/** Options of {@link writeRecord}. */
export interface RecordOptions {
  /** The tokens of a text, without a beginning-of-sequence token. */
  readonly encode: (text: string) => Uint32Array;
  /** Digits of a value, 1 to 9. */
  readonly digits: number;
  /** How many lines before the last one the line asked for stands; the queries take them in turn. */
  readonly distances: readonly number[];
  /** Lines between two queries. */
  readonly every: number;
  /** Lines of the record; undefined for as many as `tokens` takes, and at least so many that each distance is asked for. */
  readonly lines?: number | undefined;
  /** Fewest tokens of the record where `lines` is left out. */
  readonly tokens: number;
  /** Seed of the values. */
  readonly seed: number;
}

/** One query of a record. Places are indices into its tokens. */
export interface RecordQuery {
  /** The line asked for, counted from 0. */
  readonly line: number;
  /** The distance that was meant, in lines. */
  readonly distance: number;
  /** The distance that it became, in lines: a line that was asked for before gives way to the next younger one. */
  readonly lines: number;
  /** Tokens from the first of the value to the last before the answer: the cells that a window needs to still hold the value. */
  readonly tokens: number;
  /** First token of the line asked for. */
  readonly lineStart: number;
  /** The value in its line. */
  readonly value: CacheRange;
  /** The value in the answer: the same tokens. */
  readonly answer: CacheRange;
  /** Another value, of as many tokens. */
  readonly counterfactual: Uint32Array;
}

/** A record of lines with queries in between, all of it known beforehand. */
export interface StreamRecord {
  /** The text, answers included. */
  readonly tokens: Uint32Array;
  /** Lines. */
  readonly lines: number;
  /** The queries, in order. */
  readonly queries: readonly RecordQuery[];
}

/**
 * Writes a record of numbered lines, each with a random value, and after every few of them a query for the value of an earlier line,
 * with its answer. No line is asked for twice: where one was, the next younger one is. A query whose line does not exist yet is left
 * out.
 *
 * Values and what stands around them are encoded apart, so that a value has the same tokens in its line and in the answer. Values are
 * uniform among those that have as many tokens as most.
 *
 * @throws {KVPolicyError} `config` when the lines are too few for a query of each distance, or no two values have as many tokens.
 */
export function writeRecord(options: RecordOptions): StreamRecord {
  const { distances, every, lines, tokens } = options;
  const fewest = Math.max(...distances) + 1 + every * distances.length;
  if (lines !== undefined && lines < fewest) {
    throw new KVPolicyError({
      code: "config",
      message: `${lines} lines are too few for a query of each distance: it takes ${fewest}.`,
      details: { option: "lines", value: lines },
    });
  }
  const writer = new RecordWriter(options);
  const isDone = (): boolean =>
    writer.lineCount >= (lines ?? fewest) && (lines !== undefined || writer.length >= tokens);
  while (!isDone()) {
    writer.addLine();
    if (writer.lineCount % every === 0) writer.addQuery();
  }
  return { tokens: writer.tokens(), lines: writer.lineCount, queries: writer.queries };
}

interface Line {
  readonly start: number;
  readonly text: string;
  readonly value: CacheRange;
}

class RecordWriter {
  readonly queries: RecordQuery[] = [];
  length = 0;
  readonly #options: RecordOptions;
  readonly #random: () => number;
  readonly #pieces: Uint32Array[] = [];
  readonly #lines: Line[] = [];
  readonly #asked = new Set<number>();
  readonly #known = new Map<string, Uint32Array>();
  readonly #valueTokens: number;
  #turn = 0;

  constructor(options: RecordOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    this.#valueTokens = this.#countValueTokens();
    this.#add(TITLE);
  }

  get lineCount(): number {
    return this.#lines.length;
  }

  addLine(): void {
    const start = this.length;
    const text = this.#drawValue();
    this.#add(`The REGISTER_CONTENT in line ${this.lineCount} is`);
    this.#add(OPENING);
    const value = this.#add(text);
    this.#add(CLOSING);
    this.#lines.push({ start, text, value });
  }

  addQuery(): void {
    const { distances } = this.#options;
    const distance = distances[this.#turn % distances.length] ?? 0;
    this.#turn += 1;
    const last = this.lineCount - 1;
    let number = last - distance;
    if (number < 0) return;
    while (this.#asked.has(number)) number += 1;
    const line = this.#lines[number];
    // Younger lines were all asked for: there is nothing left to ask.
    if (!line) return;
    this.#asked.add(number);
    this.#add(`Query: The REGISTER_CONTENT in line ${number} is`);
    this.#add(OPENING);
    const answer = this.#add(line.text);
    this.#add(CLOSING);
    this.queries.push({
      line: number,
      distance,
      lines: last - number,
      tokens: answer.start - line.value.start,
      lineStart: line.start,
      value: line.value,
      answer,
      counterfactual: this.#encode(this.#drawValue(line.text)),
    });
  }

  tokens(): Uint32Array {
    const tokens = new Uint32Array(this.length);
    let offset = 0;
    for (const piece of this.#pieces) {
      tokens.set(piece, offset);
      offset += piece.length;
    }
    return tokens;
  }

  #add(piece: string): CacheRange {
    const tokens = this.#encode(piece);
    this.#pieces.push(tokens);
    const start = this.length;
    this.length += tokens.length;
    return { start, end: this.length };
  }

  /** What stands in every line is encoded once. */
  #encode(piece: string): Uint32Array {
    const tokens = this.#known.get(piece) ?? encodeApart(this.#options.encode, piece);
    if (piece === OPENING || piece === CLOSING) this.#known.set(piece, tokens);
    return tokens;
  }

  /** A value of the usual number of tokens, other than the one given. */
  #drawValue(other?: string): string {
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const text = drawDigits(this.#random, this.#options.digits);
      if (text !== other && this.#encode(text).length === this.#valueTokens) return text;
    }
    throw new KVPolicyError({
      code: "config",
      message: `Of values with ${this.#options.digits} digits no two have ${this.#valueTokens} tokens.`,
      details: { option: "digits", value: this.#options.digits },
    });
  }

  /** How many tokens most values have. Some tokenizers melt some digits. */
  #countValueTokens(): number {
    const random = createRandom(this.#options.seed);
    const counts = new Map<number, number>();
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const { length } = this.#encode(drawDigits(random, this.#options.digits));
      counts.set(length, (counts.get(length) ?? 0) + 1);
    }
    const [usual] = [...counts].sort(
      ([one, oneCount], [other, otherCount]) => otherCount - oneCount || one - other,
    );
    return usual?.[0] ?? 1;
  }
}

function drawDigits(random: () => number, digits: number): string {
  return String(Math.floor(random() * 10 ** digits)).padStart(digits, "0");
}
