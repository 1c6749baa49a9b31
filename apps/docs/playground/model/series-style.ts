import type { Participant } from "./worker-protocol.js";

/** How a policy's line is drawn, everywhere. */
export interface SeriesStyle {
  /** A custom property of the page. */
  readonly color: string;
  /** `stroke-dasharray`; empty for a whole line. */
  readonly dash: string;
}

const WITH_COLOR = [
  "dense",
  "window",
  "sink-window",
  "recompute",
  "head-tail",
  "separator",
  "dispersed",
  "surprise",
];

/** Of a policy that is there twice, with other options. */
const LATER_DASHES = ["2 4", "10 3", "10 3 2 3", "5 2"];

/** The colour of the policy, and dashes for one that is there already, and for recompute: it lies on sink-window. */
export function seriesStyle(participant: Participant, participants: readonly Participant[]): SeriesStyle {
  const { policy } = participant.setting;
  const color = `var(--series-${WITH_COLOR.includes(policy) ? policy : "other"})`;
  const same = participants.filter(({ setting }) => setting.policy === policy);
  const place = same.findIndex(({ id }) => id === participant.id);
  if (place <= 0) return { color, dash: policy === "recompute" ? "5 4" : "" };
  return { color, dash: LATER_DASHES[(place - 1) % LATER_DASHES.length] ?? "" };
}
