import { access, constants, mkdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { measureSoak, type SoakStorage } from "@kvpolicy/bench";
import { KVPolicyError } from "@kvpolicy/core";
import { openStream } from "@kvpolicy/llamacpp-adapter";
import { Option } from "commander";
import { z } from "zod";

import { budgetOption, strideOption, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand, Laboratory } from "../experiment-command.js";
import { loadText, type LoadedText } from "../load-text.js";
import { firstProblem, strideSchema, wholeNumber } from "../option-schemas.js";
import { choosePolicy, parsePolicy } from "../policy-choices.js";
import type { PolicySpec } from "../policy-spec.js";
import { readableText, textName, textOption } from "../readable-text.js";
import { badOption } from "../report-error.js";

/**
 * What is taken when an option is left out. The tokens of a pass are 7 more than a multiple of 64, so that passes begin all over the
 * usual strides and not one token apart, which would look like a drift.
 */
const DEFAULTS = {
  tokens: 1_000_000,
  passTokens: 49_991,
  policy: "sink-window",
  every: 100_000,
  rounds: 50,
  checkpoint: "soak.snapshot",
} as const;

/** The checked options of `kvpolicy soak` beside the common ones. */
export interface SoakCommandOptions {
  /** Tokens to read in all. */
  readonly tokens: number;
  /** File to read, `-` for standard input; undefined for the built-in text. */
  readonly text: string | undefined;
  /** Most tokens of one pass of the text. */
  readonly passTokens: number;
  /** The policy. */
  readonly policy: PolicySpec;
  /** Cells that it may use. */
  readonly budget: number;
  /** Where the stream and what was measured are kept. */
  readonly checkpoint: string;
  /** Tokens between two checkpoints. */
  readonly every: number;
  /** Rounds of the comparison with a young stream at the end; 0 for none. */
  readonly rounds: number;
  /** Whether to start over where there is a checkpoint. */
  readonly fresh: boolean;
}

/** `kvpolicy soak`: many tokens through one stream, unattended. */
export const soakCommand: ExperimentCommand = {
  name: "soak",
  description:
    "Reads many tokens through one stream: do time, memory and likelihood stay? Goes on after an interruption.",
  options: [
    new Option("--tokens <count>", "tokens to read in all, the text again and again").default(
      String(DEFAULTS.tokens),
    ),
    textOption(),
    new Option("--pass-tokens <count>", "tokens of the text, from its start, before it begins again").default(
      String(DEFAULTS.passTokens),
    ),
    new Option("--policy <spec>", "which cached tokens stay").default(DEFAULTS.policy),
    budgetOption(),
    strideOption(),
    new Option(
      "--checkpoint <file>",
      `where the soak is kept until it is complete, and goes on from (default: ${DEFAULTS.checkpoint} in --out)`,
    ),
    new Option("--every <tokens>", "tokens between two checkpoints").default(String(DEFAULTS.every)),
    new Option(
      "--rounds <count>",
      "rounds of the comparison with a young stream at the end, 0 for none; more make its interval narrower",
    ).default(String(DEFAULTS.rounds)),
    new Option("--fresh", "start over, whatever the checkpoint holds"),
  ],
  prepare: async (raw, common) => {
    const options = await parseSoakOptions(raw, common);
    const text = await loadText(options.text);
    await createFolder(options.checkpoint);
    return (laboratory) => runSoak(options, text, laboratory);
  },
};

const rawSchema = z.object({
  tokens: wholeNumber(1),
  text: textName,
  passTokens: wholeNumber(1),
  policy: z.string(),
  budget: wholeNumber(1).optional(),
  stride: strideSchema.optional(),
  checkpoint: z.string().min(1, { error: "must name a file" }).optional(),
  every: wholeNumber(1),
  rounds: wholeNumber(0),
  fresh: z.boolean().default(false),
});

/**
 * Checks the options of `kvpolicy soak` and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param common - The options that all experiments share.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export async function parseSoakOptions(raw: unknown, common: CommonOptions): Promise<SoakCommandOptions> {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { stride = common.defaults.stride, budget = common.defaults.budget, ...rest } = parsed.data;
  const policy = await parsePolicy(rest.policy, stride, [budget]);
  return {
    ...rest,
    text: rest.text,
    policy,
    budget,
    checkpoint: rest.checkpoint ?? join(common.out, DEFAULTS.checkpoint),
  };
}

/** Before an hour of measuring, not after it. */
async function createFolder(file: string): Promise<void> {
  const folder = dirname(file);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    const message = `The checkpoint ${basename(file)} cannot be written to ${folder}: ${String(cause)}.`;
    throw badOption("checkpoint", basename(file), message, cause);
  }
}

