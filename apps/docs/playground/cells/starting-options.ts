import type { PolicySetting } from "../policy-setting.js";

/** Options that leave a window in a few cells: the defaults of these policies are made for hundreds. */
const STARTING_OPTIONS: ReadonlyMap<string, PolicySetting["options"]> = new Map([
  ["separator", { sinks: 2, separators: 4 }],
  ["dispersed", { sinks: 2, anchors: 4, spacing: 4 }],
  ["surprise", { sinks: 2, surprises: 4 }],
]);

/** The options that a policy begins with here. */
export function startingOptions(policy: string): PolicySetting["options"] {
  return STARTING_OPTIONS.get(policy) ?? {};
}
