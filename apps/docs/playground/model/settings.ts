import { tinyModels, type TinyModel } from "@kvpolicy/tiny-models";

import type { PolicySetting } from "../policy-setting.js";
import type { Participant } from "./worker-protocol.js";

/** A model that the page offers. */
export interface ModelChoice {
  readonly model: TinyModel;
  /** What stands in the list. */
  readonly label: string;
  /** The head that gives the first cell most under sink-window: the one that is shown first. */
  readonly brightest: { readonly layer: number; readonly head: number };
}

/** The models that the page offers, the first one chosen at first. */
export const MODEL_CHOICES: readonly ModelChoice[] = [
  { model: tinyModels.sink, label: "sink: a planted sink", brightest: { layer: 0, head: 0 } },
  { model: tinyModels.plain, label: "plain: no sink, the control", brightest: { layer: 1, head: 1 } },
  { model: tinyModels.natural, label: "natural: a sink grew by itself", brightest: { layer: 1, head: 0 } },
];

/** How much of a text may be read. */
export const TOKEN_CHOICES: readonly number[] = [1000, 2000, 4000];

/** Most characters of the reader's own text. */
export const MOST_CHARACTERS = 20_000;

/** Fewest and most cells: below, little is to be seen; above, positions are beyond those that the models were trained on. */
export const BUDGET_LIMITS = { least: 16, most: 256 } as const;

/** What can be set, as it stands in the form. */
export interface Settings {
  readonly modelName: string;
  readonly textSource: "moby-dick" | "own";
  readonly ownText: string;
  readonly tokens: number;
  readonly budget: number;
  readonly stride: number;
}

/** What `npm run demo` takes: the same text, budget, stride and policies. */
export const DEFAULT_SETTINGS: Settings = {
  modelName: "sink",
  textSource: "moby-dick",
  ownText: "",
  tokens: 1000,
  budget: 128,
  stride: 2,
};

/** The paper's four policies. */
export const DEFAULT_PARTICIPANTS: readonly Participant[] = [
  "dense",
  "window",
  "sink-window",
  "recompute",
].map((policy, id) => ({ id, setting: { policy, options: {} } }));

/** The model of a name. */
export function modelChoice(name: string): ModelChoice {
  const choice = MODEL_CHOICES.find(({ model }) => model.name === name) ?? MODEL_CHOICES[0];
  if (!choice) throw new Error("There is no model to choose.");
  return choice;
}

/** Why nothing can be read with these settings, in words; undefined when it can. */
export function findSettingsProblem({ textSource, ownText, budget, stride }: Settings): string | undefined {
  const { least, most } = BUDGET_LIMITS;
  if (!Number.isInteger(budget) || budget < least || budget > most)
    return `The budget must be a whole number from ${least} to ${most}: the models were trained on ${most} tokens.`;
  if (!Number.isInteger(stride) || stride < 1 || stride >= budget)
    return `The stride must be a whole number from 1 to ${budget - 1}, below the budget.`;
  if (textSource === "own" && ownText.trim() === "")
    return "There is nothing to read: write or paste a text.";
  return undefined;
}

/** What a policy is called in the table, the chart and the lists: its name, and the options that were set. */
export function nameOf({ policy, options, wrappers = [] }: PolicySetting): string {
  const parts = [...Object.entries(options).map(([name, value]) => `${name} ${value}`), ...wrappers];
  return parts.length === 0 ? policy : `${policy} (${parts.join(", ")})`;
}
