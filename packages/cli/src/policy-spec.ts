import { basename } from "node:path";

import { llamaCppShift, randomAnchor, randomRecent } from "@kvpolicy/bench";
import type { KVCachePolicy, Stride } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { isSeparator, separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";

import { isModuleSpec, loadPolicyModule } from "./policy-module.js";
import { badOption } from "./report-error.js";

/** What a policy may depend on beside its options. */
export interface PolicyContext {
  /** Finds tokens of the model by their text. */
  readonly findTokens: (isWanted: (text: string) => boolean) => readonly number[];
  /** Budget of the stream; undefined where it is not known, and no policy that needs it can be named. */
  readonly budget?: number | undefined;
}

/** A policy as the command line names it. */
export interface PolicySpec {
  /** The spec itself, for tables and charts; of a module the policy's own name and the file's. */
  readonly name: string;
  /** Makes the policy, once the model is there. */
  readonly create: (context: PolicyContext) => KVCachePolicy;
}

/** What stands for a model that is not loaded yet, to check a spec with. */
export function withoutModel(budget?: number): PolicyContext {
  return { findTokens: () => [0], budget };
}

/** The options that a spec names, read. */
class Options {
  readonly #spec: string;
  readonly #values: ReadonlyMap<string, string>;
  readonly #stride: Stride | undefined;

  constructor(spec: string, values: ReadonlyMap<string, string>, stride: Stride | undefined) {
    this.#spec = spec;
    this.#values = values;
    this.#stride = stride;
  }

  get stride(): Stride | undefined {
    return this.ownStride ?? this.#stride;
  }

  /** The stride that the spec itself names. */
  get ownStride(): Stride | undefined {
    if (this.#values.get("stride") === "half") return "half";
    return this.count("stride", 1, "half or ");
  }

  /** The stride of a policy that knows no share. */
  get cells(): number | undefined {
    const { stride } = this;
    if (stride !== "half") return stride;
    throw badOption("policy", this.#spec, `--policy ${this.#spec} takes its stride as a number, not half.`);
  }

  get head(): "none" | "bos" | number {
    const head = this.#values.get("head");
    if (head === undefined || head === "bos") return "bos";
    return head === "none" ? "none" : (this.count("head", 0, "none, bos or ") ?? 0);
  }

  budget({ budget }: PolicyContext): number {
    if (budget !== undefined) return budget;
    throw badOption(
      "policy",
      this.#spec,
      `--policy ${this.#spec} is a control, for \`kvpolicy stream\` only.`,
    );
  }

  count(option: string, minimum: number, otherwise = ""): number | undefined {
    const value = this.#number(option, /^\d+$/);
    if (value === undefined || (Number.isSafeInteger(value) && value >= minimum)) return value;
    throw this.#refuse(option, `${otherwise}a whole number of at least ${minimum}`);
  }

  number(option: string, minimum: number): number | undefined {
    const value = this.#number(option, /^\d*\.?\d+$/);
    if (value === undefined || (Number.isFinite(value) && value >= minimum)) return value;
    throw this.#refuse(option, `a number of at least ${minimum}`);
  }

  share(option: string): number | undefined {
    const value = this.#number(option, /^\d*\.?\d+$/);
    if (value === undefined || value < 1) return value;
    throw this.#refuse(option, "a number of at least 0 and below 1");
  }

  #number(option: string, form: RegExp): number | undefined {
    const text = this.#values.get(option);
    if (text === undefined) return undefined;
    return form.test(text) ? Number(text) : Infinity;
  }

  #refuse(option: string, allowed: string): Error {
    const text = this.#values.get(option);
    return badOption("policy", this.#spec, `--policy: ${option} must be ${allowed}, not "${text ?? ""}".`);
  }
}

interface Kind {
  readonly options: readonly string[];
  readonly create: (options: Options, context: PolicyContext) => KVCachePolicy;
}

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["dense", { options: [], create: () => dense() }],
  ["window", { options: ["stride"], create: ({ stride }) => window({ stride }) }],
  ["recompute", { options: ["head", "stride"], create: ({ head, stride }) => recompute({ stride, head }) }],
  [
    "sink-window",
    {
      options: ["sinks", "stride"],
      create: (options) => sinkWindow({ sinks: options.count("sinks", 0), stride: options.stride }),
    },
  ],
  [
    "head-tail",
    {
      options: ["head", "stride"],
      create: (options) => headTail({ head: options.share("head"), stride: options.stride }),
    },
  ],
  [
    "separator",
    {
      options: ["sinks", "separators", "stride"],
      create: (options, { findTokens }) =>
        separator({
          separatorTokens: findTokens(isSeparator),
          sinks: options.count("sinks", 0),
          separators: options.count("separators", 0),
          stride: options.stride,
        }),
    },
  ],
  [
    "dispersed",
    {
      options: ["sinks", "anchors", "spacing", "stride"],
      create: (options) =>
        dispersed({
          sinks: options.count("sinks", 0),
          anchors: options.count("anchors", 0),
          spacing: options.count("spacing", 1),
          stride: options.stride,
        }),
    },
  ],
  [
    "surprise",
    {
      options: ["sinks", "surprises", "half-life", "stride"],
      create: (options) =>
        surprise({
          sinks: options.count("sinks", 0),
          surprises: options.count("surprises", 0),
          halfLife: options.number("half-life", 1),
          stride: options.stride,
        }),
    },
  ],
  [
    "llama-cpp-shift",
    {
      options: ["keep", "stride"],
      create: (options) => llamaCppShift({ keep: options.count("keep", 0), stride: options.ownStride }),
    },
  ],
  [
    "random-anchor",
    {
      options: ["anchors", "seed", "stride"],
      create: (options, context) =>
        randomAnchor({
          anchors: options.count("anchors", 1) ?? CONTROL_ANCHORS,
          seed: options.count("seed", 0) ?? 1,
          budget: options.budget(context),
          stride: options.cells,
        }),
    },
  ],
  [
    "random-recent",
    {
      options: ["anchors", "seed", "stride"],
      create: (options) =>
        randomRecent({
          anchors: options.count("anchors", 1) ?? CONTROL_ANCHORS,
          seed: options.count("seed", 0) ?? 1,
          stride: options.cells,
        }),
    },
  ],
]);

