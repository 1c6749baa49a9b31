import type { CacheRange, CacheView, EvictionPlan, KVCachePolicy } from "@kvpolicy/core";

import { Breach, messageOf } from "../breach.js";

/** A policy's answer. What it throws breaks whatever law is being tried. */
export function ask(policy: KVCachePolicy, view: CacheView): EvictionPlan | null {
  try {
    return policy.plan(view);
  } catch (cause) {
    throw new Breach(`plan() threw: ${messageOf(cause)}`, { cause });
  }
}

/** The cells that a plan evicts, as far as its ranges make sense; none for `null`. */
export function evictedCells(plan: EvictionPlan | null): Set<number> {
  const cells = new Set<number>();
  for (const { start, end } of plan?.evict ?? []) {
    for (let index = start; index < end; index += 1) cells.add(index);
  }
  return cells;
}

/** A plan as text, to compare and to show. */
export function textOf(plan: EvictionPlan | null): string {
  return plan === null ? "null" : `${plan.survivors} ${plan.evict.map(rangeText).join(" ")}`;
}

/** A range as text. */
export function rangeText({ start, end }: CacheRange): string {
  return `[${start}, ${end})`;
}
