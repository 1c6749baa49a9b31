import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { CommandRunner, interrupt, type Ended } from "./testing/command-runner.js";

const SMALL = "--model tiny:sink --gpu false --threads 1 --budget 64 --max-tokens 12".split(" ");

let runner: CommandRunner;
beforeAll(async () => {
  runner = await CommandRunner.create();
});
afterEach(() => {
  runner.killAll();
});
afterAll(() => runner.dispose());

/** Sends lines; `interruptAt` is the text in the answer at which Ctrl-C comes. */
function chat(words: readonly string[], lines: readonly string[], interruptAt?: RegExp): Promise<Ended> {
  return runner.run(["chat", ...words], {
    input: lines.map((line) => `${line}\n`).join(""),
    ...(interruptAt && { signalAfter: interrupt(({ output }) => interruptAt.test(output)) }),
  });
}

describe("kvpolicy chat", () => {
  it("answers line by line, tells the use of the cache beside it, and goes on beyond the budget", async () => {
    const lines = Array.from({ length: 8 }, (_, index) => `The captain of ship ${index} said nothing.`);
    const { code, output, errors } = await chat([...SMALL, "--system", "A story."], lines);
    expect(code).toBe(0);
    expect(output.trim().split("\n").length).toBeGreaterThanOrEqual(lines.length);
    const uses = [...errors.matchAll(/(\d+)\/64 cells · (\d+) tokens/g)].map(([, cells, tokens]) => [
      Number(cells),
      Number(tokens),
    ]);
    expect(uses).toHaveLength(lines.length);
    expect(Math.max(...uses.map(([cells = NaN]) => cells))).toBeLessThanOrEqual(64);
    expect(uses.at(-1)?.[1]).toBeGreaterThan(128);
    expect(errors).toMatch(/\d+ evicted · \d+ exchanges gone/);
  });

  it("takes back, answers again, begins anew and says what there is", async () => {
    const { code, output, errors } = await chat(SMALL, [
      ...[
        "One.",
        "/again",
        "/undo",
        "/undo",
        "/reset",
        "/help",
        "/nothing",
        "/save",
        "",
        "/exit",
        "never read",
      ],
    ]);
    expect(code).toBe(0);
    // Two answers; the second may be another one: with F16 weights, a token decoded alone rounds otherwise than in a batch.
    expect(errors.match(/\/64 cells/g)).toHaveLength(2);
    expect(output.trim()).not.toBe("");
    expect(errors).toContain("taken back\n");
    expect(errors).toContain("kvpolicy: There is no exchange to go back to");
    expect(errors).toContain("begun anew");
    expect(errors).toContain("there is no /nothing");
    expect(errors).toContain("/save takes the name of a file");
  });

  it("goes on in another process from what was saved", async () => {
    const whole = await chat(SMALL, ["One.", "Two.", "Three."]);
    const begun = await chat([...SMALL, "--save", "story.kv"], ["One.", "Two."]);
    const words = "--model tiny:sink --gpu false --threads 1 --max-tokens 12 --restore story.kv".split(" ");
    const gone = await chat(words, ["Three."]);
    expect([begun.code, gone.code]).toEqual([0, 0]);
    expect(begun.output + gone.output).toBe(whole.output);
  });

  it("ends with the answer under way at Ctrl-C, whatever lines are still to come, and with 130", async () => {
    const words = [...SMALL, "--max-tokens", "100000"];
    const { code, errors } = await chat(words, ["One.", "Two.", "Three."], /\S+ \S+ \S+/);
    expect(code).toBe(130);
    expect(errors.match(/\/64 cells/g)).toHaveLength(1);
    expect(errors).not.toMatch(/cut after/);
  });

  it.each([
    [[], /--model is missing/],
    [["--model", "tiny:sink", "--temperature", "warm"], /--temperature must be a number of at least 0/],
    [["--model", "tiny:sink", "--max-tokens", "0"], /--max-tokens must be a whole number of at least 1/],
    [["--model", "tiny:sink", "--restore", "nowhere.kv"], /nowhere.kv/],
    [[...SMALL, "--system", "One. ".repeat(40)], /leaves no room in a budget of 64 cells/],
    [[...SMALL, "--system", "One.", "--policy", "window"], /would evict the system prompt/],
  ])("ends with 2 for %o", async (words, message) => {
    const { code, errors } = await chat(words, ["One."]);
    expect(errors).toMatch(message);
    expect(code).toBe(2);
  });
});
