import type { KVCachePolicy } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { recompute } from "@kvpolicy/recompute";
import { isSeparator, separator, type SeparatorOptions } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { window } from "@kvpolicy/window";

import type { PolicySetting } from "./policy-setting.js";

/** Finds tokens by their text: what a policy needs that goes by what a token is. */
export type FindTokens = (isWanted: (text: string) => boolean) => readonly number[];

/** What a field takes. */
type FieldKind = "whole number" | "number" | "stride" | "head" | "token list";

/** An option of a policy, as a form shows it. */
export interface PolicyField {
  /** Name of the option in code. */
  readonly name: string;
  /** What stands before the input. */
  readonly label: string;
  /** What the option does, in one sentence. */
  readonly hint: string;
  /** What it takes. */
  readonly kind: FieldKind;
  /** The least number that it takes. */
  readonly minimum: number;
  /** What is taken where the field is empty, as text. */
  readonly defaultText: string;
}

/** A policy that the playground knows. */
export interface PolicyKind {
  /** Name of the policy, and of its package under `@kvpolicy/`. */
  readonly name: string;
  /** Name of the function that makes it. */
  readonly factory: string;
  /** What it keeps, in a few words. */
  readonly keeps: string;
  /** Its options. The window is none of them: it is what the other options leave of the budget. */
  readonly fields: readonly PolicyField[];
  /** Makes it. What the options are is checked by the policy itself. */
  readonly create: (options: PolicySetting["options"], findTokens: FindTokens) => KVCachePolicy;
}

const SINKS: PolicyField = {
  name: "sinks",
  label: "Sinks",
  hint: "Initial tokens kept for ever.",
  kind: "whole number",
  minimum: 0,
  defaultText: "4",
};

/** The stride of a policy that takes it from what `from` names. */
function stride(from: string, defaultText = "a sixteenth"): PolicyField {
  return {
    name: "stride",
    label: "Stride",
    hint: `Cells freed by one eviction: a number, or half of the ${from}.`,
    kind: "stride",
    minimum: 1,
    defaultText,
  };
}

function count(name: string, label: string, hint: string, defaultText: string, minimum = 0): PolicyField {
  return { name, label, hint, kind: "whole number", minimum, defaultText };
}

/** Policies in the order in which they are offered. */
export const POLICY_KINDS: readonly PolicyKind[] = [
  {
    name: "sink-window",
    factory: "sinkWindow",
    keeps: "the first few tokens and a recent window: StreamingLLM",
    fields: [SINKS, stride("window")],
    create: (options) => sinkWindow(options),
  },
  {
    name: "window",
    factory: "window",
    keeps: "the most recent tokens",
    fields: [stride("window")],
    create: (options) => window(options),
  },
  {
    name: "recompute",
    factory: "recompute",
    keeps: "the most recent tokens, evaluated again",
    fields: [
      {
        name: "head",
        label: "Head",
        hint: "What stays in front: bos, the beginning-of-sequence token if there is one; none; or that many first tokens.",
        kind: "head",
        minimum: 0,
        defaultText: "bos",
      },
      stride("window"),
    ],
    create: (options) => recompute(options),
  },
  {
    name: "head-tail",
    factory: "headTail",
    keeps: "a share of the budget from the beginning, and the end",
    fields: [
      {
        name: "head",
        label: "Head",
        hint: "Share of the budget that the first tokens get: 0 or more and below 1.",
        kind: "number",
        minimum: 0,
        defaultText: "0.5",
      },
      stride("tail"),
    ],
    create: (options) => headTail(options),
  },
  {
    name: "separator",
    factory: "separator",
    keeps: "the first few tokens, the newest separators and a recent window",
    fields: [
      SINKS,
      count("separators", "Separators", "Most separators kept between the sinks and the window.", "32"),
      {
        name: "separatorTokens",
        label: "Tokens",
        hint: "What counts as a separator, with spaces between.",
        kind: "token list",
        minimum: 1,
        defaultText: ". , ? ! ; :",
      },
      stride("window", "two ninths"),
    ],
    create: ({ separatorTokens, ...options }, findTokens) =>
      separator({
        ...(options as Omit<SeparatorOptions, "separatorTokens">),
        separatorTokens: findTokens(isListed(separatorTokens)),
      }),
  },
  {
    name: "dispersed",
    factory: "dispersed",
    keeps: "the first few tokens, anchors spread over the stream and a recent window",
    fields: [
      SINKS,
      count("anchors", "Anchors", "Most anchors kept between the sinks and the window.", "32"),
      count("spacing", "Spacing", "Stream positions between anchors, at first: it doubles.", "16", 1),
      stride("window"),
    ],
    create: (options) => dispersed(options),
  },
  {
    name: "surprise",
    factory: "surprise",
    keeps: "the first few tokens, the most surprising ones and a recent window",
    fields: [
      SINKS,
      count("surprises", "Surprises", "Most surprising tokens kept between the sinks and the window.", "64"),
      {
        name: "halfLife",
        label: "Half-life",
        hint: "Tokens after which a surprise counts half.",
        kind: "number",
        minimum: 1,
        defaultText: "none",
      },
      stride("window"),
    ],
    create: (options) => surprise(options),
  },
  {
    name: "dense",
    factory: "dense",
    keeps: "everything, until the cache is full",
    fields: [],
    create: () => dense(),
  },
];

/** The texts that the option `separatorTokens` lists; none where it is left to the policy. */
export function listedTexts(tokens: number | string | undefined): string[] {
  return String(tokens ?? "")
    .split(/\s+/)
    .filter((text) => text !== "");
}

function isListed(tokens: number | string | undefined): (text: string) => boolean {
  const texts = new Set(listedTexts(tokens));
  return texts.size === 0 ? isSeparator : (text) => texts.has(text.trim());
}