/** As many random tokens as there are sinks. */
const CONTROL_ANCHORS = 4;

/** Policies that wrap a policy. */
const WRAPPERS: ReadonlyMap<string, (inner: KVCachePolicy) => KVCachePolicy> = new Map([
  ["pinned", pinned],
  ["turn-aligned", (inner) => turnAligned(inner)],
]);

/**
 * Reads a policy from the command line: a name, then options as `name:option=value,option=value`. What the options leave of the
 * budget is the window. A policy that wraps another has it in brackets: `wrapper(spec)`. A path, `./my-policy.js` or
 * `./my-policy.js#name`, is a module that exports one.
 *
 * @param spec - For example `sink-window:sinks=1,stride=16`, or `pinned(turn-aligned(sink-window))`.
 * @param stride - The stride where the spec names none; undefined for the policy's own default.
 * @param budget - The budget where it is known.
 * @throws {KVPolicyError} `config` for an unknown policy or option, a module that has no policy, or a value that cannot work; the
 * message says what is known.
 */
export async function parsePolicySpec(
  spec: string,
  stride: Stride | undefined,
  budget?: number,
): Promise<PolicySpec> {
  const read = await readPolicy(spec, spec, stride);
  // What cannot work is found now, and not when the model is loaded.
  read.create(withoutModel(budget));
  return read;
}

/** Reads a part of a spec. */
async function readPolicy(spec: string, part: string, stride: Stride | undefined): Promise<PolicySpec> {
  const [, wrapperName, inner] = /^([^:()]*)\((.*)\)$/s.exec(part) ?? [];
  if (wrapperName !== undefined && inner !== undefined) {
    const wrap = WRAPPERS.get(wrapperName);
    if (!wrap) {
      const known = [...WRAPPERS.keys()].join(", ");
      throw refuse(spec, `no policy "${wrapperName}" wraps another; those that do are ${known}`);
    }
    const { name, create } = await readPolicy(spec, inner, stride);
    return { name: `${wrapperName}(${name})`, create: (context) => wrap(create(context)) };
  }
  if (isModuleSpec(part)) {
    const create = await loadPolicyModule(part);
    // Where the module lies is nobody's business who reads a report.
    return { name: `${create({ stride }).name} (${basename(part)})`, create: () => create({ stride }) };
  }
  const [name = "", ...rest] = part.split(":");
  const kind = KINDS.get(name);
  if (!kind) throw refuse(spec, describeUnknown(name));
  if (rest.length > 1) throw refuse(spec, "it has more than one colon");
  const options = new Options(spec, readOptions(spec, kind, rest[0]), stride);
  return { name: part, create: (context) => kind.create(options, context) };
}

function describeUnknown(name: string): string {
  if (WRAPPERS.has(name))
    return `"${name}" wraps another policy, which it has in brackets: ${name}(sink-window)`;
  if (/[()]/.test(name)) return "its brackets do not match";
  const known = [...KINDS.keys(), ...[...WRAPPERS.keys()].map((wrapper) => `${wrapper}(…)`)];
  return `there is no policy "${name}"; known are ${known.join(", ")}, and a path of your own, ./my-policy.js`;
}

function readOptions(spec: string, kind: Kind, text: string | undefined): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  if (text === undefined) return options;
  for (const assignment of text.split(",")) {
    const [option = "", value, ...rest] = assignment.split("=");
    if (!kind.options.includes(option)) {
      const known = kind.options.length === 0 ? "it takes none" : `it takes ${kind.options.join(", ")}`;
      throw refuse(spec, `"${option}" is no option of this policy; ${known}`);
    }
    if (value === undefined || value === "" || rest.length > 0)
      throw refuse(spec, `"${assignment}" is not option=value`);
    if (options.has(option)) throw refuse(spec, `${option} is given twice`);
    options.set(option, value);
  }
  return options;
}

function refuse(spec: string, problem: string): Error {
  return badOption("policy", spec, `--policy ${spec} cannot be read: ${problem}.`);
}
