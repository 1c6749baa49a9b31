import fc from "fast-check";
import { LlamaText, SpecialToken, SpecialTokensText, type LlamaModel, type Token } from "node-llama-cpp";
import { describe, expect, test } from "vitest";

import { StopDetector, type StopTrigger } from "./stop-detector.js";

/** A tokenizer with a token for each character code, and two special tokens without text in an answer. */
const END = 1001 as Token;
const MORE = 1002 as Token;
const SPECIAL: Readonly<Record<string, Token>> = { "<end>": END, "<more>": MORE };

function tokenize(text: string, specialTokens?: boolean | "builtin"): Token[] {
  const special = specialTokens === true ? SPECIAL[text] : undefined;
  if (special !== undefined) return [special];
  if (specialTokens === "builtin") return [];
  return Array.from(text, (character) => character.charCodeAt(0) as Token);
}

const model = {
  tokenize,
  tokenizer: tokenize,
  isSpecialToken: (token: Token) => token === END || token === MORE,
  detokenize: (tokens: Token[]) => tokens.map((token) => String.fromCharCode(token)).join(""),
} as unknown as LlamaModel;

/** Feeds an answer in pieces, and answers what came out. */
function run(
  triggers: readonly StopTrigger[],
  pieces: readonly (string | Token)[],
): { text: string; stop: { trigger: StopTrigger; tokenCount: number; rest: string } | undefined } {
  const detector = new StopDetector(model, triggers);
  let text = "";
  for (const [index, piece] of pieces.entries()) {
    const isText = typeof piece === "string";
    const { release, stop } = detector.push(isText ? 5000 + index : piece, isText ? piece : "");
    text += release;
    if (stop) {
      expect(detector.text).toBe(text);
      return { text, stop: { trigger: stop.trigger, tokenCount: stop.tokenCount, rest: stop.rest } };
    }
  }
  return { text: text + detector.finish(""), stop: undefined };
}

describe("text that ends an answer", () => {
  test("is found across tokens, and nothing of it is given out", () => {
    expect(run(["STOP"], ["one ", "S", "TO", "P", " two"])).toEqual({
      text: "one ",
      stop: { trigger: "STOP", tokenCount: 1, rest: "" },
    });
  });

  test("that shares a token with the answer leaves the rest of that token's text", () => {
    expect(run(["\nUser:"], ["Fine", ".\nUs", "er: and"])).toEqual({
      text: "Fine.",
      stop: { trigger: "\nUser:", tokenCount: 1, rest: "." },
    });
  });

  test("is found at the very beginning", () => {
    expect(run(["STOP"], ["STOP"])).toEqual({
      text: "",
      stop: { trigger: "STOP", tokenCount: 0, rest: "" },
    });
  });

  test("takes the bytes of its first character along, which come in tokens without text", () => {
    expect(run(["🛑"], ["Hi", "", "", "", "🛑"])).toEqual({
      text: "Hi",
      stop: { trigger: "🛑", tokenCount: 1, rest: "" },
    });
    expect(run(["STOP"], ["Hi", "", "éSTOP"])).toEqual({
      text: "Hié",
      stop: { trigger: "STOP", tokenCount: 1, rest: "é" },
    });
  });

  test("which comes first wins", () => {
    expect(run(["bcd", "c"], ["ab", "cd"]).stop?.trigger).toBe("bcd");
    expect(run(["bcd", "c"], ["ab", "c", "d"]).stop?.trigger).toBe("c");
  });

  test("that only begins is given out at the end", () => {
    expect(run(["STOP"], ["one STO"])).toEqual({ text: "one STO", stop: undefined });
  });
});

describe("tokens that end an answer", () => {
  const endOfTurn = LlamaText(new SpecialTokensText("<end>"));

  test("are found though they have no text", () => {
    expect(run([endOfTurn], ["one", END])).toEqual({
      text: "one",
      stop: { trigger: endOfTurn, tokenCount: 1, rest: "" },
    });
  });

  test("are found one after the other, given as token ids", () => {
    const trigger = [END, MORE];
    expect(run([trigger], ["one", END, "two", END, MORE]).stop).toEqual({ trigger, tokenCount: 3, rest: "" });
  });

  test("hold back the text that they begin with", () => {
    const trigger: StopTrigger = ["\n", END];
    const lineBreak = "\n".charCodeAt(0) as Token;
    const detector = new StopDetector(model, [trigger]);
    expect(detector.push(1, "Hi").release).toBe("Hi");
    expect(detector.push(lineBreak, "\n").release).toBe("");
    expect(detector.push(END, "")).toMatchObject({ release: "", stop: { trigger, tokenCount: 1, rest: "" } });
    const other = new StopDetector(model, [trigger]);
    other.push(lineBreak, "\n");
    expect(other.push(2, "and").release).toBe("\nand");
  });

  test("that the vocabulary lacks end nothing by their name", () => {
    expect(run([LlamaText(new SpecialToken("EOS"))], ["EOS and so on"]).stop).toBeUndefined();
  });

  test("that the vocabulary spells out end an answer by their text", () => {
    const trigger = LlamaText(new SpecialTokensText("<|im_end|>"));
    expect(run([trigger], ["one<|im", "_end|>"])).toEqual({
      text: "one",
      stop: { trigger, tokenCount: 0, rest: "one" },
    });
  });
});

test("any cut of an answer gives the text in front of the first trigger", () => {
  const letters = fc.stringMatching(/^[ab]{0,12}$/);
  fc.assert(
    fc.property(fc.array(letters), fc.array(fc.stringMatching(/^[ab]{1,4}$/)), (pieces, triggers) => {
      const answer = pieces.join("");
      const starts = triggers.map((trigger) => answer.indexOf(trigger)).filter((start) => start >= 0);
      const { text, stop } = run(triggers, pieces);
      if (starts.length === 0) {
        expect({ text, stop }).toEqual({ text: answer, stop: undefined });
      } else {
        // A trigger that another one contains may be complete earlier, and begin later.
        expect(answer.startsWith(text)).toBe(true);
        expect(triggers.some((trigger) => answer.startsWith(trigger, text.length))).toBe(true);
        expect(triggers.every((trigger) => !text.includes(trigger))).toBe(true);
        expect(pieces.slice(0, stop?.tokenCount).join("") + (stop?.rest ?? "")).toBe(text);
      }
    }),
  );
});
