import type { KVCachePolicy, Stride } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";

import { badOption } from "./report-error.js";

/** A policy as the command line names it. */
export interface PolicySpec {
  /** The spec itself, for tables and charts. */
  readonly name: string;
  /** The policy. */
  readonly policy: KVCachePolicy;
}

type Options = ReadonlyMap<string, string>;

interface Kind {
  readonly options: readonly string[];
  readonly create: (options: Options, stride: Stride) => KVCachePolicy;
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["dense", { options: [], create: () => dense() }],
  ["window", { options: ["stride"], create: (_, stride) => window({ stride }) }],
  [
    "recompute",
    {
      options: ["head", "stride"],
      create: (options, stride) => recompute({ stride, head: readHead(options) }),
    },
  ],
  [
    "sink-window",
    {
      options: ["sinks", "stride"],
      create: (options, stride) => sinkWindow({ stride, sinks: readCount(options, "sinks", 0) }),
    },
  ],
]);

/**
 * Reads a policy from the command line: a name, then options as `name:option=value,option=value`. What the options leave of the
 * budget is the window.
 *
 * @param spec - For example `sink-window:sinks=1,stride=16`.
 * @param stride - The stride where the spec names none.
 * @throws {KVPolicyError} `config` for an unknown policy or option, or a value that cannot work; the message says what is known.
 */
export function parsePolicySpec(spec: string, stride: Stride): PolicySpec {
  const [name = "", ...rest] = spec.split(":");
  const kind = KINDS.get(name);
  if (!kind) throw refuse(spec, `there is no policy "${name}"; known are ${[...KINDS.keys()].join(", ")}`);
  if (rest.length > 1) throw refuse(spec, "it has more than one colon");
  const options = readOptions(spec, kind, rest[0]);
  return { name: spec, policy: kind.create(options, readStride(options, stride)) };
}

function readOptions(spec: string, kind: Kind, text: string | undefined): Options {
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

function readStride(options: Options, otherwise: Stride): Stride {
  if (options.get("stride") === "half") return "half";
  return readCount(options, "stride", 1) ?? otherwise;
}

function readHead(options: Options): "none" | "bos" | number {
  const head = options.get("head");
  if (head === undefined || head === "bos") return "bos";
  return head === "none" ? "none" : (readCount(options, "head", 0) ?? 0);
}

function readCount(options: Options, option: string, minimum: number): number | undefined {
  const text = options.get(option);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum) return value;
  const words = { stride: "half or ", head: "none, bos or " }[option] ?? "";
  throw badOption(
    "policy",
    text,
    `--policy: ${option} must be ${words}a whole number of at least ${minimum}, not "${text}".`,
  );
}

function refuse(spec: string, problem: string): Error {
  return badOption("policy", spec, `--policy ${spec} cannot be read: ${problem}.`);
}
