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

import { badOption } from "./report-error.js";

/** As many random tokens as there are sinks. */
const CONTROL_ANCHORS = 4;

/** What a policy may depend on beside its options. */
export interface PolicyContext {
  /** Finds tokens of the model by their text. */
  readonly findTokens: (isWanted: (text: string) => boolean) => readonly number[];
  /** Budget of the stream; undefined where it is not known, and no policy that needs it can be named. */
  readonly budget?: number | undefined;
}

/** What stands for a model that is not loaded yet, to check a spec with. */
export function withoutModel(budget?: number): PolicyContext {
  return { findTokens: () => [0], budget };
}

/** The options that a spec names, read. */
export class SpecOptions {
  readonly #spec: string;
  readonly #values: ReadonlyMap<string, string>;
  readonly #stride: Stride | undefined;

  /** `stride` is what is taken where the spec names none. */
  constructor(spec: string, values: ReadonlyMap<string, string>, stride: Stride | undefined) {
    this.#spec = spec;
    this.#values = values;
    this.#stride = stride;
  }

  /** The stride of the spec, else of the command. */
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

  /** What `recompute` keeps in front. */
  get head(): "none" | "bos" | number {
    const head = this.#values.get("head");
    if (head === undefined || head === "bos") return "bos";
    return head === "none" ? "none" : (this.count("head", 0, "none, bos or ") ?? 0);
  }

  /** The budget of the stream, for a control that draws from the first fill. */
  budget({ budget }: PolicyContext): number {
    if (budget !== undefined) return budget;
    throw badOption(
      "policy",
      this.#spec,
      `--policy ${this.#spec} takes its budget from the command: name --budget.`,
    );
  }

  /** A whole number; undefined where the spec does not name the option. */
  count(option: string, minimum: number, otherwise = ""): number | undefined {
    const value = this.#number(option, /^\d+$/);
    if (value === undefined || (Number.isSafeInteger(value) && value >= minimum)) return value;
    throw this.#refuse(option, `${otherwise}a whole number of at least ${minimum}`);
  }

  /** A number; undefined where the spec does not name the option. */
  number(option: string, minimum: number): number | undefined {
    const value = this.#number(option, /^\d*\.?\d+$/);
    if (value === undefined || (Number.isFinite(value) && value >= minimum)) return value;
    throw this.#refuse(option, `a number of at least ${minimum}`);
  }

  /** A share of something, below 1; undefined where the spec does not name the option. */
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

/** What the command line can name. */
export interface PolicyKind {
  /** Options of its spec. */
  readonly options: readonly string[];
  /** Makes the policy of a spec's options. */
  readonly create: (options: SpecOptions, context: PolicyContext) => KVCachePolicy;
}

/** Policies by name. */
export const KINDS: ReadonlyMap<string, PolicyKind> = new Map<string, PolicyKind>([
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

/** Policies that wrap a policy, by name. */
export const WRAPPERS: ReadonlyMap<string, (inner: KVCachePolicy) => KVCachePolicy> = new Map([
  ["pinned", pinned],
  ["turn-aligned", (inner) => turnAligned(inner)],
]);