async function runSoak(
  options: SoakCommandOptions,
  text: LoadedText,
  laboratory: Laboratory,
): ReturnType<typeof measureSoak> {
  const { loaded, common, model } = laboratory;
  const { policy, budget, tokens, passTokens, rounds, checkpoint } = options;
  const results = await measureSoak({
    ...laboratory,
    text: readableText(loaded, text, passTokens),
    tokens,
    policy: choosePolicy(policy, model, tokens),
    budget,
    rounds,
    seed: common.seed,
    storage: createSoakStorage({
      ...options,
      laboratory,
      onResume: (position) => {
        if (common.json) return;
        process.stderr.write(
          `There is a checkpoint, ${basename(checkpoint)}, at stream position ${position.toLocaleString("en")}; --fresh starts over.\n`,
        );
      },
    }),
  });
  if (results.partial) return results;
  try {
    // What hours have measured is safe on the disk before the checkpoint goes.
    await laboratory.save(results);
    await rm(checkpoint, { force: true });
  } catch {
    // The checkpoint holds all of it. The figures are printed before they are written once more, which says what is wrong.
  }
  return results;
}

/** Options of {@link createSoakStorage}. */
export interface SoakStorageOptions extends Pick<SoakCommandOptions, "checkpoint" | "every" | "fresh"> {
  /** The model, and how contexts are made. */
  readonly laboratory: {
    readonly loaded: Pick<Laboratory["loaded"], "model">;
    readonly common: Pick<CommonOptions, "keys" | "values" | "threads">;
  };
  /** Told the stream position at which a soak goes on. */
  readonly onResume: (position: number) => void;
}

/** A soak in a snapshot file: the stream and the figures in one, so that no kill leaves two that disagree. */
export function createSoakStorage({
  checkpoint,
  every,
  fresh,
  laboratory: { loaded, common },
  onResume,
}: SoakStorageOptions): SoakStorage {
  return {
    every,
    open: async ({ policy, budget, bos, onWarning }) => {
      const isThere = !fresh && (await exists(checkpoint));
      const stream = await openStream(loaded.model, {
        policy,
        budget,
        ...(bos !== undefined && { bos }),
        keyType: common.keys,
        valueType: common.values,
        threads: common.threads,
        onWarning: ({ message }) => onWarning?.(message),
        ...(isThere && { restore: checkpoint }),
      }).catch((error: unknown) => {
        throw isThere && KVPolicyError.isInstance(error, "config") ? cannotGoOn(checkpoint, error) : error;
      });
      if (isThere) onResume(stream.position);
      return {
        stream,
        // A snapshot that says nothing is still none to begin from.
        saved: stream.restored && (stream.restored.extra ?? null),
        save: (state) => stream.save(checkpoint, { extra: state }),
      };
    },
  };
}

function cannotGoOn(checkpoint: string, cause: KVPolicyError): Error {
  const name = basename(checkpoint);
  return badOption(
    "checkpoint",
    name,
    `The soak cannot go on from ${name}: ${cause.message} It was left as it is; --fresh starts over, --checkpoint names another file.`,
    cause,
  );
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file, constants.F_OK);
    return true;
  } catch (error) {
    // What is there and cannot be looked at must not be written over.
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}
