import type { PolicySetting } from "../policy-setting.js";

/** A policy as a title: `pinned(sink-window · sinks 2)`. */
export function nameOfSetting({ policy, options, wrappers = [] }: PolicySetting): string {
  const parts = Object.entries(options).map(([name, value]) => `${wordsOf(name)} ${value}`);
  const inner = [policy, ...parts].join(" · ");
  const aligned = wrappers.includes("turn-aligned") ? `turn-aligned(${inner})` : inner;
  return wrappers.includes("pinned") ? `pinned(${aligned})` : aligned;
}

function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
