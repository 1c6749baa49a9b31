import { KVPolicyError } from "@kvpolicy/core";
import { z } from "zod";

/** A question with what is asked after its answer. */
export interface ChatQuestion {
  /** Its number or name. */
  readonly id: number | string;
  /** What it is about, in a word. */
  readonly category: string;
  /** The messages, in the order asked. */
  readonly turns: readonly string[];
}

const text = z.string({ error: "must be text" }).refine((value) => value.trim() !== "", {
  error: "is empty",
});

const questionSchema = z.object(
  {
    question_id: z.union([z.int(), z.string().min(1)], { error: "must be a whole number or a name" }),
    category: text,
    turns: z.array(text, { error: "must be a list of messages" }).min(1, { error: "has no message" }),
  },
  { error: "must be an object with question_id, category and turns" },
);

/**
 * Reads questions in the format of MT-bench: JSON lines, `{"question_id": 81, "category": "writing", "turns": ["…", "…"]}`. Blank
 * lines and further fields are passed over.
 *
 * @throws {KVPolicyError} `config` for a line that is something else, with its number and what is wrong; `empty` when there is no question.
 */
export function readQuestions(lines: string): readonly ChatQuestion[] {
  const questions = lines
    // The byte order mark that some editors put in front of a file.
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap((line, index) => (line.trim() === "" ? [] : [readQuestion(line, index + 1)]));
  if (questions.length > 0) return questions;
  throw new KVPolicyError({
    code: "empty",
    message: "There are no questions: every line is blank.",
    details: { what: "questions" },
  });
}

function readQuestion(line: string, number: number): ChatQuestion {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw refuse(number, `is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  const parsed = questionSchema.safeParse(value);
  if (parsed.success) {
    const { question_id: id, category, turns } = parsed.data;
    return { id, category, turns };
  }
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") ?? "";
  throw refuse(number, `${field === "" ? "" : `is no question: ${field} `}${issue?.message ?? ""}`);
}

function refuse(number: number, problem: string, cause?: unknown): KVPolicyError<"config"> {
  const message = `Line ${number} of the questions ${problem}.`;
  return new KVPolicyError({
    code: "config",
    message,
    details: { option: "questions", value: number },
    cause,
  });
}
