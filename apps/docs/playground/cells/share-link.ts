import { POLICY_NAMES, WRAPPERS } from "../policies.js";
import type { PolicySetting } from "../policy-setting.js";
import { SAMPLE_TEXTS } from "./texts.js";

/** Fewest and most cells that the playground shows. */
export const BUDGETS = { least: 4, most: 64 } as const;

/** Characters that a link has at most: longer ones are cut or refused on their way. */
const LONGEST_LINK = 8000;

/** Everything that is set in the cells' part of the playground. */
export interface CellsSetup {
  readonly first: PolicySetting;
  /** The policy beside it; `null` for none. */
  readonly second: PolicySetting | null;
  readonly budget: number;
  /** Id of a sample text; `null` for a text of one's own. */
  readonly sample: string | null;
  /** The text of one's own. */
  readonly text: string;
  /** Stream positions that are pinned. */
  readonly pins: readonly number[];
}

/** What the playground begins with. */
export const DEFAULT_SETUP: CellsSetup = {
  first: { policy: "sink-window", options: {} },
  second: { policy: "window", options: {} },
  budget: 16,
  sample: "story",
  text: "",
  pins: [],
};

/** A setup as the value of a parameter of an address. */
export function encodeSetup(setup: CellsSetup): string {
  const { sample, text, ...others } = setup;
  return JSON.stringify({ ...others, ...(sample === null ? { text } : { sample }) });
}

/** The setup of such a value; what is missing or no good in it is taken from the default. */
export function decodeSetup(value: string | null): CellsSetup {
  const read = parseObject(value);
  const { first, second, budget, sample, text, pins } = read;
  const isSample = SAMPLE_TEXTS.some(({ id }) => id === sample);
  return {
    first: readSetting(first) ?? DEFAULT_SETUP.first,
    second: second === null ? null : (readSetting(second) ?? DEFAULT_SETUP.second),
    budget: isBudget(budget) ? budget : DEFAULT_SETUP.budget,
    sample: isSample ? String(sample) : typeof text === "string" ? null : DEFAULT_SETUP.sample,
    text: typeof text === "string" && !isSample ? text : "",
    pins: Array.isArray(pins) ? pins.filter(isPosition) : [],
  };
}

/** The address that opens a setup, for the page at `address`; `undefined` where it would be too long. */
export function linkTo(setup: CellsSetup, address: string): string | undefined {
  const link = new URL(address);
  link.search = new URLSearchParams({ cells: encodeSetup(setup) }).toString();
  link.hash = "cells";
  return link.href.length > LONGEST_LINK ? undefined : link.href;
}

function parseObject(value: string | null): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(value ?? "");
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

function readSetting(value: unknown): PolicySetting | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { policy, options, wrappers } = value as Readonly<Record<string, unknown>>;
  if (typeof policy !== "string" || !POLICY_NAMES.includes(policy)) return undefined;
  const known = WRAPPERS.map(({ name }) => name).filter(
    (name) => Array.isArray(wrappers) && wrappers.includes(name),
  );
  return { policy, options: readOptions(options), ...(known.length > 0 && { wrappers: known }) };
}

function readOptions(value: unknown): PolicySetting["options"] {
  if (typeof value !== "object" || value === null) return {};
  const isOption = (entry: [string, unknown]): entry is [string, number | string] =>
    typeof entry[1] === "number" || typeof entry[1] === "string";
  return Object.fromEntries(Object.entries(value).filter(isOption));
}

function isBudget(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= BUDGETS.least && Number(value) <= BUDGETS.most;
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
