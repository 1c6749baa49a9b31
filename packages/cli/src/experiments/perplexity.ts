import { measurePerplexity } from "@kvpolicy/bench";
import { Option } from "commander";
import { z } from "zod";

import { COMMON_DEFAULTS, defaultsInWords, strideOption } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { loadText, type LoadedText } from "../load-text.js";
import { firstProblem, numberList, strideSchema } from "../option-schemas.js";
import { choosePolicies, parsePolicies, policyOption, policySpecs } from "../policy-choices.js";
import type { PolicySpec } from "../policy-spec.js";
import { readableText, textName, tokenCount, tokensForInterval, tokensOption } from "../readable-text.js";
import { badOption } from "../report-error.js";

const POLICIES = ["dense", "window", "recompute", "sink-window"];
const { tiny, other } = COMMON_DEFAULTS;

const rawSchema = z.object({
  text: z.array(textName.unwrap()).optional(),
  tokens: tokenCount,
  policy: policySpecs,
  budgets: numberList(1).optional(),
  stride: strideSchema.optional(),
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
      `budgets in cells, such as 256,512 ${defaultsInWords(tiny.budget, other.budget)}`,
    ),
    strideOption(),
    new Option(
      "--reference <policy>",
      "policy that the others are compared with (default: the first sink-window, else the first policy)",
    ),
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
    const texts: LoadedText[] = [];
    for (const file of files ?? [undefined]) texts.push(await loadText(file));
    return (laboratory) =>
      measurePerplexity({
        ...laboratory,
        texts: texts.map((text) => readableText(laboratory.loaded, text, tokens)),
        policies: choosePolicies(policies, laboratory.model, tokens),
        budgets,
        reference,
        seed,
      });
  },
};

/** Refuses a reference that is none of the policies: those are named as on the command line. */
function checkReference(reference: string | undefined, policies: readonly PolicySpec[]): void {
  if (reference === undefined || policies.some(({ name }) => name === reference)) return;
  const names = policies.map(({ name }) => name).join(", ");
  throw badOption("reference", reference, `--reference ${reference} is none of the policies: ${names}.`);
}
