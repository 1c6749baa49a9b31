import { measurePerplexity, type ReadableText } from "@kvpolicy/bench";
import { Option } from "commander";
import { z } from "zod";

import type { ExperimentCommand } from "../experiment-command.js";
import { firstProblem, numberList, wholeNumber } from "../option-schemas.js";
import { choosePolicies, parsePolicies, policyOption, policySpecs, strideOption } from "../policy-choices.js";
import type { PolicySpec } from "../policy-spec.js";
import { readableText, textName, tokenCount, tokensForInterval, tokensOption } from "../readable-text.js";
import { badOption } from "../report-error.js";

const POLICIES = ["dense", "window", "recompute", "sink-window"];

const rawSchema = z.object({
  text: z.array(textName.unwrap()).optional(),
  tokens: tokenCount,
  policy: policySpecs,
  budgets: numberList(1).optional(),
  stride: wholeNumber(1).optional(),
  reference: z.string().optional(),
});

/** `kvpolicy perplexity`: policies × budgets over texts. */
export const perplexityCommand: ExperimentCommand = {
  name: "perplexity",
  description:
    "Perplexity of policies at several budgets over one or several texts, with intervals and verdicts.",
  options: [
    new Option(
      "--text <file>",
      "text to read, repeatable; - for standard input (default: Moby Dick)",
    ).argParser((file: string, files: readonly string[] | undefined) => [...(files ?? []), file]),
    tokensOption(),
    policyOption(POLICIES),
    new Option(
      "--budgets <list>",
      "budgets in cells, such as 256,512 (default: 128 for a tiny model, else 256)",
    ),
    strideOption,
    new Option("--reference <policy>", "policy that the others are compared with (default: sink-window)"),
  ],
  prepare: async (raw, { defaults, seed }) => {
    const parsed = rawSchema.safeParse(raw);
    if (!parsed.success) throw firstProblem(raw, parsed.error);
    const { text: files, policy = POLICIES, reference } = parsed.data;
    const budgets = parsed.data.budgets ?? [defaults.budget];
    const tokens = parsed.data.tokens ?? tokensForInterval(Math.max(...budgets));
    const policies = await parsePolicies(policy, parsed.data.stride ?? defaults.stride, budgets);
    checkReference(reference, policies);
    const twice = files?.find((file, index) => files.indexOf(file) < index);
    if (twice !== undefined) throw badOption("text", twice, `--text ${twice} is given twice.`);
    return async (laboratory) => {
      const texts: ReadableText[] = [];
      for (const file of files ?? [undefined])
        texts.push(await readableText(laboratory.loaded, file, tokens));
      return measurePerplexity({
        ...laboratory,
        texts,
        policies: choosePolicies(policies, laboratory.model, tokens),
        budgets,
        reference,
        seed,
      });
    };
  },
};

/** Refuses a reference that is none of the policies: those are named as on the command line. */
function checkReference(reference: string | undefined, policies: readonly PolicySpec[]): void {
  if (reference === undefined || policies.some(({ name }) => name === reference)) return;
  const names = policies.map(({ name }) => name).join(", ");
  throw badOption("reference", reference, `--reference ${reference} is none of the policies: ${names}.`);
}
