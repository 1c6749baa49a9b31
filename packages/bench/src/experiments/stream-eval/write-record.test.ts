import { describe, expect, it } from "vitest";

import { writeRecord, type RecordOptions, type StreamRecord } from "./write-record.js";

const OPTIONS: RecordOptions = {
  encode: (text) => Uint32Array.from(text, (character) => character.codePointAt(0) ?? 0),
  digits: 3,
  distances: [4],
  every: 5,
  tokens: 1,
  seed: 1,
};

const textOf = ({ tokens }: StreamRecord, start = 0, end = tokens.length): string =>
  String.fromCodePoint(...tokens.subarray(start, end));

describe("writeRecord", () => {
  it("is the record of the paper", () => {
    const [title, ...lines] = textOf(writeRecord({ ...OPTIONS, lines: 10 })).split("\n");
    expect(title).toBe("Below is a record of lines I want you to remember.");
    const values = lines.flatMap(
      (line) => /^The REGISTER_CONTENT in line \d+ is <(\d{3})>$/.exec(line)?.[1] ?? [],
    );
    expect(values).toHaveLength(10);
    expect(lines[3]).toBe(`The REGISTER_CONTENT in line 3 is <${values[3]!}>`);
    // After line 4, four lines back: line 0. After line 9: line 5.
    expect(lines[5]).toBe(`Query: The REGISTER_CONTENT in line 0 is <${values[0]!}>`);
    expect(lines[11]).toBe(`Query: The REGISTER_CONTENT in line 5 is <${values[5]!}>`);
    expect(lines[12]).toBe("");
    expect(lines).toHaveLength(13);
  });

  it("says where the value is, in its line and in the answer", () => {
    const record = writeRecord({ ...OPTIONS, lines: 60, distances: [4, 12] });
    expect(record.queries.length).toBeGreaterThan(9);
    for (const { line, value, answer, lineStart, tokens, counterfactual } of record.queries) {
      const text = textOf(record, value.start, value.end);
      expect(textOf(record, answer.start, answer.end)).toBe(text);
      expect(textOf(record, lineStart, value.end)).toBe(`The REGISTER_CONTENT in line ${line} is <${text}`);
      expect(
        textOf(record, 0, answer.start).endsWith(`Query: The REGISTER_CONTENT in line ${line} is <`),
      ).toBe(true);
      expect(tokens).toBe(answer.start - value.start);
      expect(counterfactual).toHaveLength(3);
      expect(String.fromCodePoint(...counterfactual)).not.toBe(text);
    }
  });

  it("takes the distances in turn, and leaves out a line that does not exist yet", () => {
    const { queries } = writeRecord({ ...OPTIONS, lines: 30, distances: [4, 12] });
    // After lines 4, 9, 14, 19, 24, 29; line 9 − 12 does not exist.
    expect(queries.map(({ line, distance, lines }) => [line, distance, lines])).toEqual([
      [0, 4, 4],
      [10, 4, 4],
      [7, 12, 12],
      [20, 4, 4],
      [17, 12, 12],
    ]);
  });

  it("asks for no line twice: the next younger one takes its place", () => {
    const { queries } = writeRecord({ ...OPTIONS, lines: 40, distances: [4, 9] });
    const asked = queries.map(({ line }) => line);
    expect(new Set(asked).size).toBe(asked.length);
    // After line 9, nine back: line 0, which was asked for after line 4.
    expect(queries[1]).toMatchObject({ line: 1, distance: 9, lines: 8 });
  });

  it("asks nothing when every younger line was asked for", () => {
    const { queries } = writeRecord({ ...OPTIONS, every: 1, lines: 12, distances: [1, 2] });
    for (const { line, lines } of queries) expect(line + lines).toBeLessThan(12);
    expect(new Set(queries.map(({ line }) => line)).size).toBe(queries.length);
    expect(queries.every(({ lines }) => lines >= 0)).toBe(true);
  });

  it("is as long as was asked for, and long enough for every distance", () => {
    const long = writeRecord({ ...OPTIONS, tokens: 5000 });
    expect(long.tokens.length).toBeGreaterThanOrEqual(5000);
    expect(long.tokens.length).toBeLessThan(5100);
    const short = writeRecord({ ...OPTIONS, distances: [4, 50] });
    expect(short.queries.some(({ distance }) => distance === 50)).toBe(true);
    expect(writeRecord({ ...OPTIONS, lines: 33 }).lines).toBe(33);
  });

  it("repeats with its seed", () => {
    const write = (seed: number): string => textOf(writeRecord({ ...OPTIONS, lines: 20, seed }));
    expect(write(3)).toBe(write(3));
    expect(write(3)).not.toBe(write(4));
  });

  it("draws values of as many tokens as most have", () => {
    // A pair of the same digits is one token.
    const encode: RecordOptions["encode"] = (text) => {
      const melted = text.replaceAll(/(\d)\1/g, (pair) => String.fromCodePoint(1000 + Number(pair[0])));
      return OPTIONS.encode(melted);
    };
    const { queries } = writeRecord({ ...OPTIONS, encode, lines: 200 });
    for (const { value, counterfactual } of queries) {
      expect(value.end - value.start).toBe(3);
      expect(counterfactual).toHaveLength(3);
    }
    // Of two digits, one pair in ten melts.
    const { queries: others } = writeRecord({ ...OPTIONS, digits: 2, encode, lines: 20 });
    expect(new Set(others.map(({ value }) => value.end - value.start))).toEqual(new Set([2]));
  });

  it("refuses too few lines, and values of which no two have as many tokens", () => {
    expect(() => writeRecord({ ...OPTIONS, lines: 9 })).toThrow(
      "9 lines are too few for a query of each distance: it takes 10.",
    );
    const encode: RecordOptions["encode"] = (text) =>
      /^\d$/.test(text) ? new Uint32Array(1 + Number(text)) : OPTIONS.encode(text);
    // The line break in front must not count.
    const bare: RecordOptions["encode"] = (text) => encode(text.startsWith("\n") ? text.slice(1) : text);
    expect(() => writeRecord({ ...OPTIONS, encode: bare, digits: 1, lines: 10 })).toThrow(
      "no two have 8 tokens",
    );
  });
});
